//! What the program checks of itself while it moves rows: each promise broken on purpose, by events that never should be.

use std::time::{Duration, Instant};

use rogo_migrate::{
    domain::{Books, Fate, Migrated, ShardIndex, SkipCode},
    report::{
        events::{Beginning, Consumer, Ended, Event, Events, Settled, StageTimes},
        invariants::{Broken, Invariant, Invariants},
    },
};

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

#[test]
fn each_broken_promise_is_counted_under_its_id_and_no_other() {
    for invariant in Invariant::ALL {
        let invariants = Invariants::new(Broken::Counted, &Events::default());
        break_it(invariant, &invariants);
        let violations: Vec<_> = invariants.violations().into_iter().collect();
        assert_eq!(violations, [(invariant.id().to_owned(), 1)]);
    }
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
