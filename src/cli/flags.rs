//! Flags of settings, as plain text: [`crate::settings`] parses them.

use clap::Args;
use serde::Serialize;

/// Flags of `plan` and `run` beside [`SettingFlags`].
#[derive(Debug, Args, Serialize)]
pub struct PlanFlags {
    /// Only the newest N rows
    #[arg(long, value_name = "N", help_heading = "A trial")]
    pub limit: Option<String>,
    /// Only the attempt ids of this file: one a line, or any CSV with an Attempt ID column
    #[arg(long, value_name = "FILE", help_heading = "A trial")]
    pub attempts: Option<String>,
    /// Only the rows of a failure CSV whose Error begins with one of these codes, as file_missing,unavailable
    #[arg(long, value_name = "CODE,…", help_heading = "A trial")]
    pub code: Option<String>,
    /// A later export: compare the rows with this earlier run of the same run store, and migrate only what it did not;
    /// several runs separated by commas [env: ROGO_AFTER]
    #[arg(long, value_name = "RUN,…", help_heading = "A later run")]
    pub after: Option<String>,
    /// CSV with the columns Attempt ID and Reason: attempts that are left out for good; needs --reason
    /// [env: ROGO_EXCLUDE]
    #[arg(long, value_name = "FILE", help_heading = "A later run")]
    pub exclude: Option<String>,
    /// TOML file with the row counts and digests that the data's owner names; a difference ends with 78
    /// [env: ROGO_EXPECT]
    #[arg(long, value_name = "FILE", help_heading = "Prediction")]
    pub expect: Option<String>,
    /// Number of shards [env: ROGO_SHARDS] [default: 1]
    #[arg(long, value_name = "N", help_heading = "Shards")]
    pub shards: Option<String>,
    /// Shards that run at a time, for the check of connections [env: ROGO_PARALLELISM] [default: 1]
    #[arg(long, value_name = "N", help_heading = "Shards")]
    pub parallelism: Option<String>,
}

/// Where `report` writes.
#[derive(Debug, Args, Serialize)]
pub struct OutFlags {
    /// The folder that gets report.html, or a file that ends with .html [env: ROGO_OUT] [default: .]
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub out: Option<String>,
}

/// Flags of `verify` beside [`SettingFlags`].
#[derive(Debug, Args, Serialize)]
pub struct VerifyFlags {
    /// What is compared: rows, also the blobs' properties, or also every byte
    /// [env: ROGO_VERIFY_LEVEL] [default: rows]
    #[arg(long, value_name = "rows|blobs|content", help_heading = "Verifying")]
    pub level: Option<String>,
    /// Read only this part of the files, so that several nights can share them
    #[arg(long, value_name = "N/T", help_heading = "Verifying")]
    pub content: Option<String>,
    /// A manifest of an earlier verify: compare the files with it instead of with their source
    #[arg(long, value_name = "FILE", help_heading = "Verifying")]
    pub manifest: Option<String>,
    /// How long to wait before a difference is looked at again; only what still differs is reported [default: 30s]
    #[arg(long, value_name = "DURATION", help_heading = "Verifying")]
    pub recheck: Option<String>,
    /// Changes after the run that a person accepts: CSV with the columns Attempt ID, Reason, Person
    #[arg(long, value_name = "FILE", help_heading = "Verifying")]
    pub accept: Option<String>,
    /// Where verify writes its state and results [env: ROGO_VERIFY_STORE] [default: the run store]
    #[arg(long, value_name = "PLACE", help_heading = "Verifying")]
    pub verify_store: Option<String>,
    /// Only these attempts: ids one a line, or any CSV with an Attempt ID column
    #[arg(long, value_name = "FILE", help_heading = "Verifying")]
    pub attempts: Option<String>,
    /// Verify part I (from 0) of N; the part that ends last merges the results. In a Job I is its completion index
    /// [env: JOB_COMPLETION_INDEX]
    #[arg(long, value_name = "I/N", help_heading = "Verifying")]
    pub shard: Option<String>,
}

/// Where verifications are looked for.
#[derive(Debug, Args, Serialize)]
pub struct VerifyStoreFlags {
    /// Where verify keeps its state and results [env: ROGO_VERIFY_STORE] [default: the run store]
    #[arg(long, value_name = "PLACE", help_heading = "Verifying")]
    pub verify_store: Option<String>,
}

/// Which shard a process works on.
#[derive(Debug, Args, Serialize)]
pub struct ShardFlags {
    /// Index of the shard, from 0; in a Job it comes from JOB_COMPLETION_INDEX, mapped through
    /// SHARD_INDEXES (3,7-9) when only some are run again [env: JOB_COMPLETION_INDEX]
    #[arg(long, value_name = "I", help_heading = "Shards")]
    pub shard: Option<String>,
}

