//! Promises of settings: names, order, limits, secrets, and complaints that name all that is wrong.

mod contract;
mod values;

use std::{
    collections::BTreeMap,
    process::{Command, Output},
    time::Duration,
};

use rogo_migrate::{
    exit::{Exit, Stop},
    run::pins::pinned_settings,
    settings::{Flags, Settings, Sources, StoreSettings},
};

use crate::support::process;

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

    /// As [`Self::refusal`], of a value that is no secret.
    fn refusal_of_any(self) -> String {
        let stop = self.load().expect_err("refused");
        assert_eq!(stop.exit, Exit::Usage);
        stop.message
    }

    fn refusal(self) -> String {
        let stop = self.load().expect_err("refused");
        assert_eq!(stop.exit, Exit::Usage);
        assert!(!stop.message.contains("planted"), "{}", stop.message);
        stop.message
    }
}

pub(crate) fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    let Output { status, stdout, stderr } = process::blocking(command);
    let stderr = process::readable(&String::from_utf8(stderr).unwrap()).into_bytes();
    Output { status, stdout, stderr }
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
fn settings_that_change_outcomes_pin_the_plan_without_the_key_itself() {
    let pinned_of = |given: Given| pinned_settings(&given.load().unwrap(), &"0123456789ab".parse().unwrap());
    let pinned = pinned_of(Given::required());
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
        ("warehouse_null", "NULL"),
        ("warehouse_escape", "backslash"),
    ] {
        let changed = pinned_of(Given::required().flag(key, value));
        let differing: Vec<_> =
            pinned.keys().filter(|name| pinned.get(*name) != changed.get(*name)).collect();
        assert_eq!(differing, [&key.replace('_', "-")]);
    }
    let key = pinned_of(Given::required().env("ROGO_CONSUMER_KEY", "other"));
    assert_ne!(key.get("consumer-key"), pinned.get("consumer-key"));
    let work = Given::required().flag("workers", "9").flag("out", "/tmp");
    assert_eq!(pinned_of(work), pinned, "what only changes the work does not pin");
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

#[test]
fn a_command_that_only_looks_needs_the_run_store_and_its_account() {
    let load = |given: Given| {
        let flags = Flags::default().with(&given.flags);
        StoreSettings::load(&Sources::new(flags, given.environment, None).unwrap())
    };
    let folder = Given::default().flag("run_store", "file:///data/runs").env("ROGO_TARGET", "az://files");
    let settings = load(folder).unwrap();
    assert_eq!((settings.run.as_str(), settings.wait_plan), ("rogo", Duration::from_mins(30)));
    let azure = || Given::default().flag("run_store", "az://runs").flag("run", "second");
    let refused = load(azure()).unwrap_err();
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.message.contains("the account of az:// places"), "{refused}");
    assert!(!refused.message.contains("DATABASE_URL"), "{refused}");
    let settings = load(azure().flag("account_url", "https://a.blob.core.windows.net")).unwrap();
    assert_eq!((settings.run.as_str(), settings.run_store.to_string().as_str()), ("second", "az://runs"));
}

#[test]
fn what_the_chart_tells_a_pod_is_not_taken_for_a_misspelt_setting() {
    let pod = [("ROGO_POD", "p"), ("ROGO_SHARD_JOB", "j"), ("ROGO_HELM_CHART", "c"), ("ROGO_LIMITS", "3")];
    let output = program(&["settings"], &pod);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no setting has such a name: ROGO_LIMITS\n"), "{said}");
}

/// The webhook of Entra Workload ID may be away while the pod is created.
#[test]
fn a_pod_that_should_have_a_workload_identity_and_has_none_ends_to_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file://{}", folder.path().display());
    let token = folder.path().join("token");
    std::fs::write(&token, "x").unwrap();
    let status = |token: &str| {
        let identity = [("ROGO_WORKLOAD_IDENTITY", "required"), ("AZURE_FEDERATED_TOKEN_FILE", token)];
        let output = program(
            &["status", "--run-store", &place],
            &[&identity[..], &[("KUBECONFIG", "/dev/null")]].concat(),
        );
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for missing in ["", "/nowhere/token"] {
        let (code, said) = status(missing);
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("no workload identity: workloadIdentity.enabled is true"), "{said}");
    }
    let (_, said) = status(token.to_str().unwrap());
    assert!(!said.contains("no workload identity"), "{said}");
}
