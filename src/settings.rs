//! Flags, environment and file, parsed once into [`Settings`]: the only reader of the environment.

use std::{path::PathBuf, time::Duration};

use url::Url;

use crate::{
    domain::{Dialect, FailCode, ShardIndex, form::AlteredColumn},
    ids::{Epoch, RunName, TraceParent},
};

mod table;
mod secret;
mod source;
mod switches;
mod parse;
mod shards;
mod shown;
mod reader;
mod load;
mod place;
mod purge;
mod pod;
mod effective;
mod export;
mod log;
mod notify;
mod verify;
mod user;

pub use effective::{EffectiveSetting, effective};
pub use export::{ExportSettings, Signal};
pub use log::{LogFormat, LogSettings, Terminal, format_before_settings, wants_backtraces, wants_json};
pub use notify::NotifySettings;
pub use place::{InputLocation, Place};
pub use pod::{
    HelmRelease, OwnDisk, POD_VARIABLES, PodSettings, own_disk, require_workload_identity, termination_log,
};
pub use purge::PurgeSettings;
pub use secret::Secret;
pub use source::{Flags, Given, Origin, Sources};
pub use table::{ALL, Setting};
pub use verify::{Part, VerifySettings};

/// All settings of a run, parsed. Every command that changes a run reads all of them, because it
/// compares them with the plan's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Locations of the two input CSVs.
    pub inputs: InputSettings,
    /// Source of the reports and scores.
    pub warehouse: WarehouseSettings,
    /// The application's tables.
    pub database: DatabaseSettings,
    /// Where files are read.
    pub source: SourceSettings,
    /// Where files are written.
    pub target: Place,
    /// Where plan and results are kept.
    pub run_store: Place,
    /// The account of `target` and `run_store`.
    pub account: AccountSettings,
    /// The run's name.
    pub run: RunName,
    /// Epoch of the plan, set by the chart.
    pub epoch: Epoch,
    /// Where the results are copied to.
    pub out: PathBuf,
    /// The organisation whose submissions are moved.
    pub organisation: Organisation,
    /// Settings that change the outcome of a row.
    pub rules: RuleSettings,
    /// Which rows are taken (`--limit`, `--attempts`, `--code`).
    pub trial: Trial,
    /// `--after`: the runs whose books the rows are compared with.
    pub after: Vec<RunName>,
    /// `--exclude`: a file of attempts that are left out for good, with reasons.
    pub exclude: Option<PathBuf>,
    /// `--expect`: what the data's owner says of inputs, warehouse and files.
    pub expect: Option<PathBuf>,
    /// Where verifications keep state and results; `None`: in the run store.
    pub verify_store: Option<Place>,
    /// `--redo lost`: rows that were recorded as migrated are looked up, and the absent ones are moved again.
    pub redo_lost: bool,
    /// `--accept lost`: the target may lack what it lacks.
    pub accept_lost: bool,
    /// `--reason`: why a person decided so.
    pub reason: Option<String>,
    /// The user who runs this process, as the environment names him; empty if it does not.
    pub user: String,
    /// Number of shards, at least 1.
    pub shards: u32,
    /// Shards at a time (for the connection check).
    pub parallelism: u32,
    /// The shard of this process: `--shard`, or the pod's place in the Job; checked against the plan later.
    pub shard: Option<ShardIndex>,
    /// How long a shard waits for the plan.
    pub wait_plan: Duration,
    /// How the work is done.
    pub work: WorkSettings,
    /// `TRACEPARENT`: the span of the caller, below which the run is traced.
    pub traceparent: Option<TraceParent>,
    /// The pod that the process runs in; empty outside of a cluster.
    pub pod: PodSettings,
    /// Every setting and its value as it may be shown; of a secret only whether it is set.
    pub shown: std::collections::BTreeMap<String, String>,
}

/// Settings of the commands that only read a run: neither database nor warehouse.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where plan and results are kept.
    pub run_store: Place,
    /// Storage account of the run store.
    pub account: AccountSettings,
    /// The run's name.
    pub run: RunName,
    /// How long to wait for the plan.
    pub wait_plan: Duration,
    /// Where `report` writes its page.
    pub out: PathBuf,
    /// `--redo lost`: `resume` prints the line that does it in a cluster.
    pub redo_lost: bool,
    /// Namespace of the run's Jobs; `None`: the namespace of the cluster's context.
    pub namespace: Option<String>,
    /// Whether a person says that the run has no cluster: `KUBECONFIG=/dev/null`.
    pub has_no_cluster: bool,
    /// Where verifications keep state and results; `None`: in the run store.
    pub verify_store: Option<Place>,
}

