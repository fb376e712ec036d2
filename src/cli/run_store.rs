//! Arguments of commands that ask what the run store holds, or take from it.

use std::path::PathBuf;

use clap::Args;

use super::{
    AttemptFlags, OutFlags, ReasonFlags, SettingFlags, StoreFlags, VerifyStoreFlags, of_this_machine,
};

/// Arguments of `rogo-migrate results`.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    /// The folder to copy them to
    #[arg(long, value_name = "DIR", required_unless_present_any = ["evidence", "bundle"], value_parser = of_this_machine())]
    pub to: Option<PathBuf>,
    /// Pack what an auditor keeps into this zip instead: plan, settings, books, receipts, manifests, prediction, verification,
    /// decisions, and SHA256SUMS; without personal data
    #[arg(long, value_name = "FILE", conflicts_with = "to", value_parser = of_this_machine())]
    pub evidence: Option<PathBuf>,
    /// With --evidence: a log to be packed too; may be repeated
    #[arg(long, value_name = "FILE", requires = "evidence", value_parser = of_this_machine())]
    pub logs: Vec<PathBuf>,
    /// With --evidence: the image that ran, as the registry names it: name@sha256:…
    #[arg(long, value_name = "IMAGE", requires = "evidence")]
    pub image: Option<String>,
    /// Put what tells the run into this zip instead: plan, summary, report, CSVs, durations. `status`, `report` and `explain
    /// CODE` read it with --bundle, without the run store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "evidence"], value_parser = of_this_machine())]
    pub bundle: Option<PathBuf>,
    /// With --bundle: also the rows that failed as they came, and what verify found
    #[arg(long, requires = "bundle", conflicts_with_all = ["to", "evidence"])]
    pub with_personal_data: bool,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
    /// Where its verifications are.
    #[command(flatten)]
    pub verify_store: VerifyStoreFlags,
}

/// Arguments of `rogo-migrate report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Where the page is written.
    #[command(flatten)]
    pub out: OutFlags,
    /// Read this bundle of `results --bundle`, not the run store
    #[arg(long, value_name = "FILE", value_parser = of_this_machine())]
    pub bundle: Option<PathBuf>,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
    /// Where its verifications are.
    #[command(flatten)]
    pub verify_store: VerifyStoreFlags,
}

/// Arguments of `rogo-migrate explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, as file_missing or 69; without it every code is listed
    #[arg(value_name = "CODE", conflicts_with = "attempt")]
    pub code: Option<String>,
    /// Also say how many rows of this bundle of `results --bundle` have the code, and which for example
    #[arg(long, value_name = "FILE", requires = "code", conflicts_with = "attempt", value_parser = of_this_machine())]
    pub bundle: Option<PathBuf>,
    /// Everything the run knows about this attempt, and what stands in the target now; prints personal data
    #[arg(long, value_name = "N")]
    pub attempt: Option<String>,
    /// Settings shared by all commands; without them only the run store is read.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate purge`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// Delete it; without it nothing is written
    #[arg(long, help_heading = "Deciding")]
    pub yes: bool,
    /// The only attempts to purge.
    #[command(flatten)]
    pub attempts: AttemptFlags,
    /// Reason for the decision, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
    /// Where its verifications are.
    #[command(flatten)]
    pub verify_store: VerifyStoreFlags,
}
