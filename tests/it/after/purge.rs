//! `purge`: nothing by which a learner is known is left in the run store, byte by byte, and what still works works.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{
    app::{Sample, TestApp},
    blob_service::{BlobService, Habit, app_in, sample_in},
    files::tree,
    process::{ended, signal, until},
};

/// An app whose run store is a folder that can be searched.
async fn app_with_folder(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::without_cluster(sample).await;
    let place = format!("file://{}", app.out.path().join("run-store").display());
    app.set("ROGO_RUN_STORE", place);
    app
}

fn store(app: &TestApp<'_>) -> PathBuf {
    app.out.path().join("run-store/rogo")
}

/// By attempt: names, addresses and file names of the input that are long enough to be nothing else.
fn planted(sample: &Sample) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in reader.records().map(Result::unwrap) {
        let cell =
            |name: &str| row[header.iter().position(|column| column == name).unwrap()].trim().to_owned();
        let names = cell("Learner File Names");
        let mut needles: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
        needles.extend([
            cell("Learner Email"),
            format!("{} {}", cell("First Name"), cell("Surname")),
            cell("Rogo User Name"),
        ]);
        needles.retain(|needle| needle.len() > 8);
        all.entry(cell("Attempt ID")).or_default().extend(needles);
    }
    all
}

/// Needles that stand in a file, with the file. Bytes that are no text stand for themselves in no needle.
fn found<'n>(folder: &Path, needles: impl Iterator<Item = &'n String>) -> Vec<String> {
    let texts =
        tree(folder).into_iter().map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned()));
    let texts: Vec<(PathBuf, String)> = texts.collect();
    let mut found = Vec::new();
    for needle in needles {
        // As JSON and CSV write them.
        let escaped = serde_json::to_string(needle).unwrap();
        let forms = [needle.as_str(), escaped.trim_matches('"')];
        for (path, text) in &texts {
            if forms.iter().any(|form| text.contains(form)) {
                found.push(format!("{needle} in {}", path.display()));
            }
        }
    }
    found
}

/// Rows of these attempts whose queues hold what a listing told of their files.
fn hinted(app: &TestApp<'_>, attempts: &[String]) -> usize {
    let queues =
        tree(&store(app).join("queues")).into_values().map(|bytes| String::from_utf8(bytes).unwrap());
    let lines = queues.flat_map(|queue| queue.lines().map(str::to_owned).collect::<Vec<_>>());
    let rows = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let is_theirs = |row: &Value| attempts.iter().any(|id| row["attempt"].as_i64() == id.parse().ok());
    rows.filter(|row| is_theirs(row) && !row["listed"].is_null()).count()
}

