//! The trace of a run as a receiver in the cluster gets it, from all of its pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
};

use serde_json::json;

use super::{
    kubectl::{Kubectl, PATIENCE, until},
    release::Release,
    services::variable,
    world::{World, begin_to_serve, until_it_answers},
};
use crate::support::{
    collector::{Span, configuration, program, spans_of},
    process,
};

const RECEIVER: &str = "otel";
const PORT: u16 = 4318;
const SHARDS: usize = 3;

/// A Collector in a pod, which begins as soon as its program was put there: no image has it.
fn start_receiver(kubectl: &Kubectl) {
    let begin = "until [ -e /tmp/whole ]; do sleep 0.2; done; exec /tmp/otelcol --config=env:CONFIGURATION";
    let container = json!({
        "name": RECEIVER, "image": variable("ROGO_TEST_TDS_IMAGE"), "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", begin],
        "env": [{"name": "CONFIGURATION", "value": configuration(format!("0.0.0.0:{PORT}"))}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    });
    begin_to_serve(kubectl, RECEIVER, PORT, &container, &json!([]));
    let put = "cat >/tmp/otelcol && chmod +x /tmp/otelcol && touch /tmp/whole";
    let pod = format!("deployment/{RECEIVER}");
    until("the Collector's program is in its pod", PATIENCE, || {
        let putting = kubectl.command(&["exec", "--stdin", &pod, "--", "bash", "-c", put]);
        let put = process::blocking_from(File::open(program()).unwrap(), putting);
        put.status.success().then_some(())
    });
    until_it_answers(kubectl, RECEIVER);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_shards_and_finalizer_of_a_release_are_one_trace() {
    let world = World::new().await;
    start_receiver(&world.kubectl);
    let shards = format!("shards.count={SHARDS}");
    let endpoint = format!("otel.endpoint=http://{RECEIVER}:{PORT}");
    let release = Release::install(&world, &[&shards, &endpoint, "otel.traceSample=50"]);
    release.until_complete();
    world.assert_complete().await;
    let received = world.kubectl.run(&["logs", &format!("deployment/{RECEIVER}"), "--tail=-1"]);
    let spans = spans_of(&received);
    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let [plan] = named("plan")[..] else { panic!("one plan: {spans:#?}") };
    assert_eq!(plan.parent, "", "it is the root");
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    for step in
        spans.iter().filter(|span| span.attributes.contains_key("process.exit.code") && span.id != plan.id)
    {
        assert_eq!((&step.trace, &step.parent), (&plan.trace, &plan.id), "{step:#?}");
        *steps.entry(&step.name).or_default() += 1;
    }
    assert_eq!(steps, BTreeMap::from([("await shards", 1), ("finalize", 1), ("shard", SHARDS)]));
    let indexes: BTreeSet<&str> =
        named("shard").iter().map(|shard| shard.attributes["rogo_migrate.shard"].as_str()).collect();
    assert_eq!(indexes, BTreeSet::from(["0", "1", "2"]));
    // Each chosen submission is a trace of its own that leads to the shard which moved it.
    let submissions = named("submission");
    assert!(submissions.len() >= SHARDS, "{submissions:#?}");
    for submission in submissions {
        let shard = named("shard")
            .into_iter()
            .find(|shard| submission.links == [(shard.trace.clone(), shard.id.clone())]);
        let shard = shard.unwrap_or_else(|| panic!("it leads to a shard: {submission:#?}"));
        assert_eq!(submission.attributes["rogo_migrate.shard"], shard.attributes["rogo_migrate.shard"]);
        assert_ne!(submission.trace, plan.trace);
    }
    for component in ["plan", "shards", "finalize"] {
        for pod in release.pods(component) {
            let name = crate::chart::rendered::text(&pod, "/metadata/name");
            assert!(received.contains(&format!("k8s.pod.name: Str({name})")), "{name} is not told");
        }
    }
}
