//! `explain --attempt`: one page about one attempt, from whatever is still there.

use std::collections::BTreeMap;

use crate::{
    later::plain_sample,
    support::app::{Ended, Sample, TestApp},
};

async fn page(app: &TestApp<'_>, attempt: &str, more: &[&str]) -> String {
    let Ended { code, stdout, stderr, .. } =
        app.run(&[&["explain", "--attempt", attempt], more].concat()).await;
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert!(stdout.starts_with("This page prints personal data"), "{stdout}");
    // To be read by a person: the page of a sample's attempt.
    if let Some(folder) = std::env::var_os("ROGO_TEST_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(format!("attempt-{attempt}.txt")), &stdout)
            .unwrap();
    }
    stdout
}

/// The cells of the attempt's newest row, with the number of the row and its line.
fn input(sample: &Sample, attempt: &str) -> (BTreeMap<String, String>, u64, u64) {
    let mut reader = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let mut found = None;
    for (number, row) in (1..).zip(reader.records().map(Result::unwrap)) {
        let cells: BTreeMap<String, String> =
            header.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        if cells["Attempt ID"].trim() == attempt {
            found = Some((cells, number, row.position().unwrap().line()));
        }
    }
    found.unwrap()
}

#[tokio::test]
async fn a_page_says_everything_about_a_migrated_attempt() {
    let sample = Sample::new(120, 61).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let attempt = &app.migrated()[0];
    let (cells, row, line) = input(&sample, attempt);
    let said = page(&app, attempt, &[]).await;
    for expected in [
        format!("Attempt {attempt} in run rogo"),
        "In short: migrated at ".to_owned(),
        "; the target holds its submission".to_owned(),
        format!("row {row}, line {line} of "),
        cells["Learner Email"].trim().to_owned(),
        "row, mapping and facts are those that the run decided from (same digest)".to_owned(),
        "to be migrated, with these values".to_owned(),
        "the run: migrated; no rule kept it out".to_owned(),
        "receipt ".to_owned(),
        " worker ".to_owned(),
        format!("launch id                   rogo_{attempt}_"),
        "(as the run's commit wrote it)".to_owned(),
        "no other submission of the attempt".to_owned(),
        "none of them knows the attempt".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected}: {said}");
    }
    assert!(!said.contains("not available"), "{said}");
    assert!(said.lines().any(|line| line.contains("blob") && line.contains(" bytes, ")), "{said}");

    // Another run of the same store, in which the attempt is skipped.
    app.run(&["run", "--run", "second", "--out", "second"]).await.expect(0);
    let second = page(&app, attempt, &["--run", "second"]).await;
    assert!(second.contains("In short: skipped, already_migrated"), "{second}");
    assert!(second.contains("rule                        "), "the rule's meaning: {second}");
    assert!(second.contains("rogo: migrated at "), "the other run: {second}");

    // The target no longer holds it, and then the program may no longer ask.
    let its_rows = format!("where lti_launch_id like 'rogo\\_{attempt}\\_%'");
    app.database.run(&format!("delete from assignment_submissions {its_rows}")).await;
    let said = page(&app, attempt, &[]).await;
    assert!(said.contains("the target does NOT hold its submission any more"), "{said}");
    app.unset("DATABASE_URL");
    app.set("ROGO_SUBMISSIONS", "/nowhere.csv");
    let said = page(&app, attempt, &[]).await;
    assert!(said.contains("what stands in the target now is not known: settings that are missing"), "{said}");
    assert!(
        said.contains("receipt ") && said.contains(cells["Learner Email"].trim()),
        "from the queue: {said}"
    );
    assert!(said.contains("not available: the lines of submission_files.csv"), "{said}");
}

#[tokio::test]
async fn a_verification_of_other_attempts_is_not_shown_as_one_of_this_attempt() {
    let sample = plain_sample(6, 78).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let migrated = app.migrated();
    let only_in_part = "or only in part: VERIFIED at level rows";
    let verify = ["verify", "--recheck", "0s"];
    app.run(&verify).await.expect(0);
    let said = page(&app, &migrated[0], &[]).await;
    assert!(said.contains(": VERIFIED at level rows") && !said.contains(only_in_part), "{said}");
    let ids = app.out.path().join("ids.txt");
    std::fs::write(&ids, &migrated[1]).unwrap();
    app.run(&[&verify[..], &["--attempts", ids.to_str().unwrap()]].concat()).await.expect(0);
    let said = page(&app, &migrated[0], &[]).await;
    assert!(said.contains(only_in_part), "{said}");
}

#[tokio::test]
async fn failed_left_out_and_unknown_attempts_are_said_to_be_so() {
    let sample = Sample::new(300, 7).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run", "--limit", "290"]).await.expect(0);
    let failed = app.failed_in(".");
    let of = |code: &str| failed.iter().find(|(_, found)| found == code).unwrap().0.trim();
    for (code, rule) in [("report_missing", "The warehouse has no report"), ("file_missing", "file")] {
        let said = page(&app, of(code), &[]).await;
        assert!(said.contains(&format!("In short: failed, {code}: ")), "{said}");
        assert!(said.contains(&format!("rogo-migrate explain {code}")), "{said}");
        let meaning = said.lines().find(|line| line.starts_with("  rule ")).unwrap();
        assert!(meaning.contains(rule), "{meaning}");
    }
    let said = page(&app, "2147483647", &[]).await;
    assert!(said.contains("In short: no row of the run's input names this attempt"), "{said}");
    let first = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap().into_records().next();
    let oldest = first.unwrap().unwrap();
    let oldest =
        oldest.iter().find(|cell| cell.trim().parse::<i32>().is_ok_and(|id| id > 1_000_000)).unwrap();
    let said = page(&app, oldest, &[]).await;
    assert!(said.contains("it was left out (--limit, --attempts)"), "{said}");

    let refused = app.run(&["explain", "--attempt", "7x"]).await.expect(64);
    assert!(refused.stderr.contains("not a whole number"), "{}", refused.stderr);
    let refused = app.run(&["explain", "--attempt", "7", "--run", "nothere"]).await.expect(78);
    assert!(refused.stderr.contains("there is no plan"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_row_that_the_run_created_again_is_no_deleted_one_and_no_change_is_said_that_is_not_known() {
    let sample = plain_sample(6, 77).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let attempt = &app.migrated_in("first")[0];
    app.lose(attempt).await;
    app.run(&["run", "--run", "second", "--after", "first", "--out", "second"]).await.expect(0);
    let redo = ["resume", "--run", "second", "--redo", "lost", "--reason", "failover", "--out", "second"];
    app.run(&redo).await.expect(0);
    assert_eq!(app.migrated_in("second"), [attempt.as_str()]);
    let same = "row, mapping and facts are those that the run decided from (same digest)";
    let said = page(&app, attempt, &["--run", "second"]).await;
    assert!(said.contains("by the rules, as things are now: to be migrated, with these values"), "{said}");
    assert!(said.contains(same) && !said.contains("as things are now: skipped"), "{said}");

    // Now that it is gone again it is decided without the facts, of which nothing can be said then.
    app.lose(attempt).await;
    let said = page(&app, attempt, &["--run", "second"]).await;
    assert!(said.contains("by the rules, as things are now: skipped, deleted_in_target"), "{said}");
    assert!(said.contains("is not known: it took the warehouse's facts"), "{said}");
    assert!(!said.contains(same) && !said.contains("they changed since"), "{said}");
}
