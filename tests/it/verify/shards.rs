//! A verification in several processes: killed and resumed, two at once, several parts, and states that are of another
//! one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{Instant, timeout},
};

use super::{
    blobs::files, by_attempt, corruptions::in_folders, failures, small, small_files, verification, verify,
};
use crate::{
    crash::Dice,
    support::{
        app::{Ended, Sample, TestApp},
        blob_service::{BlobService, Habit, app_in, sample_in},
        files::files_below,
        process::{self, until},
    },
};

/// Partitions of [`ROWS`] rows.
const PARTS: usize = 12;
const ROWS: u64 = 600;
const KILLS: usize = 10;

async fn sample() -> Sample {
    Sample::in_folder(ROWS, 41, small).await
}

pub(super) fn command(app: &TestApp<'_>, arguments: &[&str]) -> Command {
    app.command_as(&app.database.verifiers_url(), &[&["verify"], arguments].concat())
}

/// Every document of the states of verifications.
pub(super) fn state(app: &TestApp<'_>) -> Vec<PathBuf> {
    files_below(&verifying(app))
}

fn verifying(app: &TestApp<'_>) -> PathBuf {
    app.out.path().join("run-store/rogo/verifying")
}

fn is_part(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("parts"))
}

pub(super) fn parts(app: &TestApp<'_>) -> usize {
    state(app).iter().filter(|path| is_part(path)).count()
}

/// Tries to kill a process in its middle: on a busy machine one may be over before its partitions are counted.
const TRIES: usize = 50;

/// Kills a verification that begins anew once it has written this many of its partitions, and not all; how many it left. One that did
/// more before it was looked at is forgotten, and the next one begins.
pub(super) async fn killed_at(app: &TestApp<'_>, arguments: &[&str], written: usize) -> usize {
    assert_eq!(parts(app), 0, "it begins anew: {:?}", state(app));
    let all = if arguments.contains(&"--shard") { PARTS / 2 } else { PARTS };
    for _ in 0..TRIES {
        killed_once(app, arguments, written).await;
        let left = parts(app);
        if (written..all).contains(&left) {
            return left;
        }
        fs::remove_dir_all(verifying(app)).unwrap();
    }
    panic!("none of {TRIES} processes was killed in its middle");
}

/// Kills the process once it has written this many partitions, or has ended.
async fn killed_once(app: &TestApp<'_>, arguments: &[&str], written: usize) {
    let mut process: Child = command(app, arguments).spawn().unwrap();
    until("the partitions are written", || {
        let enough = process.try_wait().unwrap().is_some() || parts(app) >= written;
        async move { enough }
    })
    .await;
    process.kill().await.unwrap();
}

/// A grade is no longer complete; its attempt, which stands in this line of the result.
async fn plant(app: &TestApp<'_>, line: usize) -> String {
    let attempt = app.migrated().swap_remove(line - 1);
    let sql = "update submission_grades set is_complete = false where submission_id =
        (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{}')";
    app.database.run(&sql.replace("{}", &attempt)).await;
    attempt
}

#[tokio::test]
async fn a_verification_that_is_killed_ten_times_does_one_partition_again_at_most_each_time() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let planted = [plant(&app, 1).await, plant(&app, 500).await];
    let mut kills = 0;
    while kills < KILLS - 2 && parts(&app) < PARTS - 1 {
        let before = parts(&app);
        // What was planted differs, and is looked at again in an hour: no process ends before it is killed.
        killed_once(&app, &["--recheck", "1h"], before + 1).await;
        let left = parts(&app);
        assert!(before < left && left <= PARTS, "{before}, then {left}");
        kills += 1;
    }
    println!("{kills} kills, {} partitions written", parts(&app));
    // Killed while it waits to look again, too.
    let mut claim = merging(&app);
    while kills < KILLS {
        let mut process = command(&app, &["--recheck", "1h"]).spawn().unwrap();
        let mut next = String::new();
        until("it merges", || {
            next = merging(&app);
            let merges = !next.is_empty() && next != claim;
            async move { merges }
        })
        .await;
        process.kill().await.unwrap();
        claim = next;
        kills += 1;
        assert_eq!(parts(&app), PARTS);
    }

    let ended = verify(&app, &[]).await.expect(1);
    assert!(!ended.stderr.contains("verify resumes"), "nothing is left to compare: {}", ended.stderr);
    let found = failures(&app);
    let mut expected: Vec<(String, String)> = planted
        .iter()
        .flat_map(|attempt| {
            ["grade_complete", "receipt_unchanged"].map(|check| (attempt.clone(), check.to_owned()))
        })
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(verification(&app)["rows_compared"], ROWS);
    let left = state(&app);
    assert!(
        left.iter().all(|path| path.ends_with("merged.json") || path.ends_with("subject.json")),
        "{left:?}"
    );

    // A verification that is over is not resumed: the next one begins anew.
    app.database.run("update submission_grades set is_complete = true").await;
    let ended = verify(&app, &[]).await.expect(0);
    assert!(!ended.stderr.contains("resumes"), "{}", ended.stderr);
}

