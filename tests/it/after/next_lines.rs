//! The lines that the program says to type next, each typed as it is printed.

use std::fs;

use super::plain_sample;
use crate::support::{
    app::{Ended, Sample, TestApp},
    documents::shell,
};

/// The line that `status` printed, with these values of its own.
async fn next(app: &TestApp<'_>, status: &[&str], exit: i32) -> String {
    let shown = app.run(&[&["status"], status].concat()).await.expect(exit).stdout;
    let next = shown.lines().find_map(|line| line.strip_prefix("next: "));
    next.unwrap_or_else(|| panic!("no next line: {shown}")).to_owned()
}

/// Types the line where the run's place is not set: the line itself says it.
async fn typed(app: &TestApp<'_>, line: &str) -> Ended {
    shell(app, &format!("unset ROGO_RUN_STORE ROGO_VERIFY_STORE\n{line}"), &[]).await
}

#[tokio::test]
async fn what_status_says_to_type_is_typed_until_the_verified_results_are_fetched() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    let resume = next(&app, &[], 69).await;
    typed(&app, &resume).await.expect(0);

    let verified = format!("file://{}", app.out.path().join("verified in another place").display());
    fs::create_dir(&verified[7..]).unwrap();
    app.run(&["verify", "--verify-store", &verified, "--recheck", "0s"]).await.expect(0);
    let fetch = next(&app, &["--verify-store", &verified], 0).await;
    assert!(fetch.contains(&format!("--verify-store '{verified}'")), "{fetch}");
    let folder = app.out.path().join("fetched");
    fs::create_dir(&folder).unwrap();
    let ended = typed(&app, &format!("cd fetched\n{fetch}")).await.expect(0);
    for file in ["migrated.csv", "verification.json"] {
        assert!(folder.join(file).exists(), "{file}: {}", ended.stdout);
    }

    app.run(&["results", "--bundle", "run.zip"]).await.expect(0);
    let bundled = app.run(&["status", "--bundle", "run.zip"]).await.expect(0);
    assert!(!bundled.stdout.contains("next:"), "no line works without the run store: {}", bundled.stdout);
}

#[tokio::test]
async fn shards_that_are_done_are_merged_by_the_line_that_status_prints() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let merge = next(&app, &[], 75).await;
    typed(&app, &merge).await.expect(0);
    assert_eq!(app.migrated().len(), 8);
}

#[tokio::test]
async fn lost_rows_and_failed_rows_are_moved_by_the_lines_that_finalize_prints() {
    let sample = Sample::new(40, 84).await;
    let app = TestApp::without_cluster(&sample).await;
    let ran = app.run(&["run"]).await.expect(0);
    let next = ran.stdout.lines().find_map(|line| line.strip_prefix("next: ")).expect("failed rows");
    let line = next.strip_prefix("when the causes are mended: ").unwrap();
    let line = line.replace("<another name>", "second").replace("<another folder>", "a second folder");
    typed(&app, &line).await.expect(0);
    assert_eq!(app.migrated_in("a second folder").len(), 0, "nothing was mended");

    let attempt = app.migrated().swap_remove(0);
    app.lose(&attempt).await;
    let lost = app.run(&["finalize"]).await.expect(69);
    let line = |of: &str| {
        let found = lost.stderr.lines().find_map(|line| Some(&line[line.find(of)? + of.len()..]));
        found.unwrap_or_else(|| panic!("{of}: {}", lost.stderr)).to_owned()
    };
    typed(&app, &line("if the database lost them, move them again: ")).await.expect(0);
    app.lose(&attempt).await;
    app.run(&["finalize"]).await.expect(69);
    let accept = "if they were deleted on purpose, accept that, with the run's settings: ";
    typed(&app, &line(accept)).await.expect(0);
}

#[tokio::test]
async fn what_has_to_wait_for_a_result_names_the_line_that_says_how_far_the_run_is() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    let status = format!("rogo-migrate status --run rogo --run-store {}", app.variable("ROGO_RUN_STORE"));
    let early: [(&[&str], i32, &str); 5] = [
        (&["results", "--to", "."], 69, "finalize writes them: see $"),
        (&["results", "--bundle", "run.zip"], 69, "a bundle holds it; see $"),
        (&["results", "--evidence", "evidence.zip"], 69, "when finalize has ended; see $"),
        (&["report"], 69, "also for a run with missing rows; see $"),
        (&["verify"], 75, "verify it when $ shows a result"),
    ];
    for (command, exit, says) in early {
        let told = app.run(command).await.expect(exit).stderr;
        assert!(told.contains(&says.replace('$', &status)), "{command:?}: {told}");
    }
    let shown = typed(&app, &status).await;
    assert!(shown.stdout.contains("0 of 8 rows"), "{}: {}", shown.stdout, shown.stderr);

    app.run(&["shard", "--shard", "1"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let told = app.run(&["verify"]).await.expect(75).stderr;
    assert!(told.contains(&format!("or merge what they did: {status} says which;")), "{told}");
}
