//! What settings there are, under which names, with which defaults.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::CommandFactory;
use rogo_migrate::{
    cli::Cli,
    settings::{ALL, InputLocation, MarkerOnly, Place, TargetGuard},
};

use super::{Given, program};
use crate::support::app::Ended;

#[test]
fn every_setting_of_the_contract_is_there_and_no_other() {
    // flag, environment, default: run.md's table. `-` where there is none.
    let contract = "\
        --submissions ROGO_SUBMISSIONS submission_files.csv
        --mapping ROGO_MAPPING attempt_number_mapping.csv
        --encoding ROGO_ENCODING -
        --warehouse - -
        --warehouse-null ROGO_WAREHOUSE_NULL -
        --warehouse-escape ROGO_WAREHOUSE_ESCAPE -
        - DATA_WAREHOUSE_CONNECTION_STRING -
        - DATABASE_URL -
        --database-auth - password
        --expect-host ROGO_EXPECT_HOST -
        --same-database - -
        --target-alters ROGO_TARGET_ALTERS -
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
        --redo ROGO_REDO -
        --accept - -
        --reason ROGO_REASON -
        --level ROGO_VERIFY_LEVEL rows
        --content - -
        --manifest - -
        --only-unproven - false
        --show-values - false
        --recheck - 30s
        --verify-store ROGO_VERIFY_STORE -
        --limit - -
        --attempts - -
        --code - -
        --after ROGO_AFTER -
        --exclude ROGO_EXCLUDE -
        --predict - false
        --probe - false
        --expect ROGO_EXPECT -
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
        --trace-sample ROGO_TRACE_SAMPLE 100
        --notify ROGO_NOTIFY -
        --target-guard ROGO_TARGET_GUARD off
        --log-format ROGO_LOG_FORMAT -
        --json - false
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
    let own = [
        "help",
        "version",
        "config",
        "verbose",
        "dry_run",
        "delete",
        "watch",
        "to",
        "bundle",
        "with_personal_data",
        "evidence",
        "logs",
        "image",
        "self_test",
        "yes",
        "force_touched",
    ];
    let mut seen = BTreeSet::new();
    for command in Cli::command()
        .get_subcommands()
        .filter(|command| !["sample", "completions", "explain"].contains(&command.get_name()))
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
            if let Some(default) = setting.default.filter(|_| key != "log" && !setting.switch) {
                assert!(help.contains(&format!("[default: {default}]")), "{key}: {help}");
            }
            seen.insert(key.to_owned());
        }
    }
    let flags: BTreeSet<String> =
        ALL.iter().filter(|setting| setting.flag).map(|setting| setting.key.to_owned()).collect();
    assert_eq!(seen, flags);
    assert!(ALL.iter().all(|setting| !(setting.is_secret() && setting.flag)), "no secret has a flag");
    Cli::command().debug_assert();
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
    assert_eq!(work.target_guard, TargetGuard::Off);
}

/// No setting takes a control character: what a command refuses, `settings` refuses too.
#[test]
fn every_setting_that_cannot_be_used_is_named_by_the_command_settings() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    for setting in ALL {
        let ended = if let Some(name) = setting.environment {
            program(&["settings"], &[(name, "a\u{1}b")])
        } else {
            std::fs::write(&config, format!("{} = \"a\\u0001b\"\n", setting.key)).unwrap();
            program(&["settings", "--config", config.to_str().unwrap()], &[])
        };
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(64), "{}: {said}", setting.key);
        assert!(said.contains("another control character"), "{}: {said}", setting.key);
        assert!(said.contains(setting.environment.unwrap_or(setting.key)), "{}: {said}", setting.key);
    }
}

#[test]
fn what_verify_refuses_the_command_settings_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    for (given, says) in [
        ("level = \"bytes\"", "level: \"bytes\""),
        ("recheck = \"2d\"", "recheck: \"2d\""),
        ("content = \"5/4\"", "content: \"5/4\""),
    ] {
        std::fs::write(&config, given).unwrap();
        let ended = program(&["settings", "--config", config.to_str().unwrap()], &[]);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), said.matches(says).count()), (Some(64), 1), "{said}");
    }
    let ended = program(&["settings"], &[("ROGO_VERIFY_LEVEL", "bytes")]);
    assert_eq!(ended.status.code(), Some(64));
    // What `verify` means otherwise by the same name is no mistake.
    std::fs::write(&config, "accept = \"lost\"\nshard = 3\nlevel = \"content\"\ncontent = \"4/4\"\n")
        .unwrap();
    let ended = program(&["settings", "--config", config.to_str().unwrap()], &[]);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// What the command `settings` says of a config file.
fn of_file(text: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    std::fs::write(&config, text).unwrap();
    Ended::of(program(&["settings", "--config", config.to_str().unwrap()], &[]))
}

#[test]
fn a_config_file_sets_switches_and_no_decision() {
    let switches = ["predict", "probe", "only_unproven", "show_values", "json"];
    for key in switches {
        let on = of_file(&format!("{key} = true\n")).expect(0).stdout;
        let named = key.replace('_', "-");
        let line = on.lines().find(|line| line.starts_with(&format!("{named} "))).expect(&on);
        assert!(line.contains(" true ") && line.contains("rogo.toml line 1"), "{line}");
        of_file(&format!("{key} = \"false\"\n")).expect(0);
        let neither = of_file(&format!("{key} = 1\n")).expect(64).stderr;
        assert!(neither.contains(&format!("{key}: \"1\": true or false is expected")), "{neither}");
    }
    for key in ["yes", "dry_run", "force_touched", "delete", "with_personal_data"] {
        let refused = of_file(&format!("{key} = true\n")).expect(64).stderr;
        let says = format!("line 1: {key} decides what is written, removed or shown, and is no key");
        assert!(refused.contains(&says) && !refused.contains("unknown"), "{refused}");
        assert!(refused.contains(&format!("give --{} there", key.replace('_', "-"))), "{refused}");
    }
    for (key, value) in [("same_database", true), ("target_guard", false), ("workers", true)] {
        let refused = of_file(&format!("{key} = {value}\n")).expect(64).stderr;
        let says = format!("{key} is a boolean, and --{} takes a value", key.replace('_', "-"));
        assert!(refused.contains(&says), "{refused}");
    }
    let unknown = of_file("watch = true\n").expect(64).stderr;
    assert!(unknown.contains("unknown key watch"), "{unknown}");
}

#[test]
fn a_switch_of_the_config_file_works_like_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    let config = config.to_str().unwrap();
    for (text, is_object) in [("json = true\n", true), ("json = false\n", false)] {
        std::fs::write(config, text).unwrap();
        let ended = Ended::of(program(&["plan", "--config", config], &[])).expect(64);
        assert_eq!(ended.stdout.starts_with(r#"{"error":"#), is_object, "{text}: {}", ended.stdout);
    }
}
