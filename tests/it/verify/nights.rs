//! What parts of a verification to the byte leave behind, and when they no longer count.

use super::{corruptions::in_folders, verify};
use crate::support::app::{Sample, TestApp};

async fn sample(seed: u64) -> Sample {
    Sample::in_folder(12, seed, |options| {
        options.plain = true;
        options.file_bytes = "10-200".parse().unwrap();
    })
    .await
}

/// Reads a part of the files, or all; the first words of the verdict.
async fn look(app: &TestApp<'_>, arguments: &[&str]) -> String {
    let store = format!("file://{}", app.out.path().join("verify").display());
    let content = ["--level", "content", "--verify-store", &store];
    let ended = verify(app, &[&content, arguments].concat()).await.expect(0);
    ended.stdout.split_once(':').unwrap_or_else(|| panic!("{}", ended.stdout)).0.to_owned()
}

const ALL: &str = "VERIFIED TO THE BYTE";
const SOME: &str = "VERIFIED at level content";

#[tokio::test]
async fn a_look_at_some_files_takes_the_place_of_no_manifest() {
    let sample = sample(71).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &[]).await, ALL);
    let manifest = app.result("manifest.csv");
    assert_eq!(look(&app, &["--only-unproven"]).await, SOME);
    assert_eq!(app.result("manifest.csv"), manifest, "after a look at unproven files");
    let one = app.out.path().join("one.txt");
    let migrated = app.result("migrated.csv");
    std::fs::write(&one, migrated.lines().nth(1).unwrap().split(',').next().unwrap()).unwrap();
    assert_eq!(look(&app, &["--attempts", one.to_str().unwrap()]).await, SOME);
    assert_eq!(app.result("manifest.csv"), manifest, "after a look at one attempt");

    // Nor of a part's, of which the manifest of all parts is made.
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    assert_eq!(look(&app, &["--content", "1/2", "--only-unproven"]).await, SOME);
    assert_eq!(look(&app, &["--content", "2/2"]).await, ALL);
    assert_eq!(app.result("manifest.csv"), manifest, "of both parts");
}

#[tokio::test]
async fn a_part_does_not_count_once_rows_were_moved_again() {
    let sample = sample(72).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    let migrated = app.result("migrated.csv");
    let launch_id = migrated.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    for (table, column) in [
        ("assignment_submissions", "lti_launch_id"),
        ("lti_session_records", "launch_id"),
        ("lti_launch_sessions", "launch_id"),
    ] {
        app.database.run(&format!("delete from {table} where {column} = '{launch_id}'")).await;
    }
    app.run(&["finalize"]).await.expect(69);
    app.run(&["resume", "--redo", "lost", "--reason", "a failover"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "2/2"]).await, SOME, "part 1 was of other blobs");
    assert_eq!(look(&app, &["--content", "1/2"]).await, ALL);
}
