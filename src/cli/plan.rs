//! The arguments of `plan` and `run`.

use clap::Args;

use super::{ConfirmFlags, PlanFlags, ReasonFlags, SettingFlags};

/// Arguments of `rogo-migrate plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Check and count everything, write nothing anywhere
    #[arg(long)]
    pub dry_run: bool,
    /// Whether the run is predicted, and how its duration is known.
    #[command(flatten)]
    pub prediction: PredictArgs,
    /// Print the plan, or the prediction, as JSON
    #[arg(long)]
    pub json: bool,
    /// Confirmation of what it decides.
    #[command(flatten)]
    pub confirm: ConfirmFlags,
    /// Reason for --exclude, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// The trial's and shards' settings.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// What `rogo-migrate plan` says of the run besides.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Also decide every row as the run would and look at every source file, reading only: what to mend, outcomes, files
    /// and bytes, duration, what is missing from the export
    #[arg(long)]
    pub predict: bool,
    /// Also copy some files into a scratch prefix of the target container and remove them again, to measure how long the
    /// run is going to take
    #[arg(long, requires = "predict", conflicts_with = "dry_run")]
    pub probe: bool,
}

/// Arguments of `rogo-migrate run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Confirmation of what it decides.
    #[command(flatten)]
    pub confirm: ConfirmFlags,
    /// Reason for --exclude and --breaker off, recorded with them.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// The trial's and shards' settings.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}
