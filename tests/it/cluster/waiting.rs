//! What keeps a run waiting: a plan that takes its time, and pods that cannot start.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    kubectl::{PATIENCE, until},
    release::Release,
    world::World,
};
use crate::{chart::rendered::text, support::process};

/// So long shards wait for a plan that gives no sign of life.
const WAIT_PLAN: Duration = Duration::from_secs(15);
/// How long the warehouse takes to answer the plan's first two questions, each.
const SLOW: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn shards_wait_for_a_plan_that_lives_for_longer_than_wait_plan() {
    let world = World::new().await;
    world.warehouse(&format!("slow {} 2", SLOW.as_millis()));
    let began = Instant::now();
    let release = Release::install(&world, &[&format!("work.waitPlan={}s", WAIT_PLAN.as_secs())]);
    assert_eq!(release.until_ended("plan"), "Complete");
    assert!(began.elapsed() > 3 * WAIT_PLAN, "the plan took {:?} only", began.elapsed());
    release.until_complete();
    for of in ["plan", "shards", "finalize"] {
        let failed = release.job(of)["status"]["failed"].as_u64().unwrap_or_default();
        assert_eq!(failed, 0, "no pod of {of} gave up");
    }
    world.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_names_what_keeps_pods_from_starting() {
    let world = World::new().await;
    world.kubectl.run(&["delete", "secret", "rogo-migrate"]);
    // A missing Secret, mounted or as variables, and an image that is nowhere: the finalizer cannot start either.
    for (set, says) in [
        (&["generation=2"][..], ["FailedMount", "secret \"rogo-migrate\" not found"]),
        (
            &["generation=3", "credentials.as=env"],
            ["CreateContainerConfigError", "secret \"rogo-migrate\" not found"],
        ),
        (
            &["generation=4", "credentials.as=env", "image.repository=registry.invalid/none"],
            ["ImagePull", "registry.invalid/none"],
        ),
    ] {
        let release = Release::install(&world, set);
        let said = until(&format!("{says:?}"), PATIENCE, || {
            let said = status(&world);
            says.iter().all(|part| said.contains(part)).then_some(said)
        });
        let first = said.lines().next().unwrap();
        assert!(first.starts_with("planning: run rogo: there is no plan at az://"), "{said}");
        for of in ["plan", "finalize"] {
            let job = text(&release.job(of), "/metadata/name");
            assert!(said.contains(&format!("Job {job}: 1 active, 0 ready")), "{of}: {said}");
        }
        release.uninstall();
        until("no Jobs", PATIENCE, || release.jobs().is_empty().then_some(()));
    }

    let release = Release::install(&world, &["generation=5"]);
    until("a pod that waits", PATIENCE, || release.pods("plan").pop());
    world.give_password("right");
    release.until_complete();
    world.assert_complete().await;
}

/// What `rogo-migrate status` prints on this machine.
fn status(world: &World) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    command
        .args(["status", "--run-store", &format!("az://{}-runs/store", world.name)])
        .env("ROGO_NAMESPACE", &world.name)
        .env("AZURE_STORAGE_CONNECTION_STRING", world.services.azurite.connection_string());
    let output = process::blocking(command);
    assert_eq!(output.status.code(), Some(75), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
