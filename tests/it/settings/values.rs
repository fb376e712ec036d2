//! What a value may be, and what is said where it is not.

use rogo_migrate::{
    domain::{Dialect, Escape, FailCode, ShardIndex},
    settings::{InputLocation, Place, WarehouseSettings},
};
use serde_json::json;

use super::{Given, program};

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
        ("breaker", "100%", "above 0% and below 100% is expected"),
        ("breaker", "NaN%", "off or a percentage"),
        ("warehouse_null", "N,A", "what the export writes for null is expected"),
        ("warehouse_null", "\"NULL", "what the export writes for null is expected"),
        ("target_guard", "yes", "off or on is expected"),
        ("log", "rogo_migrate=loud", "a level (error, warn, info, debug, trace)"),
    ] {
        let message = Given::required().flag(key, value).refusal();
        let flag = format!("--{}: \"", key.replace('_', "-"));
        assert!(message.contains(&flag) && message.contains(expected), "{key} {value}: {message}");
    }
}

#[test]
fn an_address_that_may_be_the_right_to_use_it_is_not_shown_by_a_complaint() {
    // The scheme was forgotten.
    let address = "hooks.example/services/T/B/planted";
    let says = "(hidden): an http or https URL without user is expected";
    for (given, place) in [
        (Given::required().flag("notify", address), "--notify"),
        (Given::required().env("ROGO_NOTIFY", address), "ROGO_NOTIFY"),
        (Given::required().config(&format!("notify = \"{address}\"")), "rogo.toml line 1, notify"),
    ] {
        let message = given.refusal();
        assert!(message.contains(&format!("{place}: {says}")), "{message}");
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
fn values_are_trimmed_and_what_tools_leave_behind_is_refused() {
    let key = |value: &str| Given::required().env("ROGO_CONSUMER_KEY", value);
    for value in ["moodle-key\n", " moodle-key ", "moodle-key\r\n", "\u{feff}moodle-key\u{a0}"] {
        assert_eq!(key(value).load().unwrap().organisation.consumer_key, "moodle-key", "{value:?}");
    }
    for (value, says) in [
        ("\"planted\"", "it stands in quotes"),
        ("'planted'\n", "it stands in quotes"),
        ("plan\nted", "it holds a line break or another control character"),
        ("planted\u{1}", "it holds a line break or another control character"),
        ("<nil>", "it is what a template writes"),
        ("%!s(<nil>)", "it is what a template writes"),
    ] {
        let message = key(value).refusal();
        assert!(message.contains(&format!("ROGO_CONSUMER_KEY: {says}")), "{value:?}: {message}");
        let message = Given::required().env("ROGO_INSTRUCTION_SET", value).refusal_of_any();
        assert!(
            message.contains("ROGO_INSTRUCTION_SET: \"") && message.contains(says),
            "{value:?}: {message}"
        );
    }
    assert!(key("a\"b").load().is_ok() && key("\"").load().is_ok(), "quotes that wrap nothing");
    assert!(key(" \n").refusal().contains("missing"), "a blank variable is not set");
    let trimmed = Given::required()
        .flag("lms_name", " Campus\u{a0}")
        .env("ROGO_TARGET", "file:///data/files\n")
        .env("ROGO_WORKERS", " ")
        .config("pool = \" 4 \"");
    let settings = trimmed.load().unwrap();
    assert_eq!(
        (settings.organisation.lms_name.as_str(), settings.work.workers, settings.work.pool),
        ("Campus", 5, 4)
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        Given::required()
            .without("ROGO_CONSUMER_KEY")
            .env("ROGO_CONSUMER_KEY_FILE", &format!("{}\n", path.display()))
    };
    assert_eq!(file("moodle-key \n").load().unwrap().organisation.consumer_key, "moodle-key");
    let message = file("\"planted\"\n").refusal();
    assert!(message.contains("ROGO_CONSUMER_KEY_FILE (") && message.contains("in quotes"), "{message}");
    let message = Given::required().config("lms_name = \"<nil>\"").without("ROGO_LMS_NAME").refusal();
    assert!(message.contains("rogo.toml line 1, lms_name: \"<nil>\": it is what a template"), "{message}");
}

#[test]
fn a_list_in_quotes_or_brackets_is_refused_wherever_it_stands() {
    for (value, says) in [
        ("\"24,25\"", "it stands in quotes"),
        ("'24,25'", "it stands in quotes"),
        ("\"24\",\"25\"", "it stands in quotes"),
        ("24,\"25\"", "it stands in quotes"),
        ("[24,25]", "without quotes and brackets"),
        ("24,'25", "without quotes and brackets"),
    ] {
        let toml = format!("unit_versions = '''{value}'''");
        for (given, place) in [
            (Given::required().env("ROGO_UNIT_VERSIONS", value), "ROGO_UNIT_VERSIONS: "),
            (Given::required().flag("unit_versions", value), "--unit-versions: "),
            (Given::required().config(&toml), "rogo.toml line 1, unit_versions: "),
        ] {
            let message = given.refusal();
            assert!(message.contains(place) && message.contains(says), "{value}: {message}");
        }
    }
    // The other lists are split by the same code.
    for (name, value) in [
        ("ROGO_SOURCE_ALLOW", "\"https://a.example/x,https://a.example/y\""),
        ("ROGO_TARGET_ALTERS", "'submissions.a,submissions.b'"),
        ("ROGO_AFTER", "\"first,second\""),
    ] {
        let message = Given::required().env(name, value).refusal();
        assert!(
            message.contains(&format!("{name}: ")) && message.contains("it stands in quotes"),
            "{message}"
        );
    }
}

#[test]
fn the_cause_of_a_broken_address_is_named_with_its_variable() {
    for (name, value, says) in [
        ("DATABASE_URL", "postgres://app:pla#nted@host/db", "# as %23"),
        ("DATABASE_URL", "postgres://app:pla/nted@host/db", "/ as %2F"),
        ("DATABASE_URL", "postgres://app:pla?nted@host/db", "? as %3F"),
        ("DATABASE_URL", "postgresql://app:planted%@host/db", "% as %25"),
        ("DATABASE_URL", "postgresql://app:100%pla@host/db", "% as %25"),
        ("DATABASE_URL", "jdbc:postgresql://host/db", "a PostgreSQL URL is expected"),
        ("DATA_WAREHOUSE_CONNECTION_STRING", "postgres://me:planted@db/app", "an ADO.NET connection string"),
        ("DATA_WAREHOUSE_CONNECTION_STRING", "planted", "an ADO.NET connection string"),
        ("SOURCE_STORAGE_CONNECTION_STRING", "https://a.example/?sig=planted", "of a storage account"),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=planted", "of a storage account"),
        (
            "AZURE_STORAGE_CONNECTION_STRING",
            "BlobEndpoint=https://a.dfs.core.windows.net;SharedAccessSignature=planted",
            "the account's blob endpoint",
        ),
        ("AZURE_STORAGE_ACCOUNT_URL", "https://a.dfs.core.windows.net", "with .blob. in its place"),
        ("ROGO_SOURCE_ALLOW", "https://a.dfs.core.windows.net/learners/2024", "with .blob. in its place"),
    ] {
        let message = Given::required().env(name, value).refusal();
        assert!(message.contains(name) && message.contains(says), "{name}: {message}");
    }
    for url in [
        "postgres://app:p%23%2F%3f@host/db",
        "postgres://host:5432/db?user=me@tenant",
        "postgres://host/db?user=me@tenant",
        "postgres:///db?host=/run/postgresql&user=me@tenant",
        "postgres://me@host/db?options=-c%20x@y",
        "postgres://app:p@ss@host/db",
    ] {
        assert!(Given::required().env("DATABASE_URL", url).load().is_ok(), "{url}");
    }
}

#[test]
fn what_is_said_of_exports_and_codes_is_checked() {
    for (key, value, expected) in [
        ("warehouse_escape", "\\\\", "backslash or none is expected"),
        ("warehouse_escape", "Backslash", "backslash or none is expected"),
        ("warehouse_null", "a,b", "what the export writes for null"),
        ("code", "file_absent", "a code of failed rows is expected"),
        ("code", "file_missing,", "a code of failed rows is expected"),
        ("code", "already_migrated", "a code of failed rows is expected"),
    ] {
        let message = Given::required().flag(key, value).refusal();
        assert!(message.contains(expected), "{key}: {message}");
    }
    let given =
        Given::required().flag("code", "file_missing, unavailable").env("ROGO_WAREHOUSE_NULL", "NULL");
    let settings = given.env("ROGO_WAREHOUSE_ESCAPE", "backslash").load().unwrap();
    assert_eq!(settings.trial.codes, [FailCode::FileMissing, FailCode::Unavailable]);
    assert_eq!(
        settings.inputs.dialect,
        Dialect { null: Some("NULL".into()), escape: Some(Escape::Backslash) }
    );
}

#[test]
fn a_config_file_is_text_in_utf_8_or_in_what_its_byte_order_mark_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rogo.toml");
    let text = "lms_name = \"Caf\u{e9}\"\npool = 4\n";
    let in_utf_16 = |to_bytes: fn(u16) -> [u8; 2], mark: &[u16]| {
        mark.iter().copied().chain(text.encode_utf16()).flat_map(to_bytes).collect::<Vec<u8>>()
    };
    let shown = |bytes: &[u8]| {
        std::fs::write(&config, bytes).unwrap();
        program(&["settings", "--config", config.to_str().unwrap()], &[])
    };
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        in_utf_16(u16::to_le_bytes, &[0xfeff]),
        in_utf_16(u16::to_be_bytes, &[0xfeff]),
    ] {
        let output = shown(&bytes);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("Caf\u{e9}") && stdout.contains("rogo.toml line 2"), "{stdout}");
    }
    for (bytes, says) in [
        (
            in_utf_16(u16::to_le_bytes, &[]),
            "text in utf-16le without a byte order mark; save it as text in UTF-8",
        ),
        (b"lms_name = \"Caf\xe9\"\n".to_vec(), "no text in UTF-8; save it as text in UTF-8"),
        (b"PK\x03\x04".to_vec(), "an Excel workbook; save it as text in UTF-8"),
    ] {
        let output = shown(&bytes);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains("config file ") && told.contains(says), "{told}");
    }
}
