//! The wait of many pods for one plan: what it asks of the run store.

use std::{sync::Arc, time::Duration};

use rogo_migrate::{
    commands::await_plan,
    exit::Exit,
    ports::Service,
    run::{RunName, RunStore},
    settings::{PodSettings, Settings},
};
use tokio::time::Instant;

use crate::support::{
    fakes::{InMemoryBlobs, Journal},
    settings::settings,
    world::World,
};

/// A pod that waits for half an hour.
fn waiting() -> (Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        wait_plan: Duration::from_mins(30),
        epoch: "1-abc".parse().unwrap(),
        pod: PodSettings { name: Some("rogo-shard-0-abcde".to_owned()), ..PodSettings::default() },
        ..settings(folder.path())
    };
    (settings, folder)
}

/// A thousand pods at once are a thousand times these requests: one look in ten seconds each, of one document. At the most
/// that chance allows that is below 300 in a second; an account serves 20,000.
#[tokio::test(start_paused = true)]
async fn a_pod_that_waits_for_the_plan_asks_for_it_every_ten_seconds() {
    let (settings, _folder) = waiting();
    let journal = Journal::default();
    let documents = Arc::new(InMemoryBlobs::new("runs", Service::RunStore, journal.clone()));
    let began = Instant::now();
    let store = RunStore::new(documents, &RunName::default());
    let stop = await_plan(&settings, &store).await.unwrap_err();
    assert_eq!((stop.exit, began.elapsed().as_secs() / 60), (Exit::Temporary, 30), "{stop}");
    let entries = journal.entries();
    let of = |part: &str| entries.iter().filter(|entry| entry.contains(part)).count();
    let looks = of("rogo/plan.json");
    // Half of each pause is left to chance.
    assert!((180..=380).contains(&looks), "{looks} looks in 30 min");
    // Every third look asks for a refusal too; the first and the last ask for all.
    assert!(of("rogo/refused/") >= looks / 3, "{entries:?}");
    // And some lines that say what is waited for look at the heartbeat of the process that makes the plan.
    assert!(entries.len() <= looks + looks / 3 + 32, "{} requests for {looks} looks", entries.len());
    let each_second = 1_000 * entries.len() / (30 * 60);
    assert!(each_second <= 300, "{each_second} requests in a second of 1,000 pods");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_found_within_ten_seconds_of_its_making() {
    let (settings, _folder) = waiting();
    let world = World::new(4, 2);
    let plan = serde_json::to_vec(&world.plan).unwrap();
    let began = Instant::now();
    let made_at = Duration::from_secs(601);
    let making = async {
        tokio::time::sleep(made_at).await;
        world.run_blobs.insert("rogo/plan.json", plan);
    };
    let (found, ()) = tokio::join!(await_plan(&settings, &world.store), making);
    assert_eq!(found.unwrap().id, world.plan.id);
    assert!(began.elapsed() <= made_at + Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_wait_within_half_a_minute_and_at_its_end() {
    // The second is written in the last pause before the wait is over.
    for made_at in [601, 30 * 60 - 1].map(Duration::from_secs) {
        let (settings, _folder) = waiting();
        let world = World::new(4, 2);
        let refusal =
            r#"{"at": "2026-01-01T00:00:00Z", "exit_code": 65, "reasons": ["a header is missing"]}"#;
        let began = Instant::now();
        let making = async {
            tokio::time::sleep(made_at).await;
            world.run_blobs.insert("rogo/refused/1-abc.json", refusal);
        };
        let (ended, ()) = tokio::join!(await_plan(&settings, &world.store), making);
        let stop = ended.unwrap_err();
        assert_eq!(stop.exit, Exit::Configuration, "{stop}");
        assert!(stop.message.contains("the plan was refused: a header is missing"), "{stop}");
        assert!(began.elapsed() <= made_at + Duration::from_secs(30), "{:?}", began.elapsed());
    }
}
