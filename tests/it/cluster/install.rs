//! `helm install`, and nothing goes wrong.

use super::{release::Release, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_run_ends_like_one_process() {
    let world = World::new().await;
    let release = Release::install(&world, &[]);
    release.until_complete();
    world.assert_complete().await;

    let (code, message) = release.end_of("finalize");
    assert_eq!(code, 0, "{message}");
    for shard in 0..8 {
        assert!(world.is_done(rogo_migrate::domain::ShardIndex(shard)).await, "{shard}");
    }
}
