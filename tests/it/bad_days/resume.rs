//! A run store that holds another run: nothing replans it, and the refusal names what changed.

use std::{fs, time::Instant};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use rogo_migrate::ports::{Blobs, PutOptions};

use super::{Day, plain_sample, run_store};
use crate::support::{
    app::{TestApp, assert_same},
    postgres::{TestDatabase, TestServer},
    process::{ended, said},
    tds::{self, TdsServer, data::Data},
};

async fn write(store: &dyn Blobs, name: &str, text: &str) {
    let bytes = Bytes::from(text.to_owned());
    store.put(name, bytes, &PutOptions::replace("application/json")).await.unwrap();
}

/// What must be said, of which command, and the variable that is not as it was.
type Changed<'case> = (&'case str, &'case [&'case str], Option<(&'case str, String)>);

#[tokio::test]
async fn a_run_that_is_not_the_plans_is_refused_and_named() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let other = TestApp::new(&sample).await;
    let warehouse = TdsServer::start(Data::load(&sample.path("warehouse")).unwrap(), tds::Options::default());
    let warehouse = warehouse.await.unwrap();
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    // Of the same length: one digit of its last row is another.
    let changed_copy = |input: &str| {
        let path = app.out.path().join(input);
        let mut bytes = fs::read(sample.path(input)).unwrap();
        let digit = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()).unwrap();
        *digit = if *digit == b'7' { b'3' } else { b'7' };
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let run: &[&str] = &["run", "--shards", "2"];
    let cases: Vec<Changed> = vec![
        (
            "submission_files.csv changed",
            run,
            Some(("ROGO_SUBMISSIONS", changed_copy("submission_files.csv"))),
        ),
        (
            "attempt_number_mapping.csv changed",
            run,
            Some(("ROGO_MAPPING", changed_copy("attempt_number_mapping.csv"))),
        ),
        (
            "submission_files.csv changed",
            &["resume"],
            Some(("ROGO_SUBMISSIONS", changed_copy("submission_files.csv"))),
        ),
        (
            "submission_files.csv changed",
            &["shard", "--shard", "0"],
            Some(("ROGO_SUBMISSIONS", changed_copy("submission_files.csv"))),
        ),
        (
            "attempt_number_mapping.csv changed",
            &["shard", "--shard", "1"],
            Some(("ROGO_MAPPING", changed_copy("attempt_number_mapping.csv"))),
        ),
        ("the target database changed", run, Some(("DATABASE_URL", other.database.url()))),
        ("the target container changed", run, Some(("ROGO_TARGET", format!("az://{}", other.container)))),
        ("the number of shards changed", &["run", "--shards", "3"], None),
        ("the trial (--limit, --attempts) changed", &["run", "--shards", "2", "--limit", "3"], None),
        ("the setting unit-versions changed", run, Some(("ROGO_UNIT_VERSIONS", "24".into()))),
        ("the setting lms-name changed", run, Some(("ROGO_LMS_NAME", "Another LMS".into()))),
        ("the setting consumer-key changed", run, Some(("ROGO_CONSUMER_KEY", "planted-key".into()))),
        ("the setting marker-only changed", run, Some(("ROGO_MARKER_ONLY", "migrate".into()))),
        ("the setting rule-owner changed", run, Some(("ROGO_RULE_OWNER", "admin-a".into()))),
        (
            "the target database changed",
            &["shard", "--shard", "0"],
            Some(("DATABASE_URL", other.database.url())),
        ),
        (
            "the setting lms-name changed",
            &["shard", "--shard", "1"],
            Some(("ROGO_LMS_NAME", "Another LMS".into())),
        ),
        (
            "the warehouse changed",
            &["shard", "--shard", "0"],
            Some(("DATA_WAREHOUSE_CONNECTION_STRING", warehouse.connection_string())),
        ),
        ("the setting lms-name changed", &["finalize"], Some(("ROGO_LMS_NAME", "Another LMS".into()))),
        ("the target database changed", &["finalize"], Some(("DATABASE_URL", other.database.url()))),
        (
            "the target database changed",
            &["orphans", "--delete", "--reason", "a test"],
            Some(("DATABASE_URL", other.database.url())),
        ),
    ];
    for (says, arguments, change) in cases {
        let mut day = Day::new(says, arguments, 78).says([says, "since the run began", "another name"]);
        if let Some((name, value)) = change {
            day = day.set(name, value);
        }
        let ended = day.is_refused(&app).await;
        assert!(!ended.stderr.contains("planted-key"), "{}", ended.stderr);
    }
    let store = run_store(&app);
    let plan = app.document("rogo/plan.json").await;
    write(&*store, "rogo/plan.json", &plan.replace("\"rules_version\": 1", "\"rules_version\": 99")).await;
    for arguments in [run, &["shard", "--shard", "0"], &["finalize"]] {
        let day = Day::new("another version's rules", arguments, 78);
        day.says(["the rules' version changed", "from 99 to"]).is_refused(&app).await;
    }
    write(&*store, "rogo/plan.json", "{\"id\": ").await;
    let broken = Day::new("a plan.json that is cut", run, 78).says(["/rogo/plan.json", "cannot be read"]);
    broken.is_refused(&app).await;
    write(&*store, "rogo/plan.json", &plan).await;
    // A queue that is not what the plan wrote.
    let id = serde_json::from_str::<serde_json::Value>(&plan).unwrap()["id"].as_str().unwrap().to_owned();
    let name = format!("rogo/queues/{id}/1");
    let queue = app.document(&name).await;
    store.delete_many(std::slice::from_ref(&name)).await.unwrap();
    let one: &[&str] = &["shard", "--shard", "1"];
    let gone = Day::new("a queue that is gone", one, 65);
    gone.says([&format!("/queues/{id}/1"), "is gone", "another name"]).ends(&app).await;
    let cut = queue.trim_end().rsplit_once('\n').unwrap().0;
    write(&*store, &name, cut).await;
    let changed = Day::new("a queue that was cut, found at its end", one, 65);
    changed.says([&format!("/queues/{id}/1"), "not what was written", "restore it"]).ends(&app).await;
    write(&*store, &name, &queue).await;
    // Nor a segment that another program wrote: the other shards go on.
    let strange = "rogo/segments/1/000000000000-00000000.jsonl".to_owned();
    write(&*store, &strange, "no outcome\n").await;
    Day::new("a strange segment", one, 65).says(["/segments/1/", "not what was written"]).ends(&app).await;
    Day::new("the other shard", &["shard", "--shard", "0"], 0).ends(&app).await;
    store.delete_many(&[strange]).await.unwrap();
    // All as it was: the run goes on as if nothing had been tried.
    app.run(run).await.expect(0);
    other.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &other.everything().await);
}

