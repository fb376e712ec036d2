//! A shard that cannot succeed, and the printed line that runs it again.

use std::{collections::BTreeMap, process::Command, time::Duration};

use rogo_migrate::domain::ShardIndex;
use serde_json::{Value, json};

use super::{
    kubectl::{PATIENCE, until},
    pods,
    release::{ONE_AT_A_TIME, Release, end},
    services::ROWS,
    world::World,
};
use crate::chart::rendered::{chart, helm, text};
use crate::support::process;

const SHARDS: u64 = 8;
/// Not among the first that run: the fault is there before it begins.
const FAILING: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_fails_is_named_and_the_printed_line_completes_the_run() {
    let world = World::new().await;
    world.slow(Duration::from_secs(1)).await;
    let reference = format!("chartReference={}", chart().display());
    let set = [&ONE_AT_A_TIME[..], &["work.giveUpAfter=3s", &reference]].concat();
    let release = Release::install(&world, &set);
    assert_eq!(release.until_ended("plan"), "Complete");
    let attempts: Vec<String> =
        attempts_of(&world, FAILING, SHARDS).iter().map(ToString::to_string).collect();
    world.warehouse(&format!("refuse-ids {}", attempts.join(",")));
    assert!(!world.is_done(ShardIndex(5)).await, "the fault came too late");
    world.slow(Duration::ZERO).await;

    assert_eq!(release.until_ended("shards"), "Failed");
    assert_eq!(release.until_ended("finalize"), "Failed");
    let shards = release.job("shards");
    assert_eq!(shards.pointer("/status/failedIndexes"), Some(&json!("5")));
    assert_eq!(shards.pointer("/status/completedIndexes"), Some(&json!("0-4,6,7")));
    assert_eq!(release.pods("finalize").len(), 1, "69 is not tried again");
    let (code, message) = release.end_of("finalize");
    let message = message["message"].as_str().unwrap();
    assert_eq!(code, 69, "{message}");
    assert!(message.starts_with("INCOMPLETE: 50 of 400 rows have no outcome, in 1 shard(s): 5"), "{message}");
    let summary: Value = serde_json::from_str(&world.result("summary.json").await).unwrap();
    assert_eq!(summary["result"], "INCOMPLETE");
    assert_eq!(summary["missing"]["shards"], json!([5]));

    world.warehouse("refuse-ids");
    let before = of_the_main_run(&release);
    let line = message.split(": ").last().unwrap().trim();
    assert!(line.starts_with("helm upgrade r ") && line.ends_with("--set-literal shards.only=5"), "{line}");
    as_it_stands(line);
    assert_eq!(release.until_ended("shards-again"), "Complete");
    assert_eq!(release.until_ended("finalize-again"), "Complete");
    assert_eq!(release.end_of("finalize-again").0, 0);
    assert_eq!(of_the_main_run(&release), before);
    world.assert_complete().await;
}

/// The done markers of its shards stand from before: a finalizer that believed them would merge the rows that are lost.
#[tokio::test(flavor = "multi_thread")]
async fn lost_rows_are_moved_again_by_the_printed_line_and_its_finalizer_waits_for_them() {
    let world = World::new().await;
    let reference = format!("chartReference={}", chart().display());
    let release = Release::install(&world, &[&ONE_AT_A_TIME[..], &[&reference]].concat());
    release.until_complete();
    let main_run = of_the_main_run(&release);
    let lost: Vec<i64> =
        [2, 5].into_iter().flat_map(|shard| attempts_of(&world, shard, SHARDS).into_iter().take(3)).collect();
    for attempt in &lost {
        world.lose(*attempt).await;
    }
    let held = world.written().await;

    // A shard that is done, and a finalizer of its own, which finds what the target lacks.
    release.upgrade(&["shards.only=0"]).unwrap();
    assert_eq!(release.until_ended("finalize-again"), "Failed");
    let (code, message) = release.end_of("finalize-again");
    let message = message["message"].as_str().unwrap();
    assert_eq!(code, 69, "{message}");
    let said = format!(
        "INCOMPLETE: {} of {ROWS} rows were migrated, and the target no longer holds them",
        lost.len()
    );
    assert!(message.starts_with(&said), "{message}");
    let (_, line) = message.split_once("move them again: ").unwrap();
    let (line, _) = line.split_once("; ").unwrap();
    let line = line.replace("<why>", "failover");
    assert!(line.ends_with("--set-literal shards.only=2,5"), "{line}");

    world.slow(Duration::from_secs(2)).await;
    let before = release.uids();
    // A finalizer that is there before the first shard.
    as_it_stands(&format!("{line} --set shards.suspend=true"));
    until("a finalizer that has looked at the done markers", PATIENCE, || {
        let running = pods::names(&release.until_running("finalize-again", 1));
        let log = world.kubectl.run(&["logs", running.first()?]);
        log.contains("waiting for the shards").then_some(())
    });
    release.upgrade(&["shards.suspend=false"]).unwrap();
    for of in ["shards-again", "finalize-again"] {
        let ended = until(&format!("the end of the new Job {of}"), PATIENCE, || {
            let job = release.jobs().remove(of)?;
            (text(&job, "/metadata/uid") != before[of]).then(|| end(&job)).flatten()
        });
        assert_eq!(ended, "Complete", "{of}");
    }
    assert_eq!(world.written().await, held + i64::try_from(lost.len()).unwrap());
    assert_eq!(of_the_main_run(&release), main_run);
    world.assert_complete().await;
}

