//! The one literal of settings.

use std::{path::Path, time::Duration};

use rogo_migrate::{
    domain::Dialect,
    settings::{
        AccountSettings, DatabaseAuth, DatabaseSettings, InputLocation, InputSettings, MarkerOnly,
        Organisation, Place, PodSettings, RuleSettings, SameDatabase, Secret, Settings, SourceAuth,
        SourceSettings, TargetGuard, Trial, WarehouseSettings, WorkSettings,
    },
};

/// Settings of a run named `trial`, in one shard.
pub fn settings(folder: &Path) -> Settings {
    let input = |name: &str| InputLocation::Path(folder.join(name));
    Settings {
        inputs: InputSettings {
            submissions: input("submission_files.csv"),
            mapping: input("attempt_number_mapping.csv"),
            encoding: None,
            dialect: Dialect::default(),
        },
        warehouse: WarehouseSettings::Export(Place::Folder(folder.into())),
        database: DatabaseSettings {
            url: Secret::Value("unused".into()),
            auth: DatabaseAuth::Password,
            expect_host: None,
            same_database: SameDatabase::No,
            target_alters: Vec::new(),
        },
        source: SourceSettings {
            allow: vec!["https://rogo.blob.example/files/".parse().unwrap()],
            auth: SourceAuth::Auto,
            connection_string: None,
        },
        target: Place::Folder(folder.into()),
        run_store: Place::Folder(folder.into()),
        account: AccountSettings::default(),
        run: "trial".parse().unwrap(),
        epoch: "0".parse().unwrap(),
        out: folder.into(),
        organisation: Organisation {
            lms_instance: "3F2504E0-4F89-11D3-9A0C-0305E82C3301".into(),
            lms_name: "The LMS".into(),
            return_url: "https://lms.example".into(),
            consumer_key: "key".into(),
        },
        rules: RuleSettings {
            unit_versions: vec!["24".into(), "25".into()],
            instruction_set: "AIS".into(),
            assignment_title: "Submission Area".into(),
            rule_owner: None,
            marker_only: MarkerOnly::Fail,
            warehouse_time_zone: chrono_tz::UTC,
        },
        trial: Trial::default(),
        after: Vec::new(),
        exclude: None,
        expect: None,
        verify_store: None,
        redo_lost: false,
        accept_lost: false,
        reason: None,
        user: String::new(),
        shards: 1,
        parallelism: 1,
        shard: None,
        wait_plan: Duration::from_secs(1),
        work: WorkSettings {
            workers: 5,
            in_flight: None,
            pool: 3,
            warehouse_pool: 3,
            flush: Duration::from_secs(10),
            give_up_after: Duration::from_secs(1),
            breaker: None,
            target_guard: TargetGuard::Off,
        },
        traceparent: None,
        shown: std::collections::BTreeMap::new(),
        pod: PodSettings::default(),
    }
}
