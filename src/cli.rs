//! The command line: clap types, no logic.
//!
//! Every flag of a setting is plain text here and is parsed in [`crate::settings`], together with the
//! environment and the config file, so that all bad values are reported at once. A field's name is the
//! flag's with `_`, which is also the setting's key in the config file.

mod deciding;
mod flags;
mod plan;
mod run_store;
mod switches;
mod verify;

use std::path::PathBuf;

pub use deciding::{AcceptFlags, AttemptFlags, ConfirmFlags, DecisionFlags, ReasonFlags, RedoFlags};
pub use flags::{
    OutFlags, PlanFlags, SettingFlags, ShardFlags, StoreFlags, VerifyFlags, VerifyStoreFlags, WaitFlags,
};

pub use plan::{PlanArgs, PredictArgs, RunArgs};
pub use run_store::{ExplainArgs, PurgeArgs, ReportArgs, ResultsArgs};
pub use verify::VerifyArgs;

use clap::{
    Args, Parser, Subcommand,
    builder::{PathBufValueParser, TypedValueParser},
};
use clap_complete::Shell;
use serde::Serialize;

use crate::{domain::local_path, sample::SampleOptions};

/// A path of this machine.
fn of_this_machine() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(local_path)
}

/// Moves exam submissions from a Rogo export into an assessment platform, once, with nothing lost.
#[derive(Debug, Parser)]
#[command(
    name = "rogo-migrate",
    version,
    arg_required_else_help = true,
    infer_long_args = false,
    after_help = AFTER_HELP
)]
pub struct Cli {
    /// Flags that every command takes, before or after its name.
    #[command(flatten)]
    pub global: GlobalFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
A setting is taken from its flag, else the environment, else the config file, else its default.
Secrets have no flag; they come from the environment, or from the file that <NAME>_FILE names:
  DATABASE_URL                        the target database, as a PostgreSQL URL; required
  DATA_WAREHOUSE_CONNECTION_STRING    the warehouse, as an ADO.NET connection string; or --warehouse
  AZURE_STORAGE_CONNECTION_STRING     the account of target and run store, or --account-url
  SOURCE_STORAGE_CONNECTION_STRING    the account of the source files
  ROGO_CONSUMER_KEY                   the LTI consumer key; required
Exit codes: 0 done · 1 verify found differences · 64 usage · 65 data refused or breaker open · 69 INCOMPLETE · 70 bug ·
75 temporary, run again · 78 configuration, rights or plan mismatch · 143 stopped by SIGTERM";

/// Flags that every command takes, before or after its name.
#[derive(Debug, Args, Serialize)]
pub struct GlobalFlags {
    /// Config file (TOML): any setting by its flag's name with `_`; no secrets, no decisions
    #[arg(long, global = true, value_name = "FILE", value_parser = of_this_machine())]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Log lines as text or json [env: ROGO_LOG_FORMAT] [default: text on a terminal, else json]
    #[arg(long, global = true, value_name = "text|json")]
    pub log_format: Option<String>,
    /// Log level of this program (error, warn, info, debug, trace), or a filter such as info,sqlx=debug,
    /// which may also name the libraries that it uses [env: RUST_LOG] [default: info; warn on a terminal
    /// that shows live progress]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Show log lines of level info on a terminal too, above the live progress: short for --log info
    #[arg(short, long, global = true, conflicts_with = "log")]
    #[serde(skip)]
    pub verbose: bool,
}

/// The program's subcommands with their arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every service, then freeze the queue: what is migrated, in which shards
    Plan(PlanArgs),
    /// Move the rows of one shard
    Shard(ShardArgs),
    /// Merge all outcomes, balance the books, sweep orphans, write the results
    Finalize(FinalizeArgs),
    /// Plan, all shards and finalize in one process
    Run(RunArgs),
    /// Compare what the target holds with inputs and warehouse, row by row, by rules of its own
    Verify(Box<VerifyArgs>),
    /// Show the state of a run; the exit code is its result: 0 complete, 69 INCOMPLETE or stalled, 75 under way
    Status(StatusArgs),
    /// Run the shards that are not done, then finalize; for a run on Kubernetes print the command that does so
    Resume(ResumeArgs),
    /// Copy the results out of the run store, or pack the run's evidence
    Results(ResultsArgs),
    /// Write the report of a finished run, one self-contained page, from the run store or from a bundle
    Report(ReportArgs),
    /// List the blobs that killed processes of this run left behind, and file rows without a blob; delete those blobs
    Orphans(OrphansArgs),
    /// Remove what the run, and only it, created in the target, rows and blobs; without --yes only say what
    Rollback(RollbackArgs),
    /// Delete what holds personal data from the run store; without --yes only say what
    Purge(PurgeArgs),
    /// Explain a code (outcome, note, check of verify, warning, exit code), or with --attempt everything about one attempt
    Explain(Box<ExplainArgs>),
    /// Print every setting, its value and its source; secrets as set / not set
    Settings(SettingsArgs),
    /// Generate inputs, warehouse export, source files, target schema and seed
    Sample(SampleOptions),
    /// Print a completion script
    Completions(CompletionsArgs),
}

