//! What befalls pods: killed, deleted, evicted, out of memory.

use std::time::Duration;

use serde_json::json;

use super::{
    node::Node,
    pods::{self, PodHistory},
    release::{ONE_AT_A_TIME, Release},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_its_pods_the_run_ends_complete() {
    let world = World::new().await;
    world.slow(Duration::from_secs(2)).await;
    let set = [&ONE_AT_A_TIME[..], &["shards.parallelism=4"]].concat();
    let release = Release::install(&world, &set);
    let history = PodHistory::of(&world.kubectl, "shards");
    let running = release.until_running("shards", 4);
    let [killed, deleted, evicted, starved] = [0, 1, 2, 3].map(|at| running[at].clone());
    let node = Node::of(&world.kubectl, &killed);
    world.until_written(4).await;

    node.kill(&killed);
    world.kubectl.run(&["delete", "pod", &pods::name(&deleted), "--wait=false"]);
    evict(&world, &pods::name(&evicted));
    node.starve(&starved);
    let end = |pod| history.until_ended(&pods::name(pod));
    assert_eq!(end(&killed).exit_code, 137);
    assert_eq!(end(&deleted).exit_code, 143);
    assert_eq!(end(&evicted).exit_code, 143);
    assert_eq!((end(&starved).exit_code, end(&starved).reason.as_str()), (137, "OOMKilled"));

    // A retry is what the backoff limit of the index counts.
    for (pod, retries) in [(&killed, "1"), (&deleted, "0"), (&evicted, "0"), (&starved, "1")] {
        let after = history.until_replaced(pod);
        let counted = pods::annotation(&after, "job-index-failure-count");
        assert_eq!(counted, retries, "after {}", pods::name(pod));
    }
    world.slow(Duration::ZERO).await;
    release.until_complete();
    world.assert_complete().await;
}

/// Through the API, as a node that is drained does it.
fn evict(world: &World, pod: &str) {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": world.name},
    });
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", world.name);
    world.kubectl.give(&["create", "--raw", &path, "--filename=-"], &eviction);
}
