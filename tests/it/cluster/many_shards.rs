//! A thousand shards, on nodes whose pods only pretend to run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{pods, release::Release, world::World};
use crate::{chart::rendered::text, support::machine::skipped};

const SHARDS: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_shards_have_their_names_labels_and_indexes() {
    let world = World::new().await;
    if world.kubectl.list(&["nodes", "--selector=type=fake"]).is_empty() {
        skipped("the cluster has no fake nodes (label type=fake, taint fake), see https://kwok.sigs.k8s.io");
        return;
    }
    let release = Release::install(
        &world,
        &[
            "shards.count=1000",
            "shards.parallelism=1000",
            "shards.checkedParallelism=1",
            "shards.nodeSelector.type=fake",
            // Fake nodes have none.
            "shards.resources.ephemeralStorage=0Gi",
            "shards.tolerations[0].key=fake",
            "shards.tolerations[0].operator=Exists",
        ],
    );
    assert_eq!(release.until_ended("shards"), "Complete");
    let job = release.job("shards");
    assert_eq!(text(&job, "/status/completedIndexes"), "0-999");
    let name = text(&job, "/metadata/name");
    let pods = release.pods("shards");
    for pod in &pods {
        has_its_name(pod, &name);
    }
    let indexes: BTreeSet<u64> = pods.iter().map(pods::index).collect();
    assert_eq!(indexes, (0..SHARDS).collect());

    // The markers are the truth: Kubernetes believes that all is done, and nothing is.
    assert_eq!(release.until_ended("finalize"), "Failed");
    let (code, message) = release.end_of("finalize");
    let message = message["message"].as_str().unwrap();
    assert_eq!(code, 69, "{message}");
    let expected = "INCOMPLETE: 400 of 400 rows have no outcome, in 400 shard(s): 0-399";
    assert!(message.starts_with(expected), "{message}");
}

fn has_its_name(pod: &Value, job: &str) {
    let index = pods::index(pod);
    let name = pods::name(pod);
    assert!(name.starts_with(&format!("{job}-{index}-")), "{name} of index {index}");
    assert_eq!(text(pod, "/spec/hostname"), format!("{job}-{index}"));
    assert!(text(pod, "/spec/hostname").len() <= 63);
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["batch.kubernetes.io/job-name"], job);
    assert_eq!(labels["batch.kubernetes.io/job-completion-index"], index.to_string());
    assert_eq!(labels["app.kubernetes.io/name"], "rogo-migrate");
    assert_eq!(labels["app.kubernetes.io/instance"], "r");
    assert_eq!(labels["app.kubernetes.io/component"], "shards");
}
