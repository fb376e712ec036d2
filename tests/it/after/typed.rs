//! The commands of README.md and deploy/RUNNING.md for a laptop, typed in the order of the document.

use super::plain_sample;
use crate::support::{
    app::{Sample, TestApp},
    documents::{commands, read, shell},
};

#[tokio::test]
async fn the_steps_of_the_readme_move_everything_and_then_what_failed() {
    let sample = Sample::new(60, 85).await;
    let app = TestApp::without_cluster(&sample).await;
    let readme = read("README.md");
    let (_, steps) = readme.split_once("## Use it\n").unwrap();
    let (steps, _) = steps.split_once("\n| command").unwrap();
    let typed: Vec<&str> = steps.split('`').filter(|code| code.starts_with("rogo-migrate ")).collect();
    let expected = ["settings", "plan --dry-run", "run --run trial", "run", "run --run second"];
    assert_eq!(typed.len(), expected.len(), "{typed:?}");
    for (line, expected) in typed.into_iter().zip(expected) {
        assert!(line.starts_with(&format!("rogo-migrate {expected}")), "{line}");
        shell(&app, line, &[]).await.expect(0);
        match expected {
            "plan --dry-run" => assert!(!app.has_document("rogo/plan.json").await, "it wrote a plan"),
            "run --run trial" => assert!((1..=20).contains(&app.migrated().len()), "of the newest 20"),
            "run" => assert_eq!(app.outcomes().len(), 60, "each row has an outcome"),
            _ => {}
        }
    }
    let failed = app.failed_in(".");
    assert!(!failed.is_empty());
    assert_eq!(app.failed_in("second"), failed, "nothing was corrected");
}

#[tokio::test]
async fn personal_data_is_purged_by_the_commands_of_its_chapter() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let lines = commands("deploy/RUNNING.md", Some("Retention and erasure"));
    let [look, purge] = lines.as_slice() else { panic!("two steps, not {lines:?}") };
    shell(&app, look, &[]).await.expect(0);
    assert!(!app.has_document("rogo/purged.json").await, "the first only looks");
    shell(&app, purge, &[]).await.expect(0);
    assert!(app.has_document("rogo/purged.json").await);
}
