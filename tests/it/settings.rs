//! Promises of settings: names, order, limits, secrets, and complaints that name all that is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use clap::CommandFactory;
use rogo_migrate::{
    cli::Cli,
    domain::ShardIndex,
    exit::{Exit, Stop},
    settings::{ALL, Flags, InputLocation, MarkerOnly, Place, Settings, Sources, WarehouseSettings},
};
use serde_json::json;

/// Everything that has no default, in the environment.
const REQUIRED: [(&str, &str); 8] = [
    ("DATABASE_URL", "postgres://app:planted@localhost/app"),
    ("DATA_WAREHOUSE_CONNECTION_STRING", "Server=wh;Password=planted"),
    ("ROGO_SOURCE_ALLOW", "https://a.blob.core.windows.net/exports"),
    ("ROGO_TARGET", "file:///data/files"),
    ("ROGO_LMS_INSTANCE", "3F2504E0-4F89-11D3-9A0C-0305E82C3301"),
    ("ROGO_LMS_NAME", "Campus"),
    ("ROGO_RETURN_URL", "https://lms.example/return/"),
    ("ROGO_CONSUMER_KEY", "planted-key"),
];

#[derive(Default)]
struct Given {
    flags: serde_json::Map<String, serde_json::Value>,
    environment: BTreeMap<String, String>,
    config: Option<String>,
}

impl Given {
    fn required() -> Self {
        let pairs = REQUIRED.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { environment: BTreeMap::from(pairs), ..Self::default() }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    fn flag(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.flags.insert(key.to_owned(), value.into());
        self
    }

    fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    fn load(self) -> Result<Settings, Stop> {
        let flags = Flags::default().with(&self.flags);
        let config = self.config.as_deref().map(|text| ("rogo.toml", text));
        Settings::load(&Sources::new(flags, self.environment, config)?)
    }

    fn refusal(self) -> String {
        let stop = self.load().expect_err("refused");
        assert_eq!(stop.exit, Exit::Usage);
        assert!(!stop.message.contains("planted"), "{}", stop.message);
        stop.message
    }
}

fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rogo-migrate"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("the program starts")
}

#[test]
fn every_setting_of_the_contract_is_there_and_no_other() {
    // flag, environment, default: run.md's table. `-` where there is none.
    let contract = "\
        --submissions ROGO_SUBMISSIONS submission_files.csv
        --mapping ROGO_MAPPING attempt_number_mapping.csv
        --encoding ROGO_ENCODING -
        --warehouse - -
        - DATA_WAREHOUSE_CONNECTION_STRING -
        - DATABASE_URL -
        --database-auth - password
        --source-allow ROGO_SOURCE_ALLOW -
        --source-auth - auto
        - SOURCE_STORAGE_CONNECTION_STRING -
        --target ROGO_TARGET -
        --run-store ROGO_RUN_STORE file://./rogo-runs
        - AZURE_STORAGE_CONNECTION_STRING -
        --account-url AZURE_STORAGE_ACCOUNT_URL -
        --run ROGO_RUN rogo
        - ROGO_EPOCH 0
        --out ROGO_OUT .
        --lms-instance ROGO_LMS_INSTANCE -
        --lms-name ROGO_LMS_NAME -
        --return-url ROGO_RETURN_URL -
        - ROGO_CONSUMER_KEY -
        --unit-versions ROGO_UNIT_VERSIONS 24,25
        --instruction-set ROGO_INSTRUCTION_SET AIS
        --assignment-title ROGO_ASSIGNMENT_TITLE Submission Area
        --rule-owner ROGO_RULE_OWNER -
        --marker-only ROGO_MARKER_ONLY fail
        --warehouse-time-zone ROGO_WAREHOUSE_TIME_ZONE UTC
        --limit - -
        --attempts - -
        --shards ROGO_SHARDS 1
        --parallelism ROGO_PARALLELISM 1
        --shard JOB_COMPLETION_INDEX -
        - SHARD_INDEXES -
        --wait-plan ROGO_WAIT_PLAN 30m
        --workers ROGO_WORKERS 5
        --in-flight ROGO_IN_FLIGHT adaptive
        --pool ROGO_POOL 3
        --warehouse-pool ROGO_WAREHOUSE_POOL 3
        --flush ROGO_FLUSH 10s
        --give-up-after ROGO_GIVE_UP_AFTER 15m
        --breaker ROGO_BREAKER 5%
        --log-format ROGO_LOG_FORMAT -
        --log RUST_LOG info";
    let contract: Vec<String> = contract.lines().map(|line| line.trim().to_owned()).collect();
    let table: Vec<String> = ALL
        .iter()
        .map(|setting| {
            let flag = if setting.flag { setting.flag_name() } else { "-".into() };
            format!("{flag} {} {}", setting.environment.unwrap_or("-"), setting.default.unwrap_or("-"))
        })
        .collect();
    assert_eq!(table, contract);
}