/// Kubernetes ends a Job of which more than `maxFailedIndexes` shards have failed: that number must not follow the parallelism.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_three_failed_shards_of_twelve_goes_on_when_it_is_throttled_to_one() {
    let world = World::new().await;
    world.slow(Duration::from_secs(2)).await;
    let set = [&ONE_AT_A_TIME[..], &["shards.count=12", "work.giveUpAfter=3s"]].concat();
    let release = Release::install(&world, &set);
    assert_eq!(release.until_ended("plan"), "Complete");
    // Not among the first that run: the fault is there before they begin.
    let failing = [3, 4, 5];
    let attempts: Vec<String> = failing
        .iter()
        .flat_map(|shard| attempts_of(&world, *shard, 12))
        .map(|attempt| attempt.to_string())
        .collect();
    world.warehouse(&format!("refuse-ids {}", attempts.join(",")));
    until("three failed shards", PATIENCE + Duration::from_mins(3), || {
        (text(&release.job("shards"), "/status/failedIndexes") == "3-5").then_some(())
    });
    let before = release.job("shards")["metadata"]["uid"].clone();

    release.upgrade(&["shards.parallelism=1"]).unwrap();
    world.slow(Duration::ZERO).await;

    assert_eq!(release.until_ended("shards"), "Failed");
    let shards = release.job("shards");
    assert_eq!(shards["metadata"]["uid"], before);
    assert_eq!(shards.pointer("/status/completedIndexes"), Some(&json!("0-2,6-11")), "{}", shards["status"]);
    assert_eq!(release.until_ended("finalize"), "Failed");
    let (code, message) = release.end_of("finalize");
    assert_eq!(code, 69, "{message}");
    assert!(message["message"].as_str().unwrap().contains("in 3 shard(s): 3-5"), "{message}");
}

/// Types the line; `helm` is the one of these tests.
fn as_it_stands(line: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = which(helm().get_program().to_str().unwrap());
    std::os::unix::fs::symlink(program, folder.path().join("helm")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = process::blocking(Command::new("sh").args(["-c", line]).env("PATH", path));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn which(program: &str) -> std::path::PathBuf {
    if program.contains('/') {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists()).unwrap()
}

/// UID, spec and status of the three Jobs.
pub fn of_the_main_run(release: &Release) -> BTreeMap<String, Value> {
    let mut jobs = release.jobs();
    jobs.retain(|of, _| !of.ends_with("-again"));
    let fixed = |job: Value| json!([job["metadata"]["uid"], job["spec"], job["status"]]);
    jobs.into_iter().map(|(of, job)| (of, fixed(job))).collect()
}

/// Attempts that this shard has to migrate, and no other shard asks for.
pub fn attempts_of(world: &World, shard: u64, shards: u64) -> Vec<i64> {
    let mut reader = csv::Reader::from_path(world.services.file("expected.csv")).unwrap();
    let rows = reader.records().map(Result::unwrap);
    // The queue begins with the newest row, which has the highest number.
    rows.filter(|row| &row[2] == "migrated" && (ROWS - row[0].parse::<u64>().unwrap()) % shards == shard)
        .filter_map(|row| row[1].trim().parse().ok())
        .collect()
}
