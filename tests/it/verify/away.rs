//! A warehouse at whose address no host answers: for a while, or for good.

use std::fs;

use serde_json::Value;

use super::{
    check,
    corruptions::in_folders,
    shards::{command, killed_at, parts, state},
    small, verification, verify,
};
use crate::support::{
    app::{Ended, Sample, TestApp},
    process,
    proxy::Proxy,
};

/// A run whose warehouse stands behind a proxy.
async fn behind_a_proxy(sample: &Sample) -> (TestApp<'_>, Proxy) {
    let mut app = in_folders(sample).await;
    let warehouse = Proxy::start(sample.tds.address).await;
    let through = sample.tds.connection_string_through(warehouse.address());
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", through);
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run"]).await.expect(0);
    (app, warehouse)
}

#[tokio::test]
async fn only_one_process_by_hand_leaves_out_a_warehouse_that_does_not_answer() {
    let sample = Sample::in_folder(60, 41, small).await;
    let (app, mut warehouse) = behind_a_proxy(&sample).await;
    warehouse.close().await;

    let folders = ["part", "pod", "hand"].map(|name| app.out.path().join(name).display().to_string());
    let at = |place: usize, arguments: &[&str]| {
        let mut command = command(&app, &[&["--recheck", "0s"], arguments].concat());
        fs::create_dir_all(&folders[place]).unwrap();
        command.env("ROGO_OUT", &folders[place]);
        command
    };
    let elsewhere = format!("file://{}/elsewhere", app.out.path().display());
    let part = at(0, &["--shard", "0/2"]);
    let mut pod = at(1, &["--shard", "0/1"]);
    pod.envs([("ROGO_POD", "r-rogo-v-1-x"), ("ROGO_NAMESPACE", "ns"), ("ROGO_EPOCH", "1-abc")]);
    pod.envs([("ROGO_JOB_UID", "a-job"), ("ROGO_GIVE_UP_AFTER", "1s")]);
    let hand = at(2, &["--verify-store", &elsewhere]);
    let ended: Vec<Ended> = futures_util::future::join_all([part, pod, hand].map(process::output)).await;
    for waiting in &ended[..2] {
        assert_eq!(waiting.code, Some(75), "{waiting:?}");
        assert!(waiting.stderr.contains("cannot be reached"), "{}", waiting.stderr);
        assert!(waiting.stderr.contains("by hand, in one process (no --shard)"), "{}", waiting.stderr);
    }
    assert_eq!(ended[2].code, Some(69), "{:?}", ended[2]);
    assert!(ended[2].stdout.starts_with("VERIFIED IN PART at level rows: 60 rows"), "{}", ended[2].stdout);
    let written = fs::read_to_string(format!("{}/verification.json", folders[2])).unwrap();
    let result: Value = serde_json::from_str(&written).unwrap();
    let why = check(&result, "grade_marks")["not_possible"].as_str().unwrap();
    assert!(why.contains("cannot be reached"), "{why}");
    assert_eq!(check(&result, "receipt_unchanged")["not_possible"], Value::Null);

    // The parts go on as if nothing had been.
    warehouse.open();
    let ended = verify(&app, &["--shard", "0/2"]).await.expect(0);
    assert!(ended.stdout.contains("the process that ends last writes the result"), "{}", ended.stdout);
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level rows: 60 rows"), "{}", ended.stdout);
}

#[tokio::test]
async fn by_hand_a_warehouse_that_takes_connections_and_answers_no_login_is_left_out() {
    let sample = Sample::in_folder(12, 41, small).await;
    let (mut app, warehouse) = behind_a_proxy(&sample).await;
    warehouse.swallow(true);
    let through = sample.tds.connection_string_through(warehouse.address()) + ";Connect Timeout=2";
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", through);
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level rows: 12 rows"), "{}", ended.stdout);
    let why = verification(&app);
    let why = check(&why, "grade_marks")["not_possible"].as_str().unwrap();
    assert!(why.contains("takes connections and answers no login"), "{why}");
}

#[tokio::test]
async fn what_was_compared_with_a_warehouse_is_continued_when_it_answers_again() {
    let sample = Sample::in_folder(600, 41, small).await;
    let (app, mut warehouse) = behind_a_proxy(&sample).await;
    let left = killed_at(&app, &["--recheck", "0s"], 4).await;
    // For long.
    for beat in state(&app).iter().filter(|path| path.to_str().unwrap().contains("/beats/")) {
        let mut beats: Value = serde_json::from_str(&fs::read_to_string(beat).unwrap()).unwrap();
        beats["at"] = "2020-01-01T00:00:00Z".into();
        fs::write(beat, beats.to_string()).unwrap();
    }
    warehouse.close().await;
    let told = verify(&app, &[]).await.expect(75);
    let says = format!("{} rows of this verification were compared with it", left * 50);
    assert!(told.stderr.contains(&says), "{}", told.stderr);
    assert_eq!(parts(&app), left, "what was compared stays");
    // For good: what the sentence says.
    assert!(told.stderr.contains("--verify-store PLACE"), "{}", told.stderr);
    let elsewhere = format!("file://{}/elsewhere", app.out.path().display());
    let told = verify(&app, &["--verify-store", &elsewhere]).await.expect(69);
    assert!(told.stdout.starts_with("VERIFIED IN PART at level rows: 600 rows"), "{}", told.stdout);

    warehouse.open();
    let told = verify(&app, &[]).await.expect(0);
    assert!(told.stderr.contains(&format!("verify resumes: {left} of 12 partitions")), "{}", told.stderr);
    assert_eq!(verification(&app)["result"], "VERIFIED");
}
