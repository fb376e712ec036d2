//! The prediction and the run: the same outcome for every code that rules or listings can know, the same bytes.

use std::collections::BTreeMap;

use rogo_migrate::domain::{FailCode, NoteCode, SkipCode};

use super::{counts, predicted, rows, state, summary};
use crate::support::app::{Sample, TestApp};

#[tokio::test]
async fn every_code_that_can_be_known_is_predicted_as_it_comes() {
    let sample = Sample::new(300, 7).await;
    let app = TestApp::new(&sample).await;
    let prediction = predicted(&app, &["--shards", "3"]).await;
    let duration = &prediction.duration;
    assert!(duration.processes > 0 && duration.milliseconds > 0, "{duration:?}");
    assert!(
        duration.basis.contains("copies ") && duration.basis.contains("(assumed, not measured: "),
        "{duration:?}"
    );
    let hundredths = u64::from(duration.processes) * duration.milliseconds / 36_000;
    let hours = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    assert_eq!(prediction.quantities.pod_hours, hours, "{duration:?}");
    app.run(&["run", "--shards", "3"]).await.expect(0);

    let expected = sample.expected();
    let unknown = &prediction.not_predictable.failed;
    let mut by_code: BTreeMap<String, u64> = BTreeMap::new();
    for row in expected.values() {
        let name = match row.kind.as_str() {
            "failed" if unknown.contains(&row.code.parse::<FailCode>().unwrap()) => "unknown".to_owned(),
            _ => format!("{} {}", row.kind, row.code),
        };
        *by_code.entry(name).or_default() += 1;
    }
    let outcomes = &prediction.outcomes;
    // A launch session that stands alone is seen by the rules, other refusals of the target are not.
    let seen_after_all: u64 =
        unknown.iter().filter_map(|code| outcomes.failed.get(code)).map(|one| one.rows).sum();
    let failed = app.failed_in(".");
    for code in unknown {
        for attempt in outcomes.failed.get(code).into_iter().flat_map(|seen| &seen.examples) {
            let row = (attempt.clone(), code.to_string());
            assert!(failed.contains(&row), "{row:?} was predicted, and did not fail so: {failed:?}");
        }
    }
    for code in FailCode::ALL.iter().filter(|code| !unknown.contains(code)) {
        let rows = outcomes.failed.get(code).map_or(0, |counted| counted.rows);
        assert_eq!(rows, by_code.get(&format!("failed {code}")).copied().unwrap_or_default(), "{code}");
    }
    for code in SkipCode::ALL {
        let rows = outcomes.skipped.get(code).map_or(0, |counted| counted.rows);
        assert_eq!(rows, by_code.get(&format!("skipped {code}")).copied().unwrap_or_default(), "{code}");
    }
    assert_eq!(outcomes.migrated.rows, by_code["migrated "] + by_code["unknown"] - seen_after_all);
    assert!(prediction.files.exact);
    assert_eq!(prediction.files.sources.len(), 1, "{:?}", prediction.files.sources);
    assert!(prediction.files.sources[0].missing > 0, "{:?}", prediction.files.sources);

    // The notes that the rules give are those of the rows that were migrated after all.
    let summary = summary(&app);
    let unforeseen = by_code["unknown"] - seen_after_all;
    for code in [NoteCode::NamesFromUrl, NoteCode::FilesCountDiffers, NoteCode::TextMisread] {
        let predicted = outcomes.notes.get(&code).map_or(0, |counted| counted.rows);
        let outcome = summary.books.notes.get(&code).copied().unwrap_or_default();
        assert!(outcome > 0, "the sample has {code}");
        assert!(outcome <= predicted && predicted - outcome <= unforeseen, "{code}: {predicted}, {outcome}");
    }
    // Every difference that the run reports is one that could not be known.
    let compared = summary.prediction.expect("the run was predicted");
    let differences = counts(&compared);
    assert!(!differences.is_empty(), "some files are corrupt");
    for difference in differences {
        assert!(difference.why.contains("cannot be known"), "{difference:?}");
    }
    let examples = &outcomes.failed[&FailCode::MappingMissing].examples;
    assert!(!examples.is_empty() && examples.len() <= 5, "{examples:?}");
    let rows: u64 = prediction.shards.iter().map(|shard| shard.rows).sum();
    let migrated: u64 = prediction.shards.iter().map(|shard| shard.migrated).sum();
    let bytes: u64 = prediction.shards.iter().map(|shard| shard.bytes).sum();
    assert_eq!((rows, migrated, bytes), (300, outcomes.migrated.rows, prediction.files.bytes));
    assert!(prediction.to_mend.iter().any(|item| item.what == "mapping_missing"), "{:?}", prediction.to_mend);
}