#[tokio::test]
async fn credentials_that_are_refused_after_the_plan_stood_end_a_shard_with_75() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let shard: &[&str] = &["shard", "--shard", "0", "--give-up-after", "1s", "--wait-plan", "1s"];
    let account = "AZURE_STORAGE_CONNECTION_STRING";
    let wrong_key = app.variable(account).replace("Eby8", "Abc8");
    let store = Day::new("the run store", shard, 75).set(account, wrong_key.clone());
    store.says(["run store: ", "not allowed"]).is_refused(&app).await;

    let folder = tempfile::tempdir().unwrap();
    app.set("ROGO_RUN_STORE", format!("file://{}", folder.path().display()));
    app.run(&["plan"]).await.expect(0);
    let server = TestServer::get().address();
    let wrong_url = TestServer::url_as("tester", "wrong", server, app.database.name());
    let warehouse = "DATA_WAREHOUSE_CONNECTION_STRING";
    let wrong_login = app.variable(warehouse).replace("S3cret", "wrong");
    for (variable, value, service) in [
        ("DATABASE_URL", wrong_url, "target database"),
        (account, wrong_key.clone(), "target blobs"),
        ("SOURCE_STORAGE_CONNECTION_STRING", wrong_key, "source blobs"),
        (warehouse, wrong_login, "warehouse"),
    ] {
        let day = Day::new(service, shard, 75).set(variable, value);
        let says = [format!("(give-up-after): {service}: "), "No row was blamed".to_owned()];
        day.says(says).ends(&app).await;
    }
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 13);
}

