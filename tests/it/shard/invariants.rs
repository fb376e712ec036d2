//! What the program checks of itself while it moves rows: each promise broken on purpose, by events that never should be.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use rogo_migrate::{
    domain::{Books, Fate, Migrated, ShardIndex, SkipCode},
    report::{
        events::{Beginning, Consumer, Ended, Event, Events, Invariant, Settled, StageTimes},
        invariants::{Broken, Invariants},
    },
    shard,
};

use crate::support::world::{TRY_A, TRY_B, World, migrated};

const SHARD: ShardIndex = ShardIndex(0);

fn begin(invariants: &Invariants, rows: u64) {
    let earlier = &Books::default();
    let beginning = Beginning { shard: SHARD, rows, last_row: 10, earlier, workers: 1 };
    take(invariants, &Event::ShardBegan(beginning));
}

fn take(invariants: &Invariants, event: &Event<'_>) {
    invariants.take(Instant::now(), event);
}

fn settle(invariants: &Invariants, row: u64) {
    let fate = &Fate::Skipped { code: SkipCode::DuplicateRow, detail: String::new() };
    let times = StageTimes::default();
    take(
        invariants,
        &Event::RowSettled(Settled { row, attempt: None, worker: 1, fate, times, breaker: None }),
    );
}

fn begin_and_settle(invariants: &Invariants, row: u64) {
    take(invariants, &Event::RowBegan { row });
    settle(invariants, row);
}

fn end(invariants: &Invariants, ended: Ended) {
    take(invariants, &Event::ShardEnded { shard: SHARD, ended });
}

/// Events that break one promise.
fn break_it(invariant: Invariant, invariants: &Invariants) {
    begin(invariants, 2);
    match invariant {
        Invariant::BooksBalance => {
            begin_and_settle(invariants, 1);
            end(invariants, Ended::Complete);
        }
        Invariant::OneOutcome => {
            take(invariants, &Event::RowBegan { row: 2 });
            begin_and_settle(invariants, 1);
            settle(invariants, 1);
        }
        Invariant::InFlight => settle(invariants, 1),
        Invariant::KnownRow => take(invariants, &Event::RowBegan { row: 11 }),
        Invariant::WithinShard => (1..=3).for_each(|row| begin_and_settle(invariants, row)),
        Invariant::StageTimes => {
            take(invariants, &Event::RowBegan { row: 1 });
            let fate = &Fate::Migrated(Migrated::default());
            let second = Some(Duration::from_secs(1));
            let whole = Duration::from_millis(1_900);
            let times = StageTimes { copy: second, commit: second, whole, ..StageTimes::default() };
            take(
                invariants,
                &Event::RowSettled(Settled { row: 1, attempt: None, worker: 1, fate, times, breaker: None }),
            );
        }
        Invariant::MigratedByStages => {
            take(invariants, &Event::RowBegan { row: 1 });
            let fate = &Fate::Migrated(Migrated::default());
            let times = StageTimes::default();
            take(
                invariants,
                &Event::RowSettled(Settled { row: 1, attempt: None, worker: 1, fate, times, breaker: None }),
            );
        }
        Invariant::BeginsOnce => begin(invariants, 2),
    }
}

/// Keeps the promises that it is told are broken.
#[derive(Default)]
struct Told(Mutex<Vec<Invariant>>);

impl Consumer for Told {
    fn take(&self, _: Instant, event: &Event<'_>) {
        if let Event::PromiseBroken { invariant, .. } = event {
            self.0.lock().unwrap().push(*invariant);
        }
    }
}

#[test]
fn each_broken_promise_is_counted_under_its_id_and_told_and_no_other() {
    for invariant in Invariant::ALL {
        let told = Arc::<Told>::default();
        let invariants = Invariants::new(Broken::Counted, &Events::to([told.clone() as Arc<dyn Consumer>]));
        break_it(invariant, &invariants);
        let violations: Vec<_> = invariants.violations().into_iter().collect();
        assert_eq!(violations, [(invariant.id().to_owned(), 1)]);
        assert_eq!(*told.0.lock().unwrap(), [invariant]);
    }
}

#[test]
fn what_the_end_of_a_shard_shows_is_counted_before_its_marker_is_made_and_once() {
    let invariants = Invariants::new(Broken::Counted, &Events::default());
    begin(&invariants, 2);
    begin_and_settle(&invariants, 1);
    invariants.completes();
    let expected = || [("books_balance".to_owned(), 1)].into();
    assert_eq!(invariants.violations(), expected());
    end(&invariants, Ended::Complete);
    assert_eq!(invariants.violations(), expected());
    invariants.completes();
    assert_eq!(invariants.violations()["shard_begins_once"], 1, "a shard that ends twice");
}

#[tokio::test]
async fn a_promise_that_is_broken_at_the_end_is_found_before_the_done_marker_stands() {
    let world = World::new(2, 1);
    world.record(TRY_B, &[migrated(2, 1), migrated(1, 1)]).await;
    let mut inputs = world.inputs(SHARD, TRY_A).await;
    inputs.recorded.books = Books::default();
    let panicked = AssertUnwindSafe(shard::run(inputs)).catch_unwind().await;
    assert!(panicked.is_err(), "a debug build panics");
    assert_eq!(world.store.done(&world.plan.id, SHARD).await.unwrap(), None);
}

#[test]
#[should_panic(expected = "invariant one_outcome is broken at row Some(1)")]
fn a_debug_build_panics() {
    break_it(Invariant::OneOutcome, &Invariants::of_this_build(&Events::default()));
}

#[test]
fn a_sound_shard_breaks_none() {
    let invariants = Invariants::of_this_build(&Events::default());
    begin(&invariants, 2);
    begin_and_settle(&invariants, 1);
    take(&invariants, &Event::RowBegan { row: 2 });
    take(&invariants, &Event::RowDropped { row: 2 });
    end(&invariants, Ended::Unfinished);
    assert!(invariants.violations().is_empty());
}

#[test]
fn every_promise_stands_in_the_architecture_document() {
    let text = include_str!("../../../ARCHITECTURE.md");
    let absent: Vec<_> =
        Invariant::ALL.iter().map(|invariant| invariant.id()).filter(|id| !text.contains(id)).collect();
    assert!(absent.is_empty(), "{absent:?}");
}