/// How long a process waits for the plan.
#[derive(Debug, Args, Serialize)]
pub struct WaitFlags {
    /// How long to wait for the plan [env: ROGO_WAIT_PLAN] [default: 30m]
    #[arg(long, value_name = "DURATION", help_heading = "Shards")]
    pub wait_plan: Option<String>,
}

/// Flags of commands that only read a run.
#[derive(Debug, Args, Serialize)]
pub struct StoreFlags {
    /// Where the plan and the results are kept: az://container/prefix or file:///dir
    /// [env: ROGO_RUN_STORE] [default: file://./rogo-runs]
    #[arg(long, value_name = "PLACE", help_heading = "Services")]
    pub run_store: Option<String>,
    /// Blob endpoint of the account of az:// places, with Microsoft Entra ID
    /// [env: AZURE_STORAGE_ACCOUNT_URL]
    #[arg(long, value_name = "URL", help_heading = "Services")]
    pub account_url: Option<String>,
    /// Name of the run, 1 to 30 of a-z, 0-9 and - [env: ROGO_RUN] [default: rogo]
    #[arg(long, value_name = "NAME", help_heading = "The run")]
    pub run: Option<String>,
}

/// Flags of every command that works on a run.
#[derive(Debug, Args, Serialize)]
pub struct SettingFlags {
    /// The submissions: a path, file:///path or az://container/name [env: ROGO_SUBMISSIONS]
    /// [default: submission_files.csv]
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub submissions: Option<String>,
    /// The attempt numbers: a path, file:///path or az://container/name [env: ROGO_MAPPING]
    /// [default: attempt_number_mapping.csv]
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub mapping: Option<String>,
    /// Encoding of both, for example windows-1252 [env: ROGO_ENCODING]
    /// [default: from the BOM, else UTF-8]
    #[arg(long, value_name = "LABEL", help_heading = "Inputs")]
    pub encoding: Option<String>,