/// The claim of the process that merges; empty if none does.
fn merging(app: &TestApp<'_>) -> String {
    let path = state(app).into_iter().find(|path| path.ends_with("merging.json"));
    path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
}

/// The partitions that are written, by number, each with what shows that its document is still the same one.
fn written(app: &TestApp<'_>) -> BTreeMap<usize, (u64, i64, Vec<u8>)> {
    let of = |path: PathBuf| {
        let number = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let meta = fs::metadata(&path).unwrap();
        (number, (meta.ino(), meta.mtime_nsec(), fs::read(path).unwrap()))
    };
    state(app).into_iter().filter(|path| is_part(path)).map(of).collect()
}

/// The partitions of attempts some file of which was read by one of these requests.
fn read_by(requests: &[(String, String)], partitions: &BTreeMap<String, usize>) -> BTreeSet<usize> {
    let attempt_of = |(method, target): &(String, String)| {
        let (_, file) = target.split('?').next()?.rsplit_once('/')?;
        let (attempt, _) = file.split_once('_').filter(|_| method == "GET")?;
        partitions.get(attempt).copied()
    };
    let of_target = requests.iter().filter(|(_, target)| target.starts_with("/acc/files/"));
    of_target.filter_map(attempt_of).collect()
}

fn is_over(app: &TestApp<'_>) -> bool {
    state(app).iter().any(|path| path.ends_with("merged.json"))
}

