//! Trials: a rehearsal writes nothing anywhere, and what a trial leaves out is said.

use std::fs;

use super::{Day, plain_sample, stored};
use crate::support::app::{Sample, TestApp};

/// Every file below the out folder, which is also where the program runs and keeps temporary files.
fn files(app: &TestApp<'_>) -> Vec<String> {
    let entries = fs::read_dir(app.out.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_rehearsal_writes_nothing_anywhere() {
    let sample = Sample::new(120, 42).await;
    let app = TestApp::new(&sample).await;
    let before = (stored(&app).await, files(&app));
    let ended = app.run(&["plan", "--dry-run", "--shards", "3"]).await.expect(0);
    let held = app.database.number("select count(*) from assignment_submissions").await;
    let first = ended.stdout.lines().next().unwrap();
    let database = app.database.name();
    for part in ["120 rows", database, &format!("holds {held} submissions already, the newest of 20")] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert_eq!((stored(&app).await, files(&app)), before);
    for part in
        ["nothing was written", "rows        120", "shards      3", "duplicate_row", "unit_version_excluded"]
    {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let json = app.run(&["plan", "--dry-run", "--json"]).await.expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["state"], &json["plan"]["rows"]), (&"rehearsed".into(), &120.into()));
    // A rehearsal that is refused writes no refusal either: shards that wait would obey it.
    let refused = Day::new("refused", &["plan", "--dry-run", "--rule-owner", "nobody"], 78);
    refused.says(["--rule-owner is not in users"]).ends(&app).await;
    assert_eq!((stored(&app).await, files(&app)), before);
    let waits = Day::new("no refusal", &["shard", "--shard", "0", "--wait-plan", "0s"], 75);
    waits.says(["no plan at"]).ends(&app).await;
    // Beside a plan that stands it changes nothing either.
    app.run(&["plan"]).await.expect(0);
    let before = stored(&app).await;
    app.run(&["plan", "--dry-run"]).await.expect(0);
    assert_eq!(stored(&app).await, before);
}

#[tokio::test]
async fn what_a_trial_leaves_out_is_outside_the_books_and_said() {
    let sample = plain_sample(30).await;
    let newest: Vec<String> = fs::read_to_string(sample.path("submission_files.csv"))
        .unwrap()
        .lines()
        .map(|row| row.split(',').nth(4).unwrap().to_owned())
        .collect();
    let app = TestApp::new(&sample).await;
    let ended = app.run(&["run", "--run", "trial", "--limit", "4"]).await.expect(0);
    let grid = &ended.stdout;
    assert!(
        grid.contains("4 rows = 4 migrated") && grid.contains("26 more were left out of the plan"),
        "{grid}"
    );
    for attempt in &newest[27..] {
        assert!(app.result("migrated.csv").contains(attempt.as_str()), "the newest are taken");
    }
    let ids = app.out.path().join("ids.txt");
    fs::write(&ids, format!("{}\r\n\n 000{} \n", newest[1], newest[2])).unwrap();
    let ids = ids.display().to_string();
    let ended = app.run(&["run", "--run", "two", "--attempts", &ids]).await.expect(0);
    assert!(ended.stdout.contains("2 rows = 2 migrated"), "{}", ended.stdout);
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!((&summary["rows"], &summary["rows_left_out"]), (&2.into(), &28.into()));

    for (what, text, says) in [
        ("an id that no row has", "7\n", "no row of submission_files.csv has: 7"),
        ("a line that is no id", "12\nabc\n", "line 2"),
        ("an empty list", "\n", "names no attempt id"),
    ] {
        fs::write(&ids, text).unwrap();
        let arguments = ["run", "--run", "three", "--attempts", &ids];
        Day::new(what, &arguments, 64).says([says]).is_refused(&app).await;
    }
    let missing = Day::new("no list", &["run", "--run", "three", "--attempts", "/no/such/ids"], 64);
    missing.says(["--attempts /no/such/ids"]).is_refused(&app).await;
    // The rest moves under another name; what the trials moved is known.
    let ended = app.run(&["run", "--run", "all"]).await.expect(0);
    assert!(ended.stdout.contains("30 rows = 24 migrated + 0 failed + 6 skipped"), "{}", ended.stdout);
}
