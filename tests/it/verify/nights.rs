//! What parts of a verification to the byte leave behind, and when they no longer count.

use super::{corruptions::in_folders, small, verify};
use crate::support::app::{Sample, TestApp};

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
    let sample = Sample::in_folder(12, 71, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &[]).await, ALL);
    let manifest = app.result("manifest.csv");
    assert_eq!(look(&app, &["--only-unproven"]).await, SOME);
    assert_eq!(app.result("manifest.csv"), manifest, "after a look at unproven files");
    let one = app.out.path().join("one.txt");
    std::fs::write(&one, &app.migrated()[0]).unwrap();
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
    let sample = Sample::in_folder(12, 72, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize"]).await.expect(69);
    app.run(&["resume", "--redo", "lost", "--reason", "a failover"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "2/2"]).await, SOME, "part 1 was of other blobs");
    assert_eq!(look(&app, &["--content", "1/2"]).await, ALL);
}
