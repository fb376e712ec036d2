//! GitOps: `helm template | kubectl apply`, as Argo CD does it. Helm knows of no release then, and `lookup` finds nothing.

use std::time::Duration;

use rogo_migrate::domain::ShardIndex;
use serde_json::json;

use super::{
    kubectl::{PATIENCE, until},
    release::{ONE_AT_A_TIME, Release},
    reruns::{attempts_of, of_the_main_run},
    world::World,
};
use crate::chart::rendered::text;

const SHARDS: u64 = 8;
/// Not among the first that run: the fault is there before it begins.
const FAILING: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_rendered_and_applied_are_throttled_in_place_and_run_again_by_shards_only() {
    let world = World::new().await;
    world.slow(Duration::from_secs(1)).await;
    // As RUNNING.md says for GitOps: without it a change of the parallelism would change the plan's Job.
    let fixed = "shards.checkedParallelism=3";
    let set = [&ONE_AT_A_TIME[..], &["work.giveUpAfter=3s", fixed]].concat();
    let release = Release::apply(&world, &set);
    assert_eq!(release.until_ended("plan"), "Complete");
    let attempts: Vec<String> =
        attempts_of(&world, FAILING, SHARDS).iter().map(ToString::to_string).collect();
    world.warehouse(&format!("refuse-ids {}", attempts.join(",")));
    assert!(!world.is_done(ShardIndex(5)).await, "the fault came too late");

    let before = release.uids();
    Release::apply(&world, &[&set[..], &["shards.parallelism=2"]].concat());
    assert_eq!(release.uids(), before, "no Job is made anew");
    assert_eq!(release.job("shards").pointer("/spec/parallelism"), Some(&json!(2)));
    world.slow(Duration::ZERO).await;

    assert_eq!(release.until_ended("shards"), "Failed");
    assert_eq!(text(&release.job("shards"), "/status/failedIndexes"), "5");
    assert_eq!(release.until_ended("finalize"), "Failed");
    assert_eq!(release.end_of("finalize").0, 69);

    world.warehouse("refuse-ids");
    let main_run = of_the_main_run(&release);
    let again = [&set[..], &["shards.parallelism=2", "shards.only=5"]].concat();
    Release::apply(&world, &again);
    until("additional Jobs", PATIENCE, || release.jobs().contains_key("finalize-again").then_some(()));
    let uids = release.uids();
    Release::apply(&world, &again);
    assert_eq!(release.uids(), uids, "the same shards.only twice is the same");
    assert_eq!(release.until_ended("shards-again"), "Complete");
    assert_eq!(release.until_ended("finalize-again"), "Complete");
    assert_eq!(of_the_main_run(&release), main_run);
    world.assert_complete().await;
}