/// Arguments of `rogo-migrate shard`.
#[derive(Debug, Args)]
pub struct ShardArgs {
    /// Reason for --breaker off, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// Index of the shard to work on.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// The wait for the plan.
    #[command(flatten)]
    pub wait: WaitFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate finalize`.
#[derive(Debug, Args)]
pub struct FinalizeArgs {
    /// Decision about rows that the target lost.
    #[command(flatten)]
    pub accept: AcceptFlags,
    /// Reason for the decision, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// What every deciding command takes besides.
    #[command(flatten)]
    pub decision: DecisionFlags,
    /// The wait for the plan.
    #[command(flatten)]
    pub wait: WaitFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Look again every 10 s until the run has a result
    #[arg(long)]
    pub watch: bool,
    /// Print it as JSON, one line each time
    #[arg(long)]
    pub json: bool,
    /// Read this bundle of `results --bundle`, not the run store
    #[arg(long, value_name = "FILE", conflicts_with = "watch", value_parser = of_this_machine())]
    pub bundle: Option<PathBuf>,
    /// Name and location of the run.
    #[command(flatten)]
    pub store: StoreFlags,
    /// Where its verifications are.
    #[command(flatten)]
    pub verify_store: VerifyStoreFlags,
    /// The wait for the plan.
    #[command(flatten)]
    pub wait: WaitFlags,
}

/// Arguments of `rogo-migrate resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Decision about rows that the target lost.
    #[command(flatten)]
    pub redo: RedoFlags,
    /// Reason for the decision, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// What every deciding command takes besides.
    #[command(flatten)]
    pub decision: DecisionFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate orphans`.
#[derive(Debug, Args)]
pub struct OrphansArgs {
    /// Delete them; without it they are only listed
    #[arg(long)]
    pub delete: bool,
    /// Reason for the deletion, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// What every deciding command takes besides.
    #[command(flatten)]
    pub decision: DecisionFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Remove it; without it nothing is written
    #[arg(long, help_heading = "Deciding")]
    pub yes: bool,
    /// Remove also submissions on which the application has worked since, with its work on them
    #[arg(long, help_heading = "Deciding")]
    pub force_touched: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// The only attempts to remove.
    #[command(flatten)]
    pub attempts: AttemptFlags,
    /// Reason for the decision, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate settings`.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Lost rows, done again.
    #[command(flatten)]
    pub redo: RedoFlags,
    /// Lost rows, accepted.
    #[command(flatten)]
    pub accept: AcceptFlags,
    /// Reason for the decision, recorded with it.
    #[command(flatten)]
    pub reason: ReasonFlags,
    /// The trial's and shards' settings.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// Index of the shard to work on.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// The wait for the plan.
    #[command(flatten)]
    pub wait: WaitFlags,
    /// Settings shared by all commands.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Arguments of `rogo-migrate completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}
