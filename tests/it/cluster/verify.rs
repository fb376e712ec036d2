//! The Job that verifies: beside a run whose pods are killed, and after a change in the target.

use std::time::Duration;

use rogo_migrate::run::Verification;
use serde_json::{Value, json};

use super::{
    kubectl::{PATIENCE, until},
    node::Node,
    pods::PodHistory,
    release::{ONE_AT_A_TIME, Release, end},
    world::{RUN, World},
};
use crate::chart::rendered::text;

/// The role that verifies, as operators make it, in a Secret of its own.
async fn give_reader(world: &World) -> String {
    let role = format!("{}-reader", world.name);
    let login = format!("create role \"{role}\" login password 'reads' in role rogo_verify");
    world.database.run(&login).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "reader"},
        "stringData": {"DATABASE_URL": world.services.database_url(&role, "reads", &world.name)}
    });
    world.kubectl.give(&["apply", "--filename=-"], &secret);
    role
}

async fn verification(world: &World) -> Verification {
    let name = format!("verify/{RUN}/results/verification.json");
    let bytes = world.services.azurite.read(&format!("{}-runs", world.name), &name).await;
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_pods_were_killed_is_verified_and_a_planted_difference_fails_the_job_with_a_sentence() {
    let world = World::new().await;
    let role = give_reader(&world).await;
    world.slow(Duration::from_secs(2)).await;
    let store = format!("verify.store=az://{}-runs/verify", world.name);
    let verify = [
        "verify.enabled=true",
        "verify.count=2",
        "verify.credentials.database.existingSecret=reader",
        store.as_str(),
    ];
    let release = Release::install(&world, &[&ONE_AT_A_TIME[..], &verify].concat());
    let history = PodHistory::of(&world.kubectl, "shards");
    let running = release.until_running("shards", 2);
    let node = Node::of(&world.kubectl, &running[0]);
    world.until_written(2).await;
    // The pods that verify wait for the result meanwhile, and one of them is killed too.
    let waiting = release.until_running("verify", 2);
    node.kill(&running[0]);
    Node::of(&world.kubectl, &waiting[0]).kill(&waiting[0]);
    history.until_replaced(&running[0]);
    world.slow(Duration::ZERO).await;
    release.until_complete();
    assert_eq!(release.until_ended("verify"), "Complete", "{}", release.job("verify")["status"]);
    let verified = verification(&world).await;
    assert_eq!(verified.result.to_string(), "VERIFIED", "{}", verified.verdict);
    assert_eq!(verified.role, role);
    // Its database role only reads; the account's key is the run's.
    let reasons = &verified.not_independent;
    assert!(
        !verified.independent && reasons.iter().all(|why| why.contains("the account's key")),
        "{reasons:?}"
    );
    let account = text(&release.pods("verify")[0], "/spec/serviceAccountName");
    assert_eq!(account, "r-rogo-migrate-verify");

    let migrated = world.result("migrated.csv").await;
    let attempt = migrated.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let change = "update submission_grades set percentage_score = percentage_score + 1 where submission_id =
        (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{}')";
    world.database.run(&change.replace("{}", &attempt)).await;
    let before = release.uids();
    release.upgrade(&["verify.again=2"]).unwrap_or_else(|refusal| panic!("{refusal}"));
    let after = release.uids();
    for of in ["plan", "shards", "finalize"] {
        assert_eq!(after[of], before[of], "{of} is left alone");
    }
    let ended = until("the end of the second verification", PATIENCE, || {
        let job = release.jobs().remove("verify")?;
        (text(&job, "/metadata/uid") != before["verify"]).then(|| end(&job)).flatten()
    });
    assert_eq!(ended, "Failed");
    let job = text(&release.job("verify"), "/metadata/name");
    let pods = release.pods("verify").into_iter();
    let pods = pods.filter(|pod| text(pod, "/metadata/labels/batch.kubernetes.io~1job-name") == job);
    let ends: Vec<Value> =
        pods.filter_map(|pod| pod.pointer("/status/containerStatuses/0/state/terminated").cloned()).collect();
    let differs: Vec<&Value> = ends.iter().filter(|end| end["exitCode"] == 1).collect();
    assert_eq!(differs.len(), 1, "{ends:?}");
    let message = text(differs[0], "/message");
    assert!(message.contains("DIFFERENCES in 1 attempts"), "{message}");
    let sentence = format!("attempt {attempt}: grade_percentage: submission_grades.percentage_score differs");
    assert!(message.contains(&sentence), "{message}");
    assert!(ends.iter().all(|end| end["exitCode"] == 1 || end["exitCode"] == 0), "{ends:?}");
}