/// Where the CSVs are.
#[derive(Debug, Clone)]
pub struct InputSettings {
    /// `submission_files.csv`.
    pub submissions: InputLocation,
    /// `attempt_number_mapping.csv`.
    pub mapping: InputLocation,
    /// An encoding label; else the BOM's, else UTF-8.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// `--warehouse-null`, `--warehouse-escape`: conventions of the tool that wrote the CSVs and the exported tables.
    pub dialect: Dialect,
}

/// Where reports and scores come from.
#[derive(Debug, Clone)]
pub enum WarehouseSettings {
    /// An ADO.NET connection string.
    SqlServer(Secret),
    /// `<table>.csv` files in a folder or container.
    Export(Place),
}

/// How the target database is reached.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// A PostgreSQL URL.
    pub url: Secret,
    /// Password (in the URL), or a Microsoft Entra token.
    pub auth: DatabaseAuth,
    /// The only host that the URL may lead to.
    pub expect_host: Option<String>,
    /// Whether a database that is not the planned one is the planned one, moved.
    pub same_database: SameDatabase,
    /// Columns that a trigger of the target is known to change.
    pub target_alters: Vec<AlteredColumn>,
}

/// `--same-database`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SameDatabase {
    /// Another host, port, server or name is another database.
    #[default]
    No,
    /// A person confirms that the planned database has moved.
    Yes,
}

/// How PostgreSQL is logged in to (`--database-auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DatabaseAuth {
    /// With the password in the URL.
    Password,
    /// A Microsoft Entra token, fresh for each connection.
    Entra,
}

/// Where learners' and markers' files may be read from, and with which identity.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// URL prefixes that files may be read from.
    pub allow: Vec<Url>,
    /// Identity used to read them.
    pub auth: SourceAuth,
    /// Their account's connection string.
    pub connection_string: Option<Secret>,
}

/// Identity used to read source files (`--source-auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SourceAuth {
    /// The connection string if set, else Entra if an identity is found, else anonymous.
    Auto,
    /// No identity; a URL may carry its own SAS.
    Anonymous,
    /// Microsoft Entra ID.
    Entra,
}

/// The storage account of target and run store.
#[derive(Debug, Clone, Default)]
pub struct AccountSettings {
    /// Connection string of the source's storage account.
    pub connection_string: Option<Secret>,
    /// Blob endpoint, with Entra ID.
    pub account_url: Option<Url>,
}

/// The organisation whose submissions these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// The LMS instance's guid.
    pub lms_instance: String,
    /// Name of the LMS instance.
    pub lms_name: String,
    /// Base of the return URL, without a trailing slash.
    pub return_url: String,
    /// Consumer key stored with each LTI session.
    pub consumer_key: String,
}

/// Settings that change the outcome of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSettings {
    /// Unit Code Versions that begin with one of these are migrated.
    pub unit_versions: Vec<String>,
    /// `custom_instruction_set`.
    pub instruction_set: String,
    /// `assignment_title`.
    pub assignment_title: String,
    /// Username of the owner of applied rules; default: the oldest admin.
    pub rule_owner: Option<String>,
    /// Whether rows with marker files only are migrated.
    pub marker_only: MarkerOnly,
    /// Time zone of warehouse dates without an offset.
    pub warehouse_time_zone: chrono_tz::Tz,
}

/// What happens to a row with marker files only (`--marker-only`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MarkerOnly {
    /// The row fails with `no_learner_files`.
    Fail,
    /// The row is migrated without learner files.
    Migrate,
}

/// Selection of rows for a trial, or for a later run over a failure CSV.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    /// Largest number of rows; the newest are taken.
    pub limit: Option<u64>,
    /// A file of attempt ids, one a line.
    pub attempts: Option<PathBuf>,
    /// Rows whose Error begins with one of these; empty: all.
    pub codes: Vec<FailCode>,
}

/// How the work is done.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkSettings {
    /// Workers of a process.
    pub workers: usize,
    /// Submissions under way per worker; `None`: adaptive.
    pub in_flight: Option<usize>,
    /// PostgreSQL connections per worker.
    pub pool: u32,
    /// Warehouse connections per worker.
    pub warehouse_pool: u32,
    /// Longest time between an outcome and its segment.
    pub flush: Duration,
    /// Longest systemic fault before the process ends with 75.
    pub give_up_after: Duration,
    /// Share of failures among rows that reached copy that opens the breaker, 0…1; `None`: off.
    pub breaker: Option<f64>,
    /// Whether the process slows down while the target is under load.
    pub target_guard: TargetGuard,
}

/// `--target-guard`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TargetGuard {
    /// The run goes first: the target's load is not asked for.
    #[default]
    Off,
    /// The application goes first.
    On,
}