    /// Folder of the warehouse's tables as CSV: file:///dir or az://container/prefix; a connection string
    /// is a secret [env: DATA_WAREHOUSE_CONNECTION_STRING]
    #[arg(long, value_name = "PLACE", help_heading = "Services")]
    pub warehouse: Option<String>,
    /// What the exported tables and the two CSVs write for null, without quotes, as NULL; \N and nothing always are
    /// null in the tables [env: ROGO_WAREHOUSE_NULL]
    #[arg(long, value_name = "WORD", help_heading = "Services")]
    pub warehouse_null: Option<String>,
    /// How the exported tables write quotes inside cells: \" (backslash), or doubled so that a backslash is a
    /// character like any other (none) [env: ROGO_WAREHOUSE_ESCAPE]
    #[arg(long, value_name = "backslash|none", help_heading = "Services")]
    pub warehouse_escape: Option<String>,
    /// How to log in to the target database: by the password in DATABASE_URL or a Microsoft Entra token
    /// [default: password]
    #[arg(long, value_name = "password|entra", help_heading = "Services")]
    pub database_auth: Option<String>,
    /// The only host that DATABASE_URL may lead to [env: ROGO_EXPECT_HOST] [default: any host]
    #[arg(long, value_name = "HOST", help_heading = "Services")]
    pub expect_host: Option<String>,
    /// Confirms that the plan's target database has moved to where DATABASE_URL leads now
    #[arg(
        long,
        value_name = "no|yes",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "yes",
        help_heading = "Services"
    )]
    pub same_database: Option<String>,
    /// Column that a trigger of the target is known to change, and that is not compared; repeatable
    /// [env: ROGO_TARGET_ALTERS]
    #[arg(long, value_name = "TABLE.COLUMN", help_heading = "Services")]
    pub target_alters: Vec<String>,
    /// URL prefixes that source files may be read from; repeatable [env: ROGO_SOURCE_ALLOW] [required]
    #[arg(long, value_name = "URL", help_heading = "Services")]
    pub source_allow: Vec<String>,
    /// How source files are read; auto: SOURCE_STORAGE_CONNECTION_STRING if set, else Entra if an identity is
    /// found, else anonymously [default: auto]
    #[arg(long, value_name = "auto|anonymous|entra", help_heading = "Services")]
    pub source_auth: Option<String>,
    /// Where the files go: az://container or file:///dir [env: ROGO_TARGET] [required]
    #[arg(long, value_name = "PLACE", help_heading = "Services")]
    pub target: Option<String>,
    /// Where the plan and the results are kept: az://container/prefix or file:///dir
    /// [env: ROGO_RUN_STORE] [default: file://./rogo-runs]
    #[arg(long, value_name = "PLACE", help_heading = "Services")]
    pub run_store: Option<String>,
    /// Blob endpoint of the account of az:// places, with Microsoft Entra ID
    /// [env: AZURE_STORAGE_ACCOUNT_URL]
    #[arg(long, value_name = "URL", help_heading = "Services")]
    pub account_url: Option<String>,

    /// Name of the run, 1 to 30 of a-z, 0-9 and - [env: ROGO_RUN] [default: rogo]
    #[arg(long, value_name = "NAME", help_heading = "The run")]
    pub run: Option<String>,
    /// Folder that the results are copied to [env: ROGO_OUT] [default: .]
    #[arg(long, value_name = "DIR", help_heading = "The run")]
    pub out: Option<String>,

    /// Guid of the LMS instance [env: ROGO_LMS_INSTANCE] [required]
    #[arg(long, value_name = "GUID", help_heading = "The organisation")]
    pub lms_instance: Option<String>,
    /// Name of the LMS instance [env: ROGO_LMS_NAME] [required]
    #[arg(long, value_name = "NAME", help_heading = "The organisation")]
    pub lms_name: Option<String>,
    /// Base of the return URL [env: ROGO_RETURN_URL] [required]
    #[arg(long, value_name = "URL", help_heading = "The organisation")]
    pub return_url: Option<String>,

    /// Unit Code Versions that begin with one of these are migrated [env: ROGO_UNIT_VERSIONS]
    /// [default: 24,25]
    #[arg(long, value_name = "LIST", help_heading = "Rules")]
    pub unit_versions: Option<String>,
    /// Custom instruction set [env: ROGO_INSTRUCTION_SET] [default: AIS]
    #[arg(long, value_name = "TEXT", help_heading = "Rules")]
    pub instruction_set: Option<String>,
    /// Assignment title [env: ROGO_ASSIGNMENT_TITLE] [default: Submission Area]
    #[arg(long, value_name = "TEXT", help_heading = "Rules")]
    pub assignment_title: Option<String>,
    /// Username of the owner of applied malpractice rules [env: ROGO_RULE_OWNER]
    /// [default: the oldest admin]
    #[arg(long, value_name = "USERNAME", help_heading = "Rules")]
    pub rule_owner: Option<String>,
    /// What to do with rows that have marker files only [env: ROGO_MARKER_ONLY] [default: fail]
    #[arg(long, value_name = "fail|migrate", help_heading = "Rules")]
    pub marker_only: Option<String>,
    /// Time zone of warehouse dates without an offset, for example Europe/London
    /// [env: ROGO_WAREHOUSE_TIME_ZONE] [default: UTC]
    #[arg(long, value_name = "ZONE", help_heading = "Rules")]
    pub warehouse_time_zone: Option<String>,

    /// Workers of a process [env: ROGO_WORKERS] [default: 5]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub workers: Option<String>,
    /// Submissions under way per worker [env: ROGO_IN_FLIGHT] [default: adaptive]
    #[arg(long, value_name = "N|adaptive", help_heading = "Work")]
    pub in_flight: Option<String>,
    /// PostgreSQL connections per worker [env: ROGO_POOL] [default: 3]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub pool: Option<String>,
    /// Warehouse connections per worker [env: ROGO_WAREHOUSE_POOL] [default: 3]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub warehouse_pool: Option<String>,
    /// Longest time until an outcome is in the run store [env: ROGO_FLUSH] [default: 10s]
    #[arg(long, value_name = "DURATION", help_heading = "Work")]
    pub flush: Option<String>,
    /// How long a service may be down before the process ends with 75 [env: ROGO_GIVE_UP_AFTER]
    /// [default: 15m]
    #[arg(long, value_name = "DURATION", help_heading = "Work")]
    pub give_up_after: Option<String>,
    /// Share of the rows that reached copy which may fail there before the shard stops with 65
    /// [env: ROGO_BREAKER] [default: 5%]
    #[arg(long, value_name = "PERCENT|off", help_heading = "Work")]
    pub breaker: Option<String>,
    /// Trace one in N of the submissions that neither failed nor were among the slowest; 0: none of them; only if an
    /// OpenTelemetry receiver is set [env: ROGO_TRACE_SAMPLE] [default: 100]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub trace_sample: Option<String>,
    /// URL that gets a JSON message (POST) when the run ends: its verdict, or that it stopped before; without personal
    /// data [env: ROGO_NOTIFY]
    #[arg(long, value_name = "URL", help_heading = "Work")]
    pub notify: Option<String>,
    /// Slow down while the target database is under load: lock waits and long transactions of others, replication lag,
    /// late commits [env: ROGO_TARGET_GUARD] [default: off]
    #[arg(long, value_name = "off|on", help_heading = "Work")]
    pub target_guard: Option<String>,
}