#[test]
fn the_command_line_and_the_table_name_the_same_flags_variables_and_defaults() {
    let own = ["help", "version", "config", "dry_run", "json", "delete", "watch", "to"];
    let mut seen = BTreeSet::new();
    for command in Cli::command()
        .get_subcommands()
        .filter(|command| !["sample", "completions"].contains(&command.get_name()))
    {
        for argument in command.get_arguments().chain(Cli::command().get_arguments()) {
            let key = argument.get_id().as_str();
            if own.contains(&key) {
                continue;
            }
            let setting = ALL.iter().find(|setting| setting.flag && setting.key == key);
            let setting = setting.unwrap_or_else(|| panic!("{key} is no setting"));
            let help = argument.get_help().expect("every flag has help").to_string();
            if let Some(name) = setting.environment {
                assert!(help.contains(&format!("[env: {name}]")), "{key}: {help}");
            }
            if let Some(default) = setting.default.filter(|_| key != "log") {
                assert!(help.contains(&format!("[default: {default}]")), "{key}: {help}");
            }
            seen.insert(key.to_owned());
        }
    }
    let flags: BTreeSet<String> =
        ALL.iter().filter(|setting| setting.flag).map(|setting| setting.key.to_owned()).collect();
    assert_eq!(seen, flags);
    assert!(ALL.iter().all(|setting| !(setting.secret && setting.flag)), "no secret has a flag");
    Cli::command().debug_assert();
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let workers = |given: Given| given.load().unwrap().work.workers;
    assert_eq!(workers(Given::required()), 5);
    assert_eq!(workers(Given::required().config("workers = 6")), 6);
    assert_eq!(workers(Given::required().config("workers = 6").env("ROGO_WORKERS", "7")), 7);
    let all = Given::required().config("workers = 6").env("ROGO_WORKERS", "7").flag("workers", "8");
    assert_eq!(workers(all), 8);
    assert_eq!(workers(Given::required().env("ROGO_WORKERS", "")), 5, "an empty variable is not set");
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = Given::required().load().unwrap();
    assert_eq!(settings.inputs.submissions, InputLocation::Path("submission_files.csv".into()));
    assert_eq!(settings.run_store, Place::Folder(std::env::current_dir().unwrap().join("rogo-runs")));
    assert_eq!((settings.run.as_str(), settings.epoch.as_str()), ("rogo", "0"));
    assert_eq!(settings.out, PathBuf::from("."));
    assert_eq!(settings.organisation.return_url, "https://lms.example/return");
    assert_eq!(settings.rules.unit_versions, ["24", "25"]);
    assert_eq!(settings.rules.marker_only, MarkerOnly::Fail);
    assert_eq!((settings.shards, settings.parallelism, settings.shard), (1, 1, None));
    assert_eq!(settings.wait_plan, Duration::from_mins(30));
    let work = settings.work;
    assert_eq!((work.workers, work.in_flight, work.pool, work.warehouse_pool), (5, None, 3, 3));
    assert_eq!((work.flush, work.give_up_after), (Duration::from_secs(10), Duration::from_mins(15)));
    assert_eq!(work.breaker, Some(0.05));
}

