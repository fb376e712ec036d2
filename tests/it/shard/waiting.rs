//! A process that waits before its first row shows that it lives, and for what it waits. The clock is tokio's.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rogo_migrate::{
    domain::ShardIndex,
    exit::{Exit, Stop},
    ports::{Fault, FaultKind, Service},
    report::{
        events::{Consumer, Event},
        observed::Observed,
    },
    run::State,
    shard::{keep::Heart, pace::Pace},
};
use tokio_util::sync::CancellationToken;

use crate::support::world::{TRY_A, World};

const NAME: &str = "heartbeats/0/0-aaaaaaaaaaaa.json";

/// The states that were told, as progress shows them.
#[derive(Default)]
struct Told(Mutex<Vec<State>>);

impl Consumer for Told {
    fn take(&self, _: Instant, event: &Event<'_>) {
        if let Event::StateChanged { state } = event {
            self.0.lock().unwrap().push((*state).clone());
        }
    }
}

/// A start that the database answers after so long; how it ended, and the states that were told.
async fn started(
    world: &World,
    answers_after: Duration,
    give_up_after: Duration,
) -> (Result<(), Stop>, Vec<State>) {
    let told = Arc::new(Told::default());
    let own: Arc<dyn Consumer> = told.clone();
    let observed = Observed::new(2, &world.events.and([own]));
    let pace = Pace::new(give_up_after, CancellationToken::new()).telling(&observed.events);
    let heart = Heart {
        store: &world.store,
        plan: &world.plan.id,
        shard: ShardIndex(0),
        writer: &TRY_A.parse().unwrap(),
        epoch: &"0".parse().unwrap(),
        rows: 2,
        pace: &pace,
        observed: &observed,
        gauge: &|| {},
    };
    let began = tokio::time::Instant::now();
    let ask = async || {
        if began.elapsed() < answers_after {
            return Err(Fault::new(Service::Database, FaultKind::Unavailable, "it is away"));
        }
        Ok(())
    };
    let start = async { pace.at_start(Service::Database, ask).await.map_err(Stop::from) };
    let ended = heart.beat_through(start).await;
    let states = told.0.lock().unwrap().clone();
    (ended, states)
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_a_service_gives_heartbeats_and_says_what_it_waits_for() {
    let world = World::new(2, 1);
    let beats = || world.journal.count(&format!("run: put rogo/{NAME}"));
    let watching = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(beats(), 1, "the first one comes soon");
        let beat = world.store.heartbeat(&world.plan.id, NAME).await.unwrap().unwrap();
        assert!(matches!(&beat.state, State::Waiting(why) if why.contains("it is away")), "{:?}", beat.state);
        assert_eq!((beat.rows, beat.books.rows()), (2, 0));
    };
    let ((ended, states), ()) =
        tokio::join!(started(&world, Duration::from_mins(5), Duration::from_mins(15)), watching);
    ended.unwrap();
    assert!(beats() >= 10, "at least one every half minute: {}", beats());
    assert!(states.iter().any(|state| matches!(state, State::Waiting(_))), "progress tells it: {states:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_gives_up_says_in_its_last_heartbeat_that_it_stopped() {
    let world = World::new(2, 1);
    let (ended, _) = started(&world, Duration::from_hours(1), Duration::from_mins(1)).await;
    assert_eq!(ended.unwrap_err().exit, Exit::Temporary);
    let beat = world.store.heartbeat(&world.plan.id, NAME).await.unwrap().unwrap();
    assert_eq!(beat.state, State::Stopped("stopped before its first row".into()));
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_wait_leaves_the_heartbeats_to_the_rows() {
    let world = World::new(2, 1);
    started(&world, Duration::ZERO, Duration::from_mins(1)).await.0.unwrap();
    assert_eq!(world.journal.count("heartbeats/"), 0);
}
