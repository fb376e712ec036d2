//! A rollback that is killed is run again, and ends like one that was not.

use std::{fs, path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{rollback, target};
use crate::{
    crash::Dice,
    support::app::{Sample, TestApp, assert_same},
};

const KILLS: usize = 12;

async fn kill_after(app: &TestApp<'_>, moment: std::time::Duration, arguments: &[&str]) -> bool {
    let mut process = app.command_as(&app.database.removers_url(), arguments).spawn().unwrap();
    let killed = tokio::time::timeout(moment, process.wait()).await.is_err();
    process.kill().await.unwrap();
    killed
}

#[tokio::test]
async fn a_rollback_that_is_killed_again_and_again_ends_like_one_that_was_not() {
    let seed: u64 = std::env::var("ROGO_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("{KILLS} kills, ROGO_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let sample =
        Sample::with(200, 54 + seed, |options| options.file_bytes = "100-2000".parse().unwrap()).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let began = Instant::now();
    rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
    // The shortest that was measured: a busy machine may have made the first one longer than those to be killed.
    let mut whole = began.elapsed();

    let mut left = KILLS;
    while left > 0 {
        let app = TestApp::without_cluster(&sample).await;
        let before = target(&app).await;
        app.run(&["run"]).await.expect(0);
        // Several kills of one rollback: each process goes on where another one stopped.
        for earlier in 0..left.min(5) {
            let moment = whole.mul_f64(0.15 + 0.7 * dice.share());
            let arguments = ["rollback", "--yes", "--reason", "a test"];
            let began = Instant::now();
            let killed = kill_after(&app, moment, &arguments).await;
            let took = began.elapsed();
            let rows = crate::crash::submissions(&app).await;
            println!("killed: {killed} after {moment:?}, {rows} session records stand");
            left -= usize::from(killed);
            if !killed {
                if earlier == 0 {
                    whole = whole.min(took);
                }
                break;
            }
        }
        rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
        assert_same(&target(&app).await, &before);
    }
}

#[tokio::test]
async fn a_rollback_of_some_attempts_that_is_killed_leaves_no_blob_behind() {
    let mut dice = Dice(3);
    let sample = Sample::with(60, 55, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["run"]).await.expect(0);
    let attempts = app.migrated();
    let file = super::attempts_file(&app, &attempts.iter().map(String::as_str).collect::<Vec<_>>());
    let began = Instant::now();
    rollback(&app, &["--attempts", &file]).await.expect(0);
    let looking = began.elapsed();
    let arguments = ["rollback", "--attempts", &file, "--yes", "--reason", "a test"];
    for _ in 0..5 {
        if !kill_after(&app, looking.mul_f64(0.7 + dice.share()), &arguments).await {
            break;
        }
    }
    rollback(&app, &arguments[1..]).await.expect(0);
    assert_same(&target(&app).await, &before);
}

#[tokio::test]
async fn what_killed_processes_left_half_written_in_a_folder_is_an_orphan_and_what_another_run_writes_is_not()
{
    let sample = Sample::in_folder(6, 56, |options| {
        options.plain = true;
        options.file_bytes = "8000000-9000000".parse().unwrap();
    })
    .await;
    let mut app = TestApp::without_cluster(&sample).await;
    let target = app.out.path().join("target");
    app.set("ROGO_SOURCE_ALLOW", format!("file://{}", sample.path("files").display()));
    app.set("ROGO_TARGET", format!("file://{}", target.display()));
    let partial = || -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(target.join(".partial")) else { return Vec::new() };
        // Of blobs, not of the checks of rights.
        let of_a_blob = |path: &PathBuf| path.display().to_string().contains('=');
        entries.map(|entry| entry.unwrap().path()).filter(of_a_blob).collect()
    };
    app.run(&["plan"]).await.expect(0);
    let mut tries = 0;
    while partial().is_empty() {
        tries += 1;
        assert!(tries < 20, "no process was killed while it wrote");
        let mut process = app.start(&["run"]);
        while partial().is_empty() && process.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill().await.unwrap();
    }
    let left = partial();
    let found = app.run(&["orphans"]).await.expect(0).stdout;
    assert!(!found.contains("\n0 orphans") && !found.starts_with("0 orphans"), "{left:?}: {found}");
    for part in &left {
        let name = part.file_name().unwrap().to_str().unwrap().replacen('=', "/", 2);
        assert!(found.contains(&name), "{name}: {found}");
    }
    // As a process that was frozen and goes on writes it, and as another run does.
    let late = left[0].clone();
    let of_another = target.join(".partial/LTI_Uploads=ffffffffffff=1_1_abcdef");

    app.run(&["run"]).await.expect(0);
    assert_eq!(partial(), Vec::<PathBuf>::new(), "after a run that is COMPLETE");
    let summary = app.summary();
    assert!(summary["orphans_removed"].as_u64().unwrap() > 0, "they are counted: {summary}");
    fs::write(&late, "a part").unwrap();
    fs::write(&of_another, "a part").unwrap();
    rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
    assert_eq!(partial(), [of_another], "after the rollback");
}