#[tokio::test]
async fn launch_sessions_that_stand_alone_are_predicted_to_be_rejected_and_no_other_row_is() {
    let sample = Sample::with(12, 25, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let mut alone = app.migrated_in("first").split_off(10);
    for attempt in &alone {
        app.delete_submission(attempt).await;
    }
    let prediction = predicted(&app, &[]).await;
    let rejected = &prediction.outcomes.failed[&FailCode::TargetRejected];
    let mut named = rejected.examples.clone();
    app.run(&["run"]).await.expect(0);
    let mut failed: Vec<String> = Vec::new();
    for (attempt, code) in app.failed_in(".") {
        assert_eq!(code, "target_rejected");
        failed.push(attempt);
    }
    alone.sort();
    named.sort();
    failed.sort();
    assert_eq!((&named, &failed), (&alone, &alone));
    assert_eq!(rejected.rows, 2);
    let compared = summary(&app).prediction.unwrap();
    assert!(compared.same, "{:?}", compared.differences);
}

#[tokio::test]
async fn of_sound_rows_outcomes_files_and_bytes_are_exact_and_the_summary_says_so() {
    let sample = Sample::with(60, 21, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    let prediction = predicted(&app, &[]).await;
    app.run(&["run"]).await.expect(0);
    let summary = summary(&app);
    let compared = summary.prediction.expect("the run was predicted");
    assert!(compared.same, "{:?}", compared.differences);
    assert_eq!((prediction.files.files, prediction.files.bytes), (summary.books.files, summary.books.bytes));
    assert_eq!(prediction.not_in_input.blobs, Some(0));
    let controls = rows(&app, "controls.csv");
    let sum = |column: usize| controls.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!((sum(2), sum(3), sum(4)), (60, summary.books.files, summary.books.bytes));
}

#[tokio::test]
async fn a_dry_run_predicts_the_same_and_writes_nothing_anywhere() {
    let sample = Sample::new(120, 22).await;
    let app = TestApp::new(&sample).await;
    let target = state(&app, &[app.target_blobs()]).await;
    let before = state(&app, &[app.target_blobs(), app.run_blobs()]).await;
    let rehearsed = predicted(&app, &["--dry-run"]).await;
    assert_eq!(state(&app, &[app.target_blobs(), app.run_blobs()]).await, before);
    assert_eq!(rehearsed.plan, None);
    let planned = predicted(&app, &[]).await;
    assert!(planned.plan.is_some());
    assert_eq!(rehearsed.outcomes, planned.outcomes);
    assert_eq!(rehearsed.files, planned.files);
    assert_eq!(rehearsed.not_in_input, planned.not_in_input);
    assert_eq!(state(&app, &[app.target_blobs()]).await, target, "the target is only read");
}

#[tokio::test]
async fn an_exported_warehouse_predicts_as_a_server_does() {
    let sample = Sample::new(120, 23).await;
    let mut app = TestApp::new(&sample).await;
    let by_server = predicted(&app, &["--run", "server", "--dry-run"]).await;
    app.unset("DATA_WAREHOUSE_CONNECTION_STRING");
    let folder = format!("file://{}", sample.path("warehouse").display());
    let by_export = predicted(&app, &["--run", "export", "--dry-run", "--warehouse", &folder]).await;
    assert_eq!(by_server.outcomes, by_export.outcomes);
    assert_eq!(by_server.not_in_input, by_export.not_in_input);
}

#[tokio::test]
async fn what_the_rules_make_of_each_value_is_listed_for_approval() {
    let sample = Sample::new(300, 24).await;
    let app = TestApp::new(&sample).await;
    predicted(&app, &["--dry-run"]).await;
    let table = rows(&app, "transformations.csv");
    let of = |kind: &str| table.iter().filter(|row| row[0] == kind).collect::<Vec<_>>();
    for kind in ["grade", "exercise", "section", "malpractice"] {
        assert!(!of(kind).is_empty(), "{kind}");
    }
    let grade = |from: &str, level: &str| {
        let within = format!("assessments of level {level}");
        of("grade").into_iter().find(|row| row[1] == from && row[2] == within).map(|row| row[3].clone())
    };
    assert_eq!(grade("Merit", "7").as_deref(), Some("Pass"));
    assert_eq!(grade("Distinction", "5").as_deref(), Some("Distinction"));
    assert!(of("malpractice").iter().any(|row| row[3].contains("at most")), "{:?}", of("malpractice"));
    assert!(of("section").iter().all(|row| !row[3].is_empty()), "every label has its section");
    assert!(table.iter().all(|row| row[4].parse::<u64>().unwrap() > 0 && !row[5].is_empty()));
}
