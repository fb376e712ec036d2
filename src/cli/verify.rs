//! The arguments of `verify`.

use clap::Args;

use super::{SettingFlags, VerifyFlags};

/// Arguments of `rogo-migrate verify`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct VerifyArgs {
    /// Read only the files whose bytes were not proven when they were copied
    #[arg(long)]
    pub only_unproven: bool,
    /// Show expected and stored values in the results; they may be personal data
    #[arg(long)]
    pub show_values: bool,
    /// Prove at level rows that planted corruptions are found: in copies in temporary tables, the target is only read
    #[arg(long)]
    pub self_test: bool,
    /// Print the verification as JSON
    #[arg(long)]
    pub json: bool,
    /// What is verified, and how.
    #[command(flatten)]
    pub verify: VerifyFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}
