//! Arguments of the commands that carry a finished run away.

use std::path::PathBuf;

use clap::Args;

use super::{OutFlags, StoreFlags};

/// Arguments of `rogo-migrate results`.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    /// The folder to copy them to
    #[arg(long, value_name = "DIR", required_unless_present = "bundle")]
    pub to: Option<PathBuf>,
    /// Put what tells the run into one zip instead: plan, summary, report, CSVs, durations. `status`, `report` and `explain
    /// CODE` read it with --bundle, without the run store
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub bundle: Option<PathBuf>,
    /// With --bundle: also the rows that failed as they came, and what verify found
    #[arg(long, requires = "bundle", conflicts_with = "to")]
    pub with_personal_data: bool,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
}

/// Arguments of `rogo-migrate report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Where the page is written.
    #[command(flatten)]
    pub out: OutFlags,
    /// Read this bundle of `results --bundle`, not the run store
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
}