#[tokio::test]
async fn a_target_that_lost_what_the_run_recorded_is_another_database() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    app.database.run("delete from assignment_submissions where lti_launch_id like 'rogo_%'").await;
    app.database.run("delete from lti_session_records where launch_id like 'rogo_%'").await;
    app.database.run("delete from lti_launch_sessions where launch_id like 'rogo_%'").await;
    for arguments in [&["run"], &["finalize"]] {
        let day = Day::new("rows are gone", arguments, 78);
        day.says(["recorded as migrated are not in the target", "another database"]).is_refused(&app).await;
    }
}

#[tokio::test]
async fn a_shard_that_waits_obeys_the_refusal_of_its_own_epoch_only() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::new(&sample).await;
    let empty = TestDatabase::new().await;
    app.set("ROGO_EPOCH", "e-1");
    let refused = Day::new("no admin", &["plan"], 78).set("DATABASE_URL", empty.url());
    refused.says(["role admin", "--rule-owner"]).is_refused(&app).await;
    let began = Instant::now();
    let waits = Day::new("its own epoch", &["shard", "--shard", "0", "--wait-plan", "30m"], 78);
    waits.says(["the plan was refused", "role admin"]).is_refused(&app).await;
    assert!(began.elapsed().as_secs() < 60, "it does not wait for a plan that cannot come");
    let other = Day::new("another epoch", &["shard", "--shard", "0", "--wait-plan", "0s"], 75);
    let ended = other.set("ROGO_EPOCH", "e-2").says(["no plan at"]).is_refused(&app).await;
    assert!(!ended.stderr.contains("refused"), "{}", ended.stderr);
    let odd = format!("{};Frobnicate=1", app.variable("DATA_WAREHOUSE_CONNECTION_STRING"));
    let unopened = Day::new("a service that cannot be opened", &["plan"], 78);
    unopened.set("DATA_WAREHOUSE_CONNECTION_STRING", odd).says(["Frobnicate"]).is_refused(&app).await;
    let waits = Day::new("that too", &["shard", "--shard", "0"], 78);
    waits.says(["the plan was refused", "Frobnicate"]).is_refused(&app).await;
    app.run(&["plan"]).await.expect(0);
    assert!(run_store(&app).head("rogo/refused/e-1.json").await.unwrap().is_none(), "a plan takes it back");
    app.set("ROGO_EPOCH", "e-3");
    let changed = Day::new("beside a plan", &["plan", "--unit-versions", "24"], 78);
    changed.says(["the setting unit-versions changed"]).is_refused(&app).await;
    let obeys = Day::new("its own epoch", &["shard", "--shard", "0"], 78);
    obeys.says(["the plan was refused: the setting unit-versions"]).is_refused(&app).await;
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 13);
}

#[tokio::test]
async fn a_shard_waits_longer_for_a_plan_that_lives() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let beat = async |ago: TimeDelta| {
        let at = (Utc::now() - ago).to_rfc3339();
        write(&*run_store(&app), "rogo/planning/0.json", &format!("{{\"at\": {at:?}}}")).await;
    };
    let waits = ["shard", "--shard", "0", "--wait-plan", "0s"];
    beat(TimeDelta::minutes(11)).await;
    Day::new("a plan that died", &waits, 75).says(["no plan at", "run `rogo-migrate plan`"]).ends(&app).await;
    beat(TimeDelta::minutes(9)).await;
    let mut shard = app.start(&waits);
    said(&mut shard, "the plan is being made").await;
    app.run(&["plan"]).await.expect(0);
    let beaten = app.document("rogo/planning/0.json").await;
    assert!(beaten.contains("\"at\""), "{beaten}");
    let moved = ended(&mut shard).await;
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
}