/// The shards of a verification that reads every byte, each killed at random moments of its whole time. The service tells what is
/// read: nothing of a partition that was written before, and of at most one that is not written when the process ends.
#[tokio::test]
async fn parts_that_are_killed_at_any_moment_do_one_partition_again_at_most() {
    let seed: u64 = std::env::var("ROGO_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, 300, 41, small).await;
    let mut app = app_in(&service, &sample).await;
    app.set("ROGO_RUN_STORE", format!("file://{}/run-store", app.out.path().display()));
    app.run(&["run"]).await.expect(0);
    let mut partitions: BTreeMap<String, usize> =
        app.migrated().into_iter().enumerate().map(|(row, attempt)| (attempt, row / 50)).collect();
    verify(&app, &["--level", "content"]).await.expect(0);
    let all = read_by(&service.requests(), &partitions);
    assert_eq!(all.len(), 6, "every partition is read: {all:?}");
    // Two differences, which a killed process may have found.
    let files = files(&app).await;
    let spoiled = [&files[0], &files[files.len() - 1]];
    for file in spoiled {
        let mut blob = service.blob("files", &file.blob).unwrap();
        blob.bytes[0] ^= 1;
        service.insert("files", &file.blob, blob);
        // What differs is looked at again by the process that merges.
        partitions.remove(&file.attempt);
    }

    let part = |part: &str| command(&app, &["--level", "content", "--recheck", "0s", "--shard", part]);
    // The time of a part from its beginning: the shortest that was measured, if a busy machine made one longer.
    let began = Instant::now();
    process::output(part("0/2")).await.expect(0);
    let (mut whole, mut dice) = (began.elapsed(), Dice(seed));
    fs::remove_dir_all(verifying(&app)).unwrap();
    let (mut kills, mut processes, mut resumed) = (0, 0, 0);
    let mut standing = BTreeMap::new();
    while kills < KILLS {
        processes += 1;
        assert!(processes <= 6 * KILLS, "{kills} kills");
        let before = service.requests().len();
        let index = (processes + 1) % 2;
        let mut process = part(["0/2", "1/2"][index]).spawn().unwrap();
        let (began, moment) = (Instant::now(), whole.mul_f64(dice.share()));
        match timeout(moment, process::ended(&mut process)).await {
            Err(_) => {
                process.kill().await.unwrap();
                kills += 1;
            }
            Ok(ended) => {
                assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
                if standing.is_empty() {
                    whole = whole.min(began.elapsed());
                }
            }
        }
        if is_over(&app) {
            // The next process begins anew.
            standing.clear();
            continue;
        }
        let now = written(&app);
        // Requests of the shard that was killed before may still have been under way.
        let mut read = read_by(&service.requests().split_off(before), &partitions);
        read.retain(|number| number % 2 == index);
        let open = read.iter().filter(|number| !now.contains_key(*number)).count();
        assert!(open <= 1, "{read:?} were read, {:?} are written", now.keys());
        for (number, document) in &standing {
            assert!(!read.contains(number), "partition {number} was compared again");
            assert!(now.get(number) == Some(document), "partition {number} was written again");
        }
        resumed += usize::from(!standing.is_empty());
        standing = now;
    }
    println!("{kills} kills of {processes} processes, {resumed} resumed, {whole:?}, ROGO_TEST_SEED={seed}");
    assert!(resumed > 0, "no process met what another one had written");

    for name in ["0/2", "1/2"] {
        if !is_over(&app) {
            process::output(part(name)).await;
        }
    }
    assert!(is_over(&app), "the last one merges");
    assert_eq!(verification(&app)["rows_compared"], 300);
    let found: BTreeSet<String> = by_attempt(&app).into_keys().collect();
    assert_eq!(found, BTreeSet::from(spoiled.map(|file| file.attempt.clone())));
}

#[tokio::test]
async fn a_resumed_process_takes_up_every_partition_that_was_written() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let left = killed_at(&app, &["--recheck", "0s"], 4).await;
    let killed = Utc::now();
    let ended = verify(&app, &[]).await.expect(0);
    let resumed = format!("verify resumes: {left} of {PARTS} partitions of 50 rows were compared before");
    assert!(ended.stderr.contains(&resumed), "{left}: {}", ended.stderr);
    let began_at: DateTime<Utc> = verification(&app)["began_at"].as_str().unwrap().parse().unwrap();
    assert!(began_at < killed, "{began_at} is when the first process began, before {killed}");
}

#[tokio::test]
async fn rows_that_were_compared_long_ago_are_named_with_their_day() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--shard", "0/2"]).await.expect(0);
    for path in state(&app).into_iter().filter(|path| is_part(path)) {
        let mut part: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for time in ["began_at", "at"] {
            part[time] = "2020-01-02T03:04:05Z".into();
        }
        fs::write(path, part.to_string()).unwrap();
    }
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(0);
    let says = "300 rows were compared on 2020-01-02: what changed there since is not seen";
    assert!(ended.stdout.lines().next().is_some_and(|verdict| verdict.contains(says)), "{}", ended.stdout);
    let ended = verify(&app, &[]).await.expect(0);
    assert!(!ended.stdout.contains("rows were compared on"), "{}", ended.stdout);
}

#[tokio::test]
async fn several_parts_find_what_one_process_finds_and_the_last_one_merges() {
    let sample = Sample::in_folder(ROWS, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    for row in [3, 100, 300] {
        plant(&app, row).await;
    }
    app.database.run("insert into submission_marking_assignments (id, submission_id) select 'surplus', id from assignment_submissions where lti_launch_id like 'rogo%' and id in (select submission_id from submission_grades) limit 1").await;
    verify(&app, &[]).await.expect(1);
    let (alone, found_alone) = (verification(&app), failures(&app));
    for file in ["verification.json", "verification_failures.csv"] {
        fs::remove_file(app.out.path().join(file)).unwrap();
    }

    // The first part comes last: the others wait for what it reads for all.
    let parts = ["1/3", "2/3", "0/3"];
    let shards = parts.map(|part| process::output(command(&app, &["--recheck", "0s", "--shard", part])));
    let ended: Vec<Ended> = futures_util::future::join_all(shards).await;
    let codes: Vec<_> = ended.iter().map(|ended| ended.code.unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 1, "{codes:?} {ended:#?}");
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 2, "{codes:?} {ended:#?}");
    for ended in ended.iter().filter(|ended| ended.code == Some(0)) {
        assert!(ended.stdout.contains("is compared"), "{}", ended.stdout);
        assert!(ended.stdout.contains("the process that ends last writes the result"), "{}", ended.stdout);
    }
    let together = verification(&app);
    assert_eq!(failures(&app), found_alone);
    for key in [
        "checks",
        "rows_compared",
        "migrated",
        "failed",
        "skipped",
        "differences",
        "rows_different",
        "examples",
    ] {
        assert_eq!(together[key], alone[key], "{key}");
    }
}

