//! `helm upgrade` and `helm uninstall` while shards run, and what SIGTERM does to a pod.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use super::{
    kubectl::{PATIENCE, until},
    pods::{self, PodHistory, names},
    release::{ONE_AT_A_TIME, Release},
    world::World,
};
use crate::chart::rendered::text;

/// `terminationGracePeriodSeconds`, which a clean flush never needs.
const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_running_release_is_upgraded_stopped_and_paused_without_a_loss() {
    let world = World::new().await;
    world.slow(Duration::from_secs(2)).await;
    let before = objects(&world);
    let release = Release::install(&world, &ONE_AT_A_TIME);
    let history = PodHistory::of(&world.kubectl, "shards");
    release.until_running("shards", 3);
    world.until_written(3).await;

    nothing_changes(&release);
    another_image_is_refused(&release);
    sigterm_is_no_success(&world, &release, &history);
    paused_and_resumed(&world, &release, &history).await;

    world.slow(Duration::ZERO).await;
    release.until_complete();
    world.assert_complete().await;
    let failed = release.job("shards")["status"]["failed"].as_u64().unwrap_or_default();
    assert_eq!(failed, 0, "no end on SIGTERM was a failure");
    removed(&world, &release, &before);
}

fn nothing_changes(release: &Release) {
    let (jobs, pods) = (release.uids(), names(&release.pods("shards")));
    release.upgrade(&[]).unwrap();
    assert_eq!(release.uids(), jobs);
    assert_eq!(names(&release.pods("shards")), pods);
}

fn another_image_is_refused(release: &Release) {
    let jobs = release.uids();
    let refusal = release.upgrade(&["image.tag=another"]).unwrap_err();
    assert!(refusal.contains("Helm would delete r-rogo-"), "{refusal}");
    assert!(refusal.contains("replaceRunning=true"), "{refusal}");
    assert_eq!(release.uids(), jobs);
}

fn sigterm_is_no_success(world: &World, release: &Release, history: &PodHistory) {
    let pod = release.until_running("shards", 3).remove(0);
    let name = pods::name(&pod);
    world.kubectl.run(&["delete", "pod", &name, "--wait=false"]);
    assert_eq!(history.until_ended(&name).exit_code, 143);
    ended_in_time(history, &name);
    let after = history.until_replaced(&pod);
    assert_eq!(pods::index(&after), pods::index(&pod));
    assert_eq!(pods::annotation(&after, "job-index-failure-count"), "0");
    assert!(!completed(release).contains(&pods::index(&pod)));
}

async fn paused_and_resumed(world: &World, release: &Release<'_>, history: &PodHistory) {
    let running = names(&release.until_running("shards", 3));
    release.upgrade(&["shards.suspend=true"]).unwrap();
    for name in &running {
        assert_eq!(history.until_ended(name).exit_code, 143, "{name}");
        ended_in_time(history, name);
    }
    until("a Job without pods", PATIENCE, || {
        let status = release.job("shards")["status"].clone();
        (status.get("active").is_none_or(|active| *active == 0)
            && status.get("terminating").is_none_or(|terminating| *terminating == 0))
        .then_some(())
    });
    let (written, paused) = (world.written().await, completed(release));
    assert_eq!(release.job("shards").pointer("/spec/suspend"), Some(&json!(true)));
    assert_eq!(release.job("finalize")["status"]["active"], 1, "the finalizer waits");

    release.upgrade(&["shards.suspend=false"]).unwrap();
    world.until_written(written + 1).await;
    assert!(completed(release).is_superset(&paused));
}

fn removed(world: &World, release: &Release, before: &str) {
    release.uninstall();
    until("a namespace as it was before the release", PATIENCE, || (objects(world) == before).then_some(()));
}

/// Everything in the namespace that a chart could have made.
fn objects(world: &World) -> String {
    let kinds = "jobs,pods,services,roles,rolebindings,networkpolicies,serviceaccounts,configmaps,secrets";
    world.kubectl.run(&["get", kinds, "--output=name"])
}

fn ended_in_time(history: &PodHistory, name: &str) {
    let took = history.time_to_end(name).expect("a pod that was told to end");
    assert!(took < GRACE, "{name} took {took:?}");
}

/// The indexes that the Job counts as done: `1,3-5`.
fn completed(release: &Release) -> BTreeSet<u64> {
    let text = text(&release.job("shards"), "/status/completedIndexes");
    let ranges = text.split(',').filter(|range| !range.is_empty());
    let ends = ranges.map(|range| range.split_once('-').unwrap_or((range, range)));
    ends.flat_map(|(first, last)| first.parse::<u64>().unwrap()..=last.parse().unwrap()).collect()
}
