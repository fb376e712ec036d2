//! Passwords: wrong from the beginning, and changed while the run is under way.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor};

use super::{
    release::{ONE_AT_A_TIME, Release},
    world::World,
};
use crate::chart::rendered::text;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_once_for_all_and_the_next_generation_runs_through() {
    let world = World::new().await;
    world.give_password("wrong");
    let began = Instant::now();
    let release = Release::install(&world, &[]);
    let plan = release.job("plan");
    for of in ["plan", "shards", "finalize"] {
        assert_eq!(release.until_ended(of), "Failed", "{of}");
    }
    assert!(began.elapsed() < Duration::from_mins(1), "all Jobs had ended after {:?}", began.elapsed());

    let epoch = epoch(&plan);
    let refusal =
        world.store().refusal(&epoch.parse().unwrap()).await.unwrap().expect("a refusal of this epoch");
    let sentence = refusal.reasons.join("; ");
    assert!(sentence.contains("password"), "{sentence}");
    for of in ["plan", "finalize"] {
        let (code, message) = release.end_of(of);
        assert_eq!(code, 78, "{of}: {message}");
        assert!(message["message"].as_str().unwrap().contains("password"), "{of}: {message}");
    }
    assert_eq!(world.written().await, 0);
    assert!(world.store().writers().await.unwrap().is_empty(), "a shard has begun");

    world.give_password("right");
    release.upgrade(&["generation=2"]).unwrap();
    release.until_complete();
    world.assert_complete().await;
    assert!(
        world.store().refusal(&epoch.parse().unwrap()).await.unwrap().is_some(),
        "the older refusal stands"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_in_the_middle_blames_no_row() {
    let world = World::new().await;
    world.slow(Duration::from_secs(2)).await;
    let release = Release::install(&world, &ONE_AT_A_TIME);
    world.until_written(3).await;

    world.give_password("another");
    world.change_password("another").await;
    let mut connection = world.services.connect("template1").await;
    let cut =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'", world.name);
    connection.execute(AssertSqlSafe(cut)).await.unwrap();
    let written = world.written().await;

    world.until_written(written + 3).await;
    world.slow(Duration::ZERO).await;
    release.until_complete();
    let failed = release.job("shards")["status"]["failed"].as_u64().unwrap_or_default();
    assert_eq!(failed, 0, "the pods went on");
    world.assert_complete().await;
}

/// The epoch that the chart gave a Job.
fn epoch(job: &serde_json::Value) -> String {
    let env = job.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
    let epoch = env.iter().find(|variable| variable["name"] == "ROGO_EPOCH").unwrap();
    text(epoch, "/value")
}