#[tokio::test]
async fn verifications_at_once_do_not_disturb_each_other() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let some = app.out.path().join("some.txt");
    fs::write(&some, app.migrated()[..9].join("\n")).unwrap();
    let folders = ["a", "b", "c"].map(|name| app.out.path().join(name).display().to_string());
    let some = ["--attempts", some.to_str().unwrap()];
    let verifications = [(&folders[0], &[][..]), (&folders[1], &[][..]), (&folders[2], &some[..])];
    let running = verifications.map(|(out, more)| {
        let mut command = command(&app, &[&["--recheck", "0s", "--out", out], more].concat());
        command.env("ROGO_OUT", out);
        fs::create_dir_all(out).unwrap();
        process::output(command)
    });
    for ended in futures_util::future::join_all(running).await {
        let ended = ended.expect(0);
        assert!(ended.stdout.starts_with("VERIFIED at level rows"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn a_state_of_another_verification_is_discarded_with_a_sentence() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let left = killed_at(&app, &["--recheck", "0s"], 3).await;
    // The run gets another result.
    let summary = app.out.path().join("run-store/rogo/results/summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    let mut another: Value = serde_json::from_str(&text).unwrap();
    another["newest_outcome_at"] = "2000-01-01T00:00:00Z".into();
    fs::write(&summary, another.to_string()).unwrap();

    let ended = verify(&app, &[]).await.expect(0);
    let says = format!(
        "({left} partitions) is not taken up, because it is of another result: a process may work on it"
    );
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    assert!(!ended.stderr.contains("resumes"), "{}", ended.stderr);
    // Its process has not shown life for a while.
    for beat in
        state(&app).iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("beats")))
    {
        dated(beat, "2020-01-01T00:00:00Z");
    }
    let ended = verify(&app, &[]).await.expect(0);
    assert!(ended.stderr.contains("because it is of another result: it is discarded"), "{}", ended.stderr);
    assert_eq!(parts(&app), 0, "{:?}", state(&app));
}

/// Also if the file has kept its name.
#[tokio::test]
async fn a_state_that_was_compared_with_another_manifest_or_level_is_not_taken_up() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--level", "content"]).await.expect(0);
    let kept = app.out.path().join("kept.csv");
    let manifest = app.result("manifest.csv");
    fs::write(&kept, &manifest).unwrap();
    let by_manifest = ["--level", "content", "--manifest", kept.to_str().unwrap()];
    let left = killed_at(&app, &[&by_manifest[..], &["--recheck", "0s"]].concat(), 3).await;
    // The newest row is compared first: what is known of it came from the other manifest.
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    for line in &mut lines[1..] {
        let (before, sha256) = line.rsplit_once(',').unwrap();
        *line = format!("{before},{}", sha256.chars().rev().collect::<String>());
    }
    fs::write(&kept, lines.join("\n") + "\n").unwrap();
    let ended = verify(&app, &by_manifest).await.expect(1);
    let says = format!("({left} partitions) is not taken up, because it is of other settings or inputs");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    let files = u64::try_from(lines.len() - 1).unwrap();
    let result = verification(&app);
    let found = super::check(&result, "content_manifest");
    assert_eq!(found["different"], files, "every file, also of the partitions that were compared before");

    fs::remove_dir_all(verifying(&app)).unwrap();
    let left = killed_at(&app, &["--recheck", "0s"], 3).await;
    let ended = verify(&app, &["--level", "blobs"]).await.expect(0);
    let says = format!("({left} partitions) is not taken up, because it is of another level");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    assert!(!ended.stderr.contains("resumes"), "{}", ended.stderr);
}