#[tokio::test]
async fn after_a_purge_nothing_is_left_by_which_a_learner_is_known() {
    let sample = Sample::new(160, 71).await;
    let app = app_with_folder(&sample).await;
    app.run(&["plan", "--predict", "--shards", "2"]).await.expect(0);
    assert!(store(&app).join("results/not_in_input.csv").exists());
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let verify_content = ["verify", "--recheck", "0s", "--level", "content"];
    app.run(&verify_content).await.expect(0);
    let manifest = app.result("manifest.csv");
    let planted: Vec<String> = planted(&sample).into_values().flatten().collect();
    assert!(found(&store(&app), planted.iter()).len() > 100, "they stand there before");

    let before = tree(&store(&app));
    let dry = app.run(&["purge"]).await.expect(0);
    assert!(dry.stdout.contains("queues: 2 documents") && dry.stdout.contains("a dry run"), "{}", dry.stdout);
    let refused = app.run(&["purge", "--yes"]).await.expect(64);
    assert!(refused.stderr.contains("--reason"), "{}", refused.stderr);
    assert_eq!(tree(&store(&app)), before, "nothing was written");

    let done = app.run(&["purge", "--yes", "--reason", "retention"]).await.expect(0);
    assert!(done.stdout.contains("no longer works:") && done.stdout.contains("rollback"), "{}", done.stdout);
    assert_eq!(found(&store(&app), planted.iter()), Vec::<String>::new());
    assert!(!store(&app).join("results/not_in_input.csv").exists(), "it names files of the source");
    for kept in ["prediction.json", "results/transformations.csv", "results/controls.csv", "telemetry.json"] {
        assert!(store(&app).join(kept).exists(), "{kept}");
    }
    let purged: Value = serde_json::from_slice(&fs::read(store(&app).join("purged.json")).unwrap()).unwrap();
    assert_eq!(purged["decided"]["reason"], "retention");
    let decisions = fs::read_to_string(store(&app).join("decisions.jsonl")).unwrap();
    assert!(decisions.contains("purge --yes") && decisions.contains("retention"), "{decisions}");

    for command in [
        &["resume"][..],
        &["finalize"],
        &["shard", "--shard", "0"],
        &["plan", "--shards", "2"],
        &["plan", "--shards", "2", "--dry-run"],
        &["run", "--shards", "2"],
    ] {
        let refused = app.run(command).await.expect(78);
        assert!(refused.stderr.contains("was purged"), "{command:?}: {}", refused.stderr);
    }
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
    let verified = app.run(&["verify", "--recheck", "0s"]).await.expect(0);
    assert!(verified.stderr.contains("was purged"), "{}", verified.stderr);
    let kept = store(&app).join("results/manifest.csv");
    assert_eq!(fs::read_to_string(&kept).unwrap(), manifest, "it names no file, and proves the bytes later");
    let kept = kept.display().to_string();
    app.run(&[&verify_content[..], &["--manifest", &kept]].concat()).await.expect(0);
    let results = app.run(&["results", "--to", "fetched"]).await.expect(0);
    assert!(results.stdout.contains("migrated.csv"), "{}", results.stdout);
    assert!(results.stderr.contains("was purged"), "{}", results.stderr);
    app.run(&["results", "--evidence", "evidence.zip"]).await.expect(0);
    let attempt = &app.migrated_in("fetched")[0];
    let page = app.run(&["explain", "--attempt", attempt]).await.expect(0);
    assert!(
        page.stdout.contains("In short: migrated at") && page.stdout.contains("was purged"),
        "{}",
        page.stdout
    );
    app.run(&["purge", "--yes", "--reason", "again"]).await.expect(0);
    assert_eq!(found(&store(&app), planted.iter()), Vec::<String>::new(), "verify wrote none either");
}

