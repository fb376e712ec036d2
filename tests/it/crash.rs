//! Promises of a process that is killed, doubled, frozen, or cut off from an answer: nothing lost, nothing doubled,
//! nothing left behind.

mod batches;
mod renamed;

use std::{collections::BTreeSet, time::Duration};

use futures_util::TryStreamExt;
use rogo_migrate::rules::size::megabytes;
use tokio::time::Instant;

use crate::{
    receipts::{beside, receipts},
    support::{
        app::{Sample, TestApp, assert_same},
        postgres::TestServer,
        process::{ended, signal, until},
        proxy::{Cut, Proxy},
    },
};

#[tokio::test]
async fn a_run_that_is_killed_again_and_again_ends_like_one_that_was_not() {
    let kills: usize = std::env::var("ROGO_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let seed: u64 = std::env::var("ROGO_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("{kills} kills, ROGO_TEST_SEED={seed}");
    let sample =
        Sample::with(300, 20 + seed, |options| options.file_bytes = "100-3000".parse().unwrap()).await;
    killed_again_and_again(&sample, kills, &mut Dice(seed), async |_| None).await;
}

/// `disturb` changes each app before its first process, and what it returns lives as long.
async fn killed_again_and_again(
    sample: &Sample,
    kills: usize,
    dice: &mut Dice,
    disturb: impl AsyncFn(&mut TestApp<'_>) -> Option<Proxy>,
) {
    let mut undisturbed = TestApp::new(sample).await;
    let _proxy = disturb(&mut undisturbed).await;
    let began = Instant::now();
    undisturbed.run(&["run"]).await.expect(0);
    // The shortest that was measured: a busy machine may have made the first one longer than those to be killed.
    let mut whole = began.elapsed();
    let expected = (undisturbed.everything().await, receipts(&undisturbed));

    let mut left = kills;
    while left > 0 {
        let mut app = in_the_place_of(&undisturbed).await;
        let proxy = disturb(&mut app).await;
        // Several kills of one run: each process finds what another one left.
        for earlier in 0..left.min(9) {
            let moment = whole.mul_f64(0.8 * dice.share());
            let began = Instant::now();
            let mut process = app.start(&["run"]);
            let killed = tokio::time::timeout(moment, process.wait()).await.is_err();
            process.kill().await.unwrap();
            left -= usize::from(killed);
            if !killed {
                if earlier == 0 {
                    whole = whole.min(began.elapsed());
                }
                break;
            }
        }
        app.run(&["run"]).await.expect(0);
        assert_same(&app.everything().await, &expected.0);
        assert_eq!(receipts(&app), expected.1);
        no_orphans_and_nothing_missing(&app).await;
        if proxy.is_some() {
            app.assert_batched().await;
        }
    }
}

#[tokio::test]
async fn two_processes_on_one_shard_end_like_one() {
    let sample = Sample::new(200, 30).await;
    two_processes_end_like_one(&sample, async |_| None).await;
}

/// `disturb` changes the app of the two before their first process, and what it returns lives as long.
async fn two_processes_end_like_one(
    sample: &Sample,
    disturb: impl AsyncFn(&mut TestApp<'_>) -> Option<Proxy>,
) {
    let one = TestApp::new(sample).await;
    one.run(&["run"]).await.expect(0);
    let expected = (one.everything().await, receipts(&one));
    let mut two = in_the_place_of(&one).await;
    let proxy = disturb(&mut two).await;
    two.run(&["plan"]).await.expect(0);
    let (first, second) =
        tokio::join!(two.run(&["shard", "--shard", "0"]), two.run(&["shard", "--shard", "0"]));
    first.expect(0);
    second.expect(0);
    two.run(&["finalize"]).await.expect(0);
    assert_same(&two.everything().await, &expected.0);
    assert_eq!(receipts(&two), expected.1);
    no_orphans_and_nothing_missing(&two).await;
    if proxy.is_some() {
        two.assert_batched().await;
    }
}

/// An app whose rows cannot be told from those of another one, so that their receipts can be compared: another database, and
/// the same container, emptied.
async fn in_the_place_of<'sample>(earlier: &TestApp<'sample>) -> TestApp<'sample> {
    let blobs: Vec<String> = names(earlier).await.into_iter().collect();
    earlier.target_blobs().delete_many(&blobs).await.unwrap();
    let mut app = beside(earlier).await;
    app.container.clone_from(&earlier.container);
    app
}

#[tokio::test]
async fn a_frozen_process_is_named_and_writes_nothing_once_it_was_retired() {
    let sample = Sample::new(200, 31).await;
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    let mut app = TestApp::new(&sample).await;
    // Commits are held back, so that the process freezes after its uploads.
    let proxy = Proxy::start(TestServer::get().address()).await;
    let direct = app.variable("DATABASE_URL").to_owned();
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    let mut process = app.start(&["shard", "--shard", "0"]);
    until("rows stand", || async { submissions(&app).await > 5 }).await;
    proxy.delay(Duration::from_millis(400));
    until("uploads are ahead of commits", || async { uploads_ahead(&app).await > 0 }).await;
    signal(&process, "STOP");
    app.set("DATABASE_URL", direct);

    let elsewhere = app.run(&["finalize"]).await.expect(78);
    assert!(elsewhere.stderr.contains("confirm a planned move with --same-database"), "{}", elsewhere.stderr);
    let waiting = app.run(&["finalize", "--same-database", "--give-up-after", "2s"]).await.expect(75);
    assert!(waiting.stderr.contains("rogo/0/"), "the holder is named: {}", waiting.stderr);

    assert!(app.database.end_sessions("rogo/0/%").await > 0, "the frozen process held the lock");
    let incomplete = app.run(&["finalize", "--same-database"]).await.expect(69);
    assert!(incomplete.stderr.contains("shard 0"), "{}", incomplete.stderr);
    let stood = submissions(&app).await;
    let blobs: BTreeSet<String> = names(&app).await;

    signal(&process, "CONT");
    let thawed = ended(&mut process).await;
    assert_eq!(thawed.code, Some(75), "{}", thawed.stderr);
    assert_eq!(submissions(&app).await, stood, "a retired process writes no row");
    // An upload that was under way when the process froze may end after the thaw; the next finalize removes it.
    app.run(&["finalize", "--same-database"]).await.expect(69);
    assert_eq!(names(&app).await, blobs, "nothing of a retired process stays");

    app.run(&["run", "--same-database"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn status_counts_what_the_segments_of_a_process_hold_that_was_just_killed() {
    let sample = Sample::with(600, 33, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    proxy.delay(Duration::from_millis(100));
    let mut process = app.start(&["shard", "--shard", "0", "--flush", "1s"]);
    // The second one comes a second after the first.
    until("two segments stand", || async { segments(&app).await.len() > 1 }).await;
    process.kill().await.unwrap();
    // Its first line names the plan.
    let held = app.document(&segments(&app).await[0]).await.lines().count() as u64 - 1;
    let told = app.json(&["status", "--json"], 75).await;
    assert!(held > 0 && told["rows"]["migrated"].as_u64().unwrap() >= held, "{held}: {told}");
}

async fn segments(app: &TestApp<'_>) -> Vec<String> {
    app.run_blobs().list("rogo/segments/").map_ok(|blob| blob.name).try_collect().await.unwrap()
}

#[tokio::test]
async fn an_answer_lost_before_or_after_the_commit_is_settled_right() {
    let sample = Sample::new(150, 32).await;
    answers_lost_are_settled(&sample, 5, false).await;
}

/// Of each shard so many answers are lost, of several commits each if they are `batched`.
async fn answers_lost_are_settled(sample: &Sample, answers: usize, batched: bool) {
    let undisturbed = TestApp::new(sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    let expected = undisturbed.everything().await;
    // Stands in the values of every commit, and in no other statement.
    let commit = b"https://lms.example.org/course".to_vec();
    for cut in [Cut::BeforeRequest(commit.clone()), Cut::BeforeAnswerTo(commit.clone())] {
        let mut app = TestApp::new(sample).await;
        let proxy = Proxy::start(TestServer::get().address()).await;
        app.set("DATABASE_URL", app.database.url_through(proxy.address()));
        if batched {
            app.share_one_connection();
        }
        app.run(&["plan"]).await.expect(0);
        let mut process = app.start(&["shard", "--shard", "0"]);
        for cuts in 1..=answers {
            proxy.cut(cut.clone());
            until("an answer is cut", || async { proxy.cuts() >= cuts }).await;
        }
        let shard = ended(&mut process).await;
        assert_eq!(shard.code, Some(0), "{cut:?}: {}", shard.stderr);
        app.run(&["finalize"]).await.expect(0);
        assert_same(&app.everything().await, &expected);
        no_orphans_and_nothing_missing(&app).await;
        if batched {
            app.assert_batched().await;
        }
    }
}

/// Every blob is named by a row, and every row's blob is there with the length that the row tells.
pub(crate) async fn no_orphans_and_nothing_missing(app: &TestApp<'_>) {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select azure_blob_name, file_size from submission_files where azure_blob_name like '%/%/%'",
    )
    .fetch_all(app.database.pool())
    .await
    .unwrap();
    let named: BTreeSet<(String, String)> = rows.into_iter().collect();
    let blobs = app.target_blobs().list("").map_ok(|blob| (blob.name, megabytes(blob.size_bytes)));
    let stored: BTreeSet<(String, String)> = blobs.try_collect().await.unwrap();
    let ours =
        |(name, _): &&(String, String)| name.starts_with("LTI_Uploads/") || name.starts_with("Marker_files/");
    let orphans: Vec<_> = stored.difference(&named).collect();
    assert!(orphans.is_empty(), "orphans: {orphans:?}");
    let missing: Vec<_> = named.difference(&stored).filter(ours).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

pub(crate) async fn submissions(app: &TestApp<'_>) -> i64 {
    app.database.number("select count(*) from lti_session_records where launch_id like 'rogo\\_%'").await
}

async fn names(app: &TestApp<'_>) -> BTreeSet<String> {
    app.target_blobs().list("").map_ok(|blob| blob.name).try_collect().await.unwrap()
}

/// Blobs that no row names yet.
async fn uploads_ahead(app: &TestApp<'_>) -> usize {
    let rows: Vec<String> =
        sqlx::query_scalar("select azure_blob_name from submission_files where azure_blob_name is not null")
            .fetch_all(app.database.pool())
            .await
            .unwrap();
    let named: BTreeSet<String> = rows.into_iter().collect();
    names(app).await.difference(&named).count()
}

/// Random shares that a seed repeats (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }
}