#[tokio::test]
async fn status_says_how_far_a_verification_is_and_how_it_ended() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let left = killed_at(&app, &["--recheck", "0s"], 3).await as u64;
    let status: Value = serde_json::from_str(&app.run(&["status", "--json"]).await.expect(0).stdout).unwrap();
    let verifying = &status["verifying"][0];
    let done = verifying["rows_done"].as_u64().unwrap();
    assert!(verifying["level"] == "rows" && verifying["rows"] == ROWS, "{verifying}");
    assert!(left * 50 <= done && done <= (left + 1) * 50, "{left} partitions, {done} rows");
    let text = app.run(&["status"]).await.expect(0).stdout;
    assert!(text.contains(&format!("verify at level rows: {done} of {ROWS} rows (")), "{text}");

    verify(&app, &[]).await.expect(0);
    let text = app.run(&["status"]).await.expect(0).stdout;
    assert!(text.contains("UTC: VERIFIED at level rows: 600 rows"), "{text}");
    assert!(!text.contains("verify at level rows"), "{text}");

    // One that was given up is told only until another one has a result.
    killed_at(&app, &["--recheck", "0s"], 3).await;
    let beat = state(&app).into_iter().find(|path| path.parent().unwrap().ends_with("beats")).unwrap();
    dated(&beat, "2022-01-01T00:00:00Z");
    for (verified_at, is_told) in [("2021-01-01T00:00:00Z", true), ("2023-01-01T00:00:00Z", false)] {
        dated(&app.out.path().join("run-store/rogo/results/verification.json"), verified_at);
        let text = app.run(&["status"]).await.expect(0).stdout;
        assert_eq!(text.contains("verify at level rows: "), is_told, "{verified_at}: {text}");
    }
}

/// The newest result is of before it. A damaged document stands for whatever a person has to mend.
#[tokio::test]
async fn status_tells_a_verification_that_ended_by_a_fault_after_the_newest_result() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    killed_at(&app, &["--recheck", "0s", "--shard", "0/2"], 2).await;
    let document = |is_it: &dyn Fn(&Path) -> bool| state(&app).into_iter().find(|path| is_it(path));
    let is_beat = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("beats"));
    dated(&document(&is_beat).unwrap(), "2020-01-01T00:00:00Z");
    dated(&app.out.path().join("run-store/rogo/results/verification.json"), "2021-01-01T00:00:00Z");
    let is_told = async || app.run(&["status"]).await.expect(0).stdout.contains("verify at level rows: ");
    assert!(!is_told().await, "it was given up before the result");

    let shared = document(&|path| path.ends_with("shared.json")).unwrap();
    fs::write(&shared, "{").unwrap();
    let ended = verify(&app, &["--shard", "0/2"]).await;
    assert!(
        ended.code != Some(75) && ended.stderr.contains("shared.json"),
        "{:?}: {}",
        ended.code,
        ended.stderr
    );
    assert!(is_told().await, "{:?}", state(&app));
    // Another verification has a result since.
    dated(&app.out.path().join("run-store/rogo/results/verification.json"), "2999-01-01T00:00:00Z");
    assert!(!is_told().await, "{:?}", state(&app));
    // As earlier programs left it, its time is not known.
    for path in state(&app).into_iter().filter(|path| is_beat(path) || path.ends_with("left.json")) {
        fs::remove_file(path).unwrap();
    }
    assert!(is_told().await, "{:?}", state(&app));
}

/// Gives a document another time.
fn dated(path: &Path, at: &str) {
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    document["at"] = at.into();
    fs::write(path, document.to_string()).unwrap();
}

#[tokio::test]
async fn a_part_without_the_first_one_ends_with_a_sentence() {
    let sample = sample().await;
    let mut app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    app.set("ROGO_WAIT_PLAN", "0s");
    let ended = verify(&app, &["--shard", "1/2"]).await;
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert!(ended.stderr.contains("start `rogo-migrate verify --shard 0/2`"), "{}", ended.stderr);
}