#[tokio::test]
async fn after_a_purge_of_some_attempts_only_theirs_is_gone_and_the_run_goes_on() {
    // It copies by itself: then a plan lists the sources.
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, 160, 72, |_| ()).await;
    let mut app = app_in(&service, &sample).await;
    app.set("ROGO_RUN_STORE", format!("file://{}/run-store", app.out.path().display()));
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", format!("file://{}", sample.path("warehouse").display()));
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let all = planted(&sample);
    let mut failed = app.failed_in(".").into_iter().map(|(attempt, _)| attempt.trim().to_owned());
    let is_known = |id: &String| id.parse::<i32>().is_ok_and(|number| number > 0) && all.contains_key(id);
    let failed = failed.rfind(is_known).unwrap();
    let migrated = app.migrated().swap_remove(1);
    let chosen = [failed, migrated];
    // Learners have several attempts: what others of theirs name too is not of these attempts alone.
    let others: Vec<&String> =
        all.iter().filter(|(id, _)| !chosen.contains(*id)).flat_map(|(_, all)| all).collect();
    let theirs: Vec<String> = chosen
        .iter()
        .flat_map(|id| all[id].clone())
        .filter(|needle| !others.iter().any(|other| other.contains(needle.as_str())))
        .collect();
    assert!(!found(&store(&app), theirs.iter()).is_empty(), "they stand there before");
    assert!(hinted(&app, &chosen) > 0, "what listings told of their files is in the queues");
    fs::write(app.out.path().join("erase.csv"), format!("Attempt ID\n{}\n", chosen.join("\n"))).unwrap();

    let dry = app.run(&["purge", "--attempts", "erase.csv"]).await.expect(0);
    assert!(dry.stdout.contains("2 attempts"), "{}", dry.stdout);
    app.run(&["purge", "--attempts", "erase.csv", "--yes", "--reason", "erasure 17"]).await.expect(0);
    assert_eq!(found(&store(&app), theirs.iter()), Vec::<String>::new());
    assert!(!found(&store(&app), others.into_iter().take(200)).is_empty(), "the others stay");
    assert_eq!(hinted(&app, &chosen), 0, "nor the digests of their files");

    // The results are made again from the input, and hold nothing of them either.
    app.run(&["finalize"]).await.expect(0);
    app.run(&["resume"]).await.expect(0);
    assert_eq!(found(&store(&app), theirs.iter()), Vec::<String>::new());
    assert!(!app.failed_in(".").is_empty());
    assert!(
        app.result("submissions_failed_migration.csv").contains(&chosen[0]),
        "the row stays in the books"
    );
    let again = app.run(&["purge", "--attempts", "erase.csv", "--yes", "--reason", "again"]).await.expect(0);
    assert!(again.stdout.contains("2 attempts"), "{}", again.stdout);
}

#[tokio::test]
async fn nothing_is_purged_while_a_run_is_under_way_and_an_incomplete_one_only_as_a_whole() {
    let sample = Sample::with(120, 73, |options| options.plain = true).await;
    let app = app_with_folder(&sample).await;
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    let mut process = app.start(&["shard", "--shard", "0", "--flush", "1s"]);
    until("rows stand", || async { crate::crash::submissions(&app).await > 5 }).await;
    let heartbeats = store(&app).join("heartbeats");
    until("it shows life", || async { heartbeats.exists() }).await;
    signal(&process, "STOP");
    let refused = app.run(&["purge", "--yes", "--reason", "too early"]).await.expect(75);
    assert!(refused.stderr.contains("is under way"), "{}", refused.stderr);
    assert!(store(&app).join("queues").exists() && !store(&app).join("purged.json").exists());
    signal(&process, "KILL");
    ended(&mut process).await;

    app.run(&["finalize"]).await.expect(69);
    fs::write(app.out.path().join("some.csv"), "10000001\n").unwrap();
    let some = ["purge", "--attempts", "some.csv", "--yes", "--reason", "one"];
    let refused = app.run(&some).await.expect(69);
    assert!(refused.stderr.contains("is not complete"), "{}", refused.stderr);
    app.run(&["purge", "--yes", "--reason", "given up"]).await.expect(0);
    let planted: Vec<String> = planted(&sample).into_values().flatten().collect();
    assert_eq!(
        found(&store(&app), planted.iter()),
        Vec::<String>::new(),
        "the queues of an INCOMPLETE run too"
    );
    let none = app.run(&["purge", "--run", "none", "--yes", "--reason", "x"]).await.expect(78);
    assert!(none.stderr.contains("nothing to purge"), "{}", none.stderr);
}