#[test]
fn lists_come_by_repeated_flags_by_commas_and_as_arrays() {
    let allow = |given: Given| {
        let urls = given.load().unwrap().source.allow;
        urls.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = ["https://a.example/x", "file:///srv/y"];
    assert_eq!(allow(Given::required().flag("source_allow", json!(both))), both);
    assert_eq!(allow(Given::required().env("ROGO_SOURCE_ALLOW", &both.join(" , "))), both);
    let file = Given::required().without("ROGO_SOURCE_ALLOW");
    assert_eq!(allow(file.config("source_allow = [\"https://a.example/x\", \"file:///srv/y\"]")), both);
    let versions = Given::required().config("unit_versions = [24, \"25\"]").load().unwrap();
    assert_eq!(versions.rules.unit_versions, ["24", "25"]);
}

#[test]
fn all_bad_and_all_missing_settings_are_named_at_once() {
    let message = Given::required()
        .without("ROGO_TARGET")
        .without("DATABASE_URL")
        .env("ROGO_FLUSH", "6m")
        .env("ROGO_LOG_FORMAT", "xml")
        .flag("workers", "0")
        .config("breaker = \"5\"\nworker = 3\n\n[work]\n")
        .refusal();
    let expected = "\
settings that cannot be used:
  rogo.toml line 4: unknown key work; keys are the flags' names with _ (rogo-migrate settings lists them)
  rogo.toml line 2: unknown key worker; keys are the flags' names with _ (rogo-migrate settings lists them)
  ROGO_LOG_FORMAT: \"xml\": text or json is expected
  --workers: \"0\": a whole number from 1 to 64 is expected
  ROGO_FLUSH: \"6m\": a duration from 100ms to 5m is expected, as 500ms, 10s, 15m, 2h or 1d
  rogo.toml line 1, breaker: \"5\": off or a percentage above 0% and below 100% is expected, as 5%
settings that are missing, and how to give them:
  target database: DATABASE_URL, DATABASE_URL_FILE
  target: --target, ROGO_TARGET, target in the config file";
    assert_eq!(message, expected);
}

#[test]
fn a_bad_value_says_what_is_expected() {
    for (key, value, expected) in [
        ("target", "az://files/2024", "az://container without a prefix is expected"),
        ("target", "/data", "az://container, file:///dir or file://./dir is expected"),
        ("target", "az://UPPER", "az://container, file:///dir"),
        ("run_store", "file://host/dir", "az://container/prefix, file:///dir or file://./dir is expected"),
        ("run_store", "az://runs/../other", "az://container/prefix"),
        ("submissions", "https://a.example/x.csv", "a path, file:///path or az://container/name is expected"),
        ("mapping", "az://inputs", "a path, file:///path or az://container/name is expected"),
        ("encoding", "latin-9000", "an encoding's name is expected"),
        (
            "warehouse",
            "Server=wh;User=u",
            "a connection string is a secret: DATA_WAREHOUSE_CONNECTION_STRING",
        ),
        ("warehouse", "Server=wh;Password=planted", "\"(hidden: looks like a secret)\""),
        ("database_auth", "kerberos", "password or entra is expected"),
        ("source_auth", "Auto", "auto or anonymous or entra is expected"),
        ("source_allow", "https://a.example/x?sig=planted", "URL prefixes are expected"),
        ("source_allow", "ftp://a.example/x", "URL prefixes are expected"),
        ("source_allow", "https://me:planted@a.example/x", "URL prefixes are expected"),
        ("account_url", "account", "an http or https URL"),
        ("run", "Rogo", "1 to 30 characters of a-z, 0-9 and - are expected"),
        ("run", "a234567890123456789012345678901", "1 to 30 characters"),
        ("lms_instance", "campus", "a guid is expected"),
        ("lms_instance", "3f2504e04f8911d39a0c0305e82c3301", "a guid is expected"),
        ("lms_name", " ", "text without control characters is expected"),
        ("return_url", "lms.example", "an http or https URL"),
        ("unit_versions", "24,,25", "text without control characters is expected"),
        ("marker_only", "skip", "fail or migrate is expected"),
        ("warehouse_time_zone", "Mars/Olympus", "a time zone of the IANA database is expected"),
        ("limit", "0", "a whole number from 1 to"),
        ("shards", "100001", "a whole number from 1 to 100000 is expected"),
        ("shard", "-1", "a whole number from 0 to 99999 is expected"),
        ("wait_plan", "30", "a duration from 0ms to 7d is expected"),
        ("wait_plan", "99999999999999999999s", "a duration"),
        ("in_flight", "65", "adaptive or a whole number from 1 to 64 is expected"),
        ("pool", "+3", "a whole number from 1 to 100 is expected"),
        ("flush", "1h", "a duration from 100ms to 5m is expected"),
        ("breaker", "0%", "off or a percentage above 0% and below 100% is expected"),
        ("breaker", "NaN%", "off or a percentage"),
        ("log", "rogo_migrate=loud", "a level (error, warn, info, debug, trace)"),
    ] {
        let message = Given::required().flag(key, value).refusal();
        let flag = format!("--{}: \"", key.replace('_', "-"));
        assert!(message.contains(&flag) && message.contains(expected), "{key} {value}: {message}");
    }
}

#[test]
fn good_values_are_parsed() {
    let settings = Given::required()
        .without("DATA_WAREHOUSE_CONNECTION_STRING")
        .env("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")
        .flag("target", "az://files")
        .flag("run_store", "az://runs/2024/a/")
        .flag("submissions", "az://inputs/2024/submissions.csv")
        .flag("warehouse", "file:///exports/my%20tables/")
        .flag("breaker", "off")
        .flag("in_flight", "8")
        .flag("warehouse_time_zone", "Europe/London")
        .load()
        .unwrap();
    let azure =
        |container: &str, prefix: &str| Place::Azure { container: container.into(), prefix: prefix.into() };
    assert_eq!(settings.target, azure("files", ""));
    assert_eq!(settings.run_store, azure("runs", "2024/a"));
    let input = InputLocation::Blob { place: azure("inputs", "2024"), name: "submissions.csv".into() };
    assert_eq!(settings.inputs.submissions, input);
    let WarehouseSettings::Export(place) = settings.warehouse else { panic!("a folder") };
    assert_eq!(place, Place::Folder("/exports/my tables".into()));
    assert_eq!((settings.work.breaker, settings.work.in_flight), (None, Some(8)));
    assert_eq!(settings.rules.warehouse_time_zone, chrono_tz::Europe::London);
}

#[test]
fn the_warehouse_variable_may_name_a_folder_and_a_flag_beats_it() {
    let folder = Given::required().env("DATA_WAREHOUSE_CONNECTION_STRING", "file:///exports");
    let WarehouseSettings::Export(place) = folder.load().unwrap().warehouse else { panic!("a folder") };
    assert_eq!(place, Place::Folder("/exports".into()));
    let flag = Given::required().flag("warehouse", "file:///other").load().unwrap().warehouse;
    assert!(matches!(flag, WarehouseSettings::Export(place) if place == Place::Folder("/other".into())));
    let file = Given::required().config("warehouse = \"file:///other\"").load().unwrap().warehouse;
    assert!(matches!(file, WarehouseSettings::SqlServer(_)), "the environment beats the file");
    let none = Given::required().without("DATA_WAREHOUSE_CONNECTION_STRING").refusal();
    assert!(none.contains("warehouse: DATA_WAREHOUSE_CONNECTION_STRING"), "{none}");
}

#[test]
fn places_in_azure_need_exactly_one_account() {
    let azure = || Given::required().env("ROGO_TARGET", "az://files");
    assert!(azure().refusal().contains("the account of az:// places: AZURE_STORAGE_CONNECTION_STRING"));
    assert!(azure().flag("account_url", "https://a.blob.core.windows.net").load().is_ok());
    let both = azure()
        .flag("account_url", "https://a.blob.core.windows.net")
        .env("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true");
    assert!(both.refusal().contains("both name the account"));
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_that_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    std::fs::write(&path, "postgres://one@localhost/app\n").unwrap();
    let from_file =
        || Given::required().without("DATABASE_URL").env("DATABASE_URL_FILE", path.to_str().unwrap());
    let settings = from_file().load().unwrap();
    assert_eq!(settings.database.url.read().unwrap(), "postgres://one@localhost/app");
    std::fs::write(&path, "postgres://two@localhost/app\r\n").unwrap();
    assert_eq!(settings.database.url.read().unwrap(), "postgres://two@localhost/app");

    assert!(from_file().env("DATABASE_URL", "postgres://x").refusal().contains("are both set"));
    std::fs::write(&path, "\n").unwrap();
    assert!(from_file().refusal().contains("it is empty"));
    std::fs::write(&path, "mysql://planted").unwrap();
    assert!(from_file().refusal().contains("a PostgreSQL URL is expected"));
    std::fs::remove_file(&path).unwrap();
    let gone = from_file().refusal();
    assert!(gone.contains("DATABASE_URL_FILE") && gone.contains("cannot be read"), "{gone}");
}

#[test]
fn a_secret_in_the_config_file_is_refused_without_being_shown() {
    for key in ["database_url", "DATABASE_URL", "database_url_file", "consumer_key", "rogo_consumer_key"] {
        let message = Given::required().config(&format!("\n{key} = \"planted\"")).refusal();
        assert!(message.contains("rogo.toml line 2") && message.contains("is a secret"), "{message}");
    }
    let broken = Given::required().config("run = \"a\"\ndatabase_url = \"planted\n").refusal();
    assert!(broken.contains("rogo.toml line 2: not valid TOML"), "{broken}");
}

#[test]
fn the_shard_is_the_flags_or_the_pods_place_in_the_list() {
    let shard = |given: Given| given.load().unwrap().shard;
    assert_eq!(shard(Given::required().flag("shard", "4")), Some(ShardIndex(4)));
    assert_eq!(shard(Given::required().env("JOB_COMPLETION_INDEX", "2")), Some(ShardIndex(2)));
    let pod = || Given::required().env("JOB_COMPLETION_INDEX", "2").env("SHARD_INDEXES", "3,7-9");
    assert_eq!(shard(pod()), Some(ShardIndex(8)));
    assert_eq!(shard(pod().flag("shard", "4")), Some(ShardIndex(4)));
    assert!(pod().env("JOB_COMPLETION_INDEX", "4").refusal().contains("lists 4 shards"));
}

#[test]
fn settings_that_change_outcomes_pin_the_plan_without_the_key_itself() {
    let pinned = Given::required().load().unwrap().outcome_settings();
    assert!(!format!("{pinned:?}").contains("planted"));
    for (key, value) in [
        ("encoding", "windows-1252"),
        ("source_allow", "file:///srv"),
        ("lms_instance", "00000000-0000-0000-0000-000000000000"),
        ("lms_name", "Other"),
        ("return_url", "https://other.example"),
        ("unit_versions", "24"),
        ("instruction_set", "X"),
        ("assignment_title", "X"),
        ("rule_owner", "someone"),
        ("marker_only", "migrate"),
        ("warehouse_time_zone", "Europe/London"),
    ] {
        let changed = Given::required().flag(key, value).load().unwrap().outcome_settings();
        let differing: Vec<_> =
            pinned.keys().filter(|name| pinned.get(*name) != changed.get(*name)).collect();
        assert_eq!(differing, [key]);
    }
    let key = Given::required().env("ROGO_CONSUMER_KEY", "other").load().unwrap().outcome_settings();
    assert_ne!(key.get("consumer_key"), pinned.get("consumer_key"));
    let work = Given::required().flag("workers", "9").flag("out", "/tmp").load().unwrap();
    assert_eq!(work.outcome_settings(), pinned, "what only changes the work does not pin");
}

#[test]
fn the_settings_command_shows_values_and_origins_but_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    std::fs::write(&config, "pool = 4\n").unwrap();
    let output = program(
        &["settings", "--config", config.to_str().unwrap(), "--run", "trial-1"],
        &[("DATABASE_URL", "postgres://app:planted@h/d"), ("ROGO_FLUSH", "5s"), ("ROGO_WORKER", "9")],
    );
    let (shown, told) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}");
    let line = |name: &str| {
        let found = shown.lines().find(|line| line.split_whitespace().next() == Some(name));
        found.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).unwrap()
    };
    assert_eq!(line("run"), "trial-1 --run");
    assert_eq!(line("flush"), "5s ROGO_FLUSH");
    assert_eq!(line("pool"), format!("4 {} line 1", config.display()));
    assert_eq!(line("workers"), "5 default");
    assert_eq!(line("target"), "not set: required");
    assert_eq!(line("DATABASE_URL"), "set DATABASE_URL");
    assert_eq!(line("ROGO_CONSUMER_KEY"), "not set");
    assert!(told.contains("ROGO_WORKER"), "a misspelt variable is named: {told}");
    assert!(!format!("{shown}{told}").contains("planted"));
}

#[test]
fn usage_errors_end_with_64_and_help_with_0() {
    for (arguments, exit) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["run", "--help"], 0),
        (&["completions", "bash"], 0),
        (&[], 64),
        (&["migrate"], 64),
        (&["run", "--worker", "3"], 64),
        (&["run"], 64),
        (&["settings", "--workers", "0"], 64),
        (&["settings", "--config", "/nowhere/rogo.toml"], 64),
        (&["sample", "--rows", "3"], 64),
    ] {
        let output = program(arguments, &[]);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout.is_empty(), exit != 0 && arguments != ["settings", "--workers", "0"]);
    }
    let missing = String::from_utf8(program(&["run"], &[]).stderr).unwrap();
    assert!(missing.starts_with("error: settings that are missing"), "{missing}");
    assert_eq!(missing.matches("error").count(), 1, "{missing}");
}