/// Its beat stays: what it is going to continue is not free to be discarded.
#[tokio::test]
async fn a_process_that_ends_for_now_keeps_its_state_from_other_verifications() {
    let sample = sample().await;
    let mut app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    killed_at(&app, &["--recheck", "0s", "--shard", "0/2"], 2).await;
    // Of the killed process nothing is known but what it compared.
    for path in state(&app) {
        let name = path.to_str().unwrap();
        if name.contains("/beats/") || name.ends_with("shared.json") {
            fs::remove_file(path).unwrap();
        }
    }
    app.set("ROGO_WAIT_PLAN", "0s");
    verify(&app, &["--shard", "1/2"]).await.expect(75);
    let ended = verify(&app, &["--level", "blobs"]).await.expect(0);
    assert!(
        ended.stderr.contains("because it is of another level: a process may work on it"),
        "{}",
        ended.stderr
    );
}

/// As a finalizer does that its Job starts again, or a person who types it once more.
#[tokio::test]
async fn parts_go_on_beside_a_result_that_is_made_again_without_a_change() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--shard", "0/2"]).await.expect(0);
    let before = app.summary();
    app.run(&["finalize"]).await.expect(0);
    assert_ne!(app.summary()["at"], before["at"]);
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level rows: 600 rows"), "{}", ended.stdout);
}

/// A run of whose verification part 0 has ended; what may be read is less since.
async fn first_part_ended(sample: &Sample) -> TestApp<'_> {
    let mut app = in_folders(sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--shard", "0/2"]).await.expect(0);
    app.database.run("revoke select on submission_section_marks from verifier").await;
    app.set("ROGO_WAIT_PLAN", "0s");
    app
}

/// Part 0 has ended where all could be read, and reads nothing for part 1, which is not let wait for it.
#[tokio::test]
async fn a_part_that_begins_alone_where_less_can_be_read_compares_its_rows_and_names_the_others() {
    let sample = sample().await;
    let app = first_part_ended(&sample).await;
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(75);
    let says = "part 1/2 is compared (300 rows), but 6 of 12 partitions are open, and part(s) 0/2 of this verification ended";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    let ended = verify(&app, &["--shard", "0/2"]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level rows: 600 rows"), "{}", ended.stdout);
}

/// Part 0 is started again, as part 1 said, but where it was before: part 1 has ended too.
#[tokio::test]
async fn a_part_that_is_started_again_in_vain_names_the_one_that_named_it() {
    let sample = sample().await;
    let app = first_part_ended(&sample).await;
    verify(&app, &["--shard", "1/2"]).await.expect(75);
    app.database.run("grant select on submission_section_marks to verifier").await;
    let ended = verify(&app, &["--shard", "0/2"]).await.expect(75);
    let says = "start `rogo-migrate verify --shard 1/2` again, where the same can be read as here";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level rows: 600 rows"), "{}", ended.stdout);
}

/// By hand, beside an earlier result, what part 0 compared is discarded.
#[tokio::test]
async fn a_part_beside_another_result_than_that_of_a_part_that_ended_does_not_end_well() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--shard", "0/2"]).await.expect(0);
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize", "--accept", "lost", "--reason", "erased"]).await.expect(0);
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(75);
    assert!(ended.stderr.contains("because it is of another result: it is discarded"), "{}", ended.stderr);
    let says = "part(s) 0/2 of this verification ended without them";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    // A verification that has compared nothing is none that is under way.
    let status = app.run(&["status"]).await.expect(0).stdout;
    assert_eq!(status.matches("verify at level rows: ").count(), 1, "{status}");
    let ended = verify(&app, &["--shard", "0/2"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level rows: 600 rows"), "{}", ended.stdout);
}

/// Part 1 ended when nothing of part 0 lacked. Part 0 is started again where a table may not be read, and finds none of what part 1
/// has compared: no process is left that could merge.
#[tokio::test]
async fn the_last_part_does_not_end_well_if_no_part_is_going_to_merge() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    killed_at(&app, &["--recheck", "0s", "--shard", "0/2"], 1).await;
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(0);
    assert!(ended.stdout.contains("the process that ends last writes the result"), "{}", ended.stdout);
    app.database.run("revoke select on submission_section_marks from verifier").await;
    let ended = verify(&app, &["--shard", "0/2"]).await.expect(75);
    assert!(!app.out.path().join("verification.json").exists());
    let says = "part(s) 1/2 of this verification ended without them";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    assert!(ended.stderr.contains("start `rogo-migrate verify --shard 1/2` again"), "{}", ended.stderr);
    // Which part 1 then does.
    let ended = verify(&app, &["--shard", "1/2"]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level rows: 600 rows"), "{}", ended.stdout);
}
