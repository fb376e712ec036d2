//! What a verification cannot rely on, and says so: facts that cannot be read any more, outcomes of earlier programs, a role or
//! a store by which the run's own proof could have been written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::{
    blobs::{Folder, files},
    by_attempt, check,
    corruptions::in_folders,
    run_store::alter,
    small, small_files, verification, verify,
};
use crate::support::{app::Sample, csv::Csv, proxy::Proxy};

#[tokio::test]
async fn a_report_or_score_that_cannot_be_read_and_a_second_report_that_differs_are_found() {
    let sample = Sample::in_folder(8, 36, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let attempts = app.migrated();
    let path = sample.path("warehouse/Rogo_AssessmentReport.csv");
    let mut reports = Csv::read(&path);
    let id = reports.place("AttemptId");
    let twin = reports.rows.iter().find(|row| row[id].trim() == attempts[0]).unwrap().clone();
    reports.rows.push(twin);
    "1.25".clone_into(reports.cell("AttemptId", &attempts[0], "GradePercent"));
    "many".clone_into(reports.cell("AttemptId", &attempts[1], "MarksAvailable"));
    reports.write(&path);
    let path = sample.path("warehouse/Rogo_AssessmentReportScores.csv");
    let mut scores = Csv::read(&path);
    "many".clone_into(scores.cell("AttemptId", &attempts[2], "Score"));
    scores.write(&path);

    verify(&app, &[]).await.expect(1);
    let checks = ["report_present", "source_unchanged"].map(str::to_owned);
    let expected = attempts[..3].iter().map(|attempt| (attempt.clone(), checks.clone().into())).collect();
    assert_eq!(by_attempt(&app), expected, "{}", app.result("verification_failures.csv"));
}

#[tokio::test]
async fn a_run_of_a_program_that_kept_no_receipts_is_verified_in_part_and_its_files_by_their_sources() {
    let sample = Sample::in_folder(8, 37, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    alter(&app, |own| {
        own.as_object_mut().unwrap().remove("source").unwrap();
        for kept in ["receipt", "file_receipts"] {
            own["fate"].as_object_mut().unwrap().remove(kept).unwrap();
        }
    });
    let summary = app.out.path().join("run-store/rogo/results/summary.json");
    let mut told: Value = serde_json::from_str(&fs::read_to_string(&summary).unwrap()).unwrap();
    told.as_object_mut().unwrap().remove("receipts").unwrap();
    fs::write(&summary, told.to_string()).unwrap();

    let lacking = ["receipt_unchanged", "source_unchanged", "run_receipt", "source_files_unchanged"];
    for (level, number) in [("rows", 3), ("blobs", 4)] {
        let ended = verify(&app, &["--level", level]).await.expect(69);
        assert!(ended.stdout.starts_with("VERIFIED IN PART"), "{}", ended.stdout);
        let result = verification(&app);
        for check in result["checks"].as_array().unwrap() {
            let is_lacking = lacking[..number].iter().any(|name| check["name"] == *name);
            let why = "outcomes of an earlier version of this program keep no receipts and digests";
            let expected = match check["name"].as_str().unwrap() {
                // Nor have files of a folder a stored MD5.
                "blob_md5" => json!("neither the outcome nor the source has an MD5 of the file"),
                _ if is_lacking => json!(why),
                _ => Value::Null,
            };
            assert_eq!(check["not_possible"], expected, "{check}");
        }
    }
    let file = files(&app).await.swap_remove(0);
    Folder::of(&app).rewrite(&file, |bytes| bytes.push(b'x'));
    verify(&app, &["--level", "blobs"]).await.expect(1);
    assert!(by_attempt(&app)[&file.attempt].contains("blob_length"), "its source says how long it is");
}

#[tokio::test]
async fn a_verification_that_could_have_written_what_it_compares_says_why_it_is_not_independent() {
    let sample = Sample::in_folder(4, 38, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &[]).await.expect(0);
    let why = "it writes to the run store, which holds the outcomes";
    let result = verification(&app);
    assert_eq!(result["independent"], json!(false));
    assert!(result["not_independent"].as_array().unwrap().contains(&json!(why)), "{result}");
    assert!(ended.stdout.contains(&format!("\nnot independent: {why}")), "{}", ended.stdout);
    assert!(!ended.stdout.contains("\nindependent:"), "{}", ended.stdout);

    // The role that moved the rows, with a store of its own.
    let elsewhere = format!("file://{}", app.out.path().join("elsewhere").display());
    let ended = app.run(&["verify", "--recheck", "0s", "--verify-store", &elsewhere]).await.expect(0);
    let result = verification(&app);
    assert_eq!((&result["result"], &result["independent"]), (&json!("VERIFIED"), &json!(false)));
    let reasons = result["not_independent"].as_array().unwrap();
    let may_write = reasons[0].as_str().unwrap();
    assert!(may_write.starts_with("its role may write ") && !reasons.contains(&json!(why)), "{reasons:?}");
    assert!(may_write.contains("submission_grades"), "{may_write}");
    assert!(ended.stdout.contains(&format!("\nnot independent: {may_write}")), "{}", ended.stdout);
    assert_eq!(check(&result, "receipt_unchanged")["different"], 0);
}

#[tokio::test]
async fn a_rule_of_malpractice_is_compared_with_its_receipt_while_the_warehouse_is_away() {
    let sample = Sample::in_folder(300, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    fs::rename(sample.path("warehouse"), sample.path("gone")).unwrap();
    // Every rule names a submission of this run, and none is taken for one without malpractice.
    let ended = verify(&app, &[]).await;
    let said = app.result("verification_failures.csv");
    assert_eq!(ended.code, Some(69), "{}\n{said}", ended.stdout);
    let result = verification(&app);
    let rules = check(&result, "enforcement_newest");
    assert!(rules["compared"].as_u64().unwrap() > 0, "{rules}");
    assert!(
        rules["not_possible"].as_str().unwrap().contains("warehouse"),
        "which is the newest is not known"
    );
    assert_eq!(check(&result, "nothing_surplus")["not_possible"], Value::Null);

    let own = "from malpractice_enforcements e join assignment_submissions s on s.id = e.submission_id
        where s.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$' order by e.id limit 1";
    let attempt: String =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select split_part(s.lti_launch_id, '_', 2) {own}")))
            .fetch_one(app.database.pool())
            .await
            .unwrap();
    let sql = format!(
        "update malpractice_enforcements set context_title = context_title || 'x' where id = (select e.id {own})"
    );
    app.database.run(&sql).await;
    verify(&app, &[]).await.expect(1);
    let expected = BTreeMap::from([(attempt, BTreeSet::from(["enforcement_newest".to_owned()]))]);
    assert_eq!(by_attempt(&app), expected);

    // Without receipts it cannot be told which rows have malpractice.
    alter(&app, |own| {
        own["fate"].as_object_mut().unwrap().remove("receipt");
    });
    verify(&app, &[]).await.expect(1);
    let found = by_attempt(&app);
    assert_eq!(found.keys().collect::<Vec<_>>(), [""], "{found:?}");
    let why = check(&verification(&app), "nothing_surplus")["not_possible"].clone();
    assert!(why.as_str().is_some_and(|why| why.contains("warehouse")), "{why}");
}

#[tokio::test]
async fn a_warehouse_whose_server_is_gone_leaves_all_that_needs_no_warehouse() {
    let sample = Sample::in_folder(12, 97, small).await;
    let mut app = in_folders(&sample).await;
    let mut server = Proxy::start(sample.tds.address).await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string_through(server.address()));
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    let address = server.address();
    server.close().await;
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level rows: 12 rows"), "{}", ended.stdout);
    let result = verification(&app);
    for name in ["grade_marks", "submission_dates", "source_unchanged"] {
        let why = check(&result, name)["not_possible"].as_str().unwrap_or_default();
        assert!(
            why.contains(&address.port().to_string()) && why.contains("cannot be reached"),
            "{name}: {why}"
        );
    }
    for name in ["receipt_unchanged", "file_names", "nothing_surplus"] {
        assert_eq!(check(&result, name)["not_possible"], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn rows_whose_notes_were_lost_in_a_crash_are_counted_and_if_all_were_the_check_was_not_possible() {
    let sample = Sample::in_folder(4, 98, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let recovered = |own: &mut Value| {
        own["fate"]["recovered"] = true.into();
        own["fate"].as_object_mut().unwrap().remove("marks");
    };
    let line = || check(&verification(&app), "files_count_note").clone();
    let first: u64 = app.migrated()[0].parse().unwrap();
    alter(&app, |own| {
        if own["attempt"] == first {
            recovered(own);
        }
    });
    verify(&app, &[]).await.expect(0);
    assert_eq!((&line()["compared"], &line()["nothing_to_compare_with"]), (&json!(3), &json!(1)));
    assert_eq!(line()["not_possible"], Value::Null);
    alter(&app, recovered);
    verify(&app, &[]).await.expect(69);
    let why = "the row was recovered after a crash, and its outcome keeps no notes";
    assert_eq!((&line()["not_possible"], &line()["compared"]), (&json!(why), &json!(0)));
}
