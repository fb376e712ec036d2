//! The Event on the shard Job, which shows how a run ended to a person who has `kubectl` and nothing else.

use super::{release::Release, world::World};
use crate::chart::rendered::text;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_the_shard_job_says_how_the_run_ended() {
    let world = World::new().await;
    let release = Release::install(&world, &["notify.event=true"]);
    release.until_complete();
    world.assert_complete().await;
    let mut events = world.kubectl.list(&["events"]);
    events.retain(|event| text(event, "/source/component") == "rogo-migrate");
    let [event] = &events[..] else { panic!("one Event: {events:#?}") };
    let job = release.job("shards");
    for (place, expected) in [
        ("/involvedObject/kind", "Job".to_owned()),
        ("/involvedObject/name", text(&job, "/metadata/name")),
        ("/involvedObject/uid", text(&job, "/metadata/uid")),
        ("/type", "Normal".to_owned()),
        ("/reason", "RunComplete".to_owned()),
    ] {
        assert_eq!(text(event, place), expected, "{place}: {event:#}");
    }
    assert!(text(event, "/message").starts_with("COMPLETE"), "{event:#}");
    let described = world.kubectl.run(&["describe", "job", &text(&job, "/metadata/name")]);
    assert!(described.contains("RunComplete") && described.contains("COMPLETE: "), "{described}");
}