#[tokio::test]
async fn a_run_is_purged_right_after_its_plan_but_not_beside_a_process_whose_clock_or_ours_is_wrong() {
    let sample = Sample::with(24, 75, |options| options.plain = true).await;
    let app = app_with_folder(&sample).await;
    app.run(&["plan"]).await.expect(0);
    app.run(&["purge", "--yes", "--reason", "right after the plan"]).await.expect(0);

    let mut app = app_with_folder(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let put = |document: &str, text: &str| {
        let place = store(&app).join(document);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    };
    let beat = |minutes: i64| {
        let at = chrono::Utc::now() + chrono::TimeDelta::minutes(minutes);
        serde_json::json!({"at": at, "began_at": at}).to_string()
    };
    let heartbeat = "heartbeats/0/0-aaaaaaaaaaaa.json";
    put(heartbeat, &beat(0));
    let refused = app.run(&["purge"]).await.expect(75);
    assert!(refused.stderr.contains("is under way"), "{}", refused.stderr);
    // The process may be at work, and the clock of this machine the wrong one.
    put(heartbeat, &beat(24 * 60));
    let refused = app.run(&["purge"]).await.expect(75);
    assert!(refused.stderr.contains("min ahead of this machine's clock"), "{}", refused.stderr);
    put(heartbeat, "{\"at\":");
    let planned = app.run(&["purge"]).await.expect(0);
    assert!(planned.stdout.contains("a dry run"), "damaged: {}", planned.stdout);

    // Before there is a plan, the process that makes it is asked for.
    app.set("ROGO_RUN", "later");
    let put = |document: &str, text: &str| {
        let place = app.out.path().join("run-store/later").join(document);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    };
    let nothing = "nothing to purge";
    let refusal =
        serde_json::json!({"reasons": ["planted"], "at": chrono::Utc::now(), "exit_code": 78}).to_string();
    for (text, refusal, exit, says) in [
        (beat(0), None, 75, "the plan is being made"),
        (beat(24 * 60), None, 78, nothing),
        ("{\"at\":".to_owned(), None, 78, nothing),
        (beat(-1), Some(refusal), 78, nothing),
    ] {
        put("planning/0.json", &text);
        if let Some(refusal) = &refusal {
            put("refused/0.json", refusal);
        }
        let ended = app.run(&["purge"]).await.expect(exit);
        assert!(ended.stderr.contains(says), "{text} {refusal:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn nothing_is_purged_in_the_middle_of_a_verification() {
    let sample = Sample::with(24, 74, |options| options.plain = true).await;
    let app = app_with_folder(&sample).await;
    app.run(&["run"]).await.expect(0);
    let beats = store(&app).join("verifying/0123456789abcdef/beats");
    fs::create_dir_all(&beats).unwrap();
    let beat = |at: chrono::DateTime<chrono::Utc>| {
        let beat = serde_json::json!({"shard": "0/1", "host": "there", "at": at, "rows": 1, "rows_unwritten": 1,
            "rows_per_second": 1.0, "state": "comparing"});
        fs::write(beats.join("0-of-1-aaaaaaaaaaaa.json"), beat.to_string()).unwrap();
    };
    beat(chrono::Utc::now());
    for arguments in [&["purge"][..], &["purge", "--yes", "--reason", "too early"]] {
        let refused = app.run(arguments).await.expect(75);
        assert!(refused.stderr.contains("is being verified"), "{}", refused.stderr);
    }
    // The clock of that machine may be behind.
    beat(chrono::Utc::now() - chrono::TimeDelta::minutes(9));
    app.run(&["purge", "--yes", "--reason", "too early"]).await.expect(75);
    beat(chrono::Utc::now() + chrono::TimeDelta::days(1));
    let refused = app.run(&["purge"]).await.expect(75);
    assert!(refused.stderr.contains("min ahead of this machine's clock"), "{}", refused.stderr);
    assert!(store(&app).join("queues").exists());
    beat(chrono::Utc::now() - chrono::TimeDelta::minutes(11));
    app.run(&["purge", "--yes", "--reason", "it had died"]).await.expect(0);
    assert!(!beats.exists() || fs::read_dir(&beats).unwrap().next().is_none(), "its state is gone too");
}

#[tokio::test]
async fn nothing_is_deleted_for_attempts_that_the_run_does_not_hold() {
    let sample = Sample::with(8, 78, |options| options.plain = true).await;
    let app = app_with_folder(&sample).await;
    app.run(&["run"]).await.expect(0);
    let state = store(&app).join("verifying/0123456789abcdef");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("subject.json"), "{}").unwrap();
    fs::write(app.out.path().join("others.csv"), "Attempt ID\n2147483646\n").unwrap();
    let before = tree(&store(&app));
    let others = ["purge", "--attempts", "others.csv", "--yes", "--reason", "a slip"];
    let said = app.run(&others).await.expect(0);
    assert!(said.stdout.contains("run rogo holds nothing of these attempts"), "{}", said.stdout);
    assert_eq!(tree(&store(&app)), before, "the state of a verification says nothing of them");
}

#[tokio::test]
async fn a_verify_store_that_lies_elsewhere_is_purged_with_the_run() {
    let sample = Sample::with(8, 79, |options| options.plain = true).await;
    let app = app_with_folder(&sample).await;
    app.run(&["run"]).await.expect(0);
    let ids = app.migrated();
    for id in &ids[..2] {
        app.lose(id).await;
    }
    let place = format!("file://{}", app.out.path().join("elsewhere").display());
    let folder = app.out.path().join("elsewhere/rogo");
    app.run(&["verify", "--recheck", "0s", "--verify-store", &place]).await.expect(1);
    let failures = || fs::read_to_string(folder.join("results/verification_failures.csv")).unwrap();
    assert!(failures().contains(&ids[0]) && failures().contains(&ids[1]), "{}", failures());

    fs::write(app.out.path().join("erase.csv"), format!("Attempt ID\n{}\n", ids[0])).unwrap();
    let erase =
        ["purge", "--attempts", "erase.csv", "--yes", "--reason", "erasure", "--verify-store", &place];
    app.run(&erase).await.expect(0);
    assert!(!failures().contains(&ids[0]) && failures().contains(&ids[1]), "{}", failures());

    let purge = ["purge", "--yes", "--reason", "retention", "--verify-store"];
    let beats = folder.join("verifying/0123456789abcdef/beats");
    fs::create_dir_all(&beats).unwrap();
    let beat = serde_json::json!({"shard": "0/1", "host": "there", "at": chrono::Utc::now(), "rows": 1,
        "rows_unwritten": 1, "rows_per_second": 1.0, "state": "comparing"});
    fs::write(beats.join("0-of-1-aaaaaaaaaaaa.json"), beat.to_string()).unwrap();
    let refused = app.run(&[&purge[..], &[&place]].concat()).await.expect(75);
    assert!(refused.stderr.contains("is being verified"), "{}", refused.stderr);
    fs::remove_dir_all(folder.join("verifying")).unwrap();

    // A run of the same name in another run store is not what was verified.
    let other = app.out.path().join("other/rogo");
    fs::create_dir_all(&other).unwrap();
    fs::copy(store(&app).join("plan.json"), other.join("plan.json")).unwrap();
    let before = (tree(&store(&app)), tree(&other), tree(&folder));
    let other_place = format!("file://{}", app.out.path().join("other").display());
    let refused = app.run(&[&purge[..], &[&other_place]].concat()).await.expect(78);
    assert!(refused.stderr.contains("holds a run"), "{}", refused.stderr);
    let dry = app.run(&["purge", "--verify-store", &place]).await.expect(0);
    assert!(dry.stdout.contains("verification_failures.csv: 1 documents"), "{}", dry.stdout);
    assert_eq!((tree(&store(&app)), tree(&other), tree(&folder)), before, "nothing was deleted");

    let done = app.run(&[&purge[..], &[&place]].concat()).await.expect(0);
    assert!(done.stdout.contains(&format!("purge deletes from {place}")), "{}", done.stdout);
    let left: Vec<_> = tree(&folder).into_keys().collect();
    let sums =
        ["controls.csv", "controls.sql", "verification.json"].map(|name| Path::new("results").join(name));
    assert_eq!(left, sums);
    assert!(tree(&store(&app)).into_keys().all(|path| !path.starts_with("queues")));
    assert!(store(&app).join("purged.json").exists());
}
