//! What must always hold while rows are moved, whatever the services do. Each promise has an id; a broken one is logged
//! and counted in every build, and ends a debug build with a panic.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::events::{Beginning, Consumer, Ended, Event, Events, Invariant, StageTimes};
use crate::{domain::Fate, run::RowSet};

/// How much the sum of a row's stages may exceed the row's own time: the clocks are read one after the other.
const TOLERANCE: Duration = Duration::from_millis(5);

/// What a broken promise leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is logged and counted.
    Counted,
    /// The process panics as well, so that no test overlooks it.
    Panics,
}

/// Checks the promises of one shard.
pub struct Invariants {
    broken: Broken,
    seen: Mutex<Seen>,
    /// Receives an event for each broken promise.
    events: Events,
}

struct Seen {
    rows: u64,
    earlier: u64,
    settled: RowSet,
    under_way: RowSet,
    ended: RowSet,
    life: Life,
    violations: BTreeMap<Invariant, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    NotBegun,
    UnderWay,
    /// Checked before its done marker is made, which tells what was found.
    Complete,
    Over,
}

impl Invariants {
    /// As the build says: debug builds panic.
    pub fn of_this_build(events: &Events) -> Self {
        Self::new(if cfg!(debug_assertions) { Broken::Panics } else { Broken::Counted }, events)
    }

    /// For a shard that has not begun. `events` receives broken promises; this is not one of its consumers.
    pub fn new(broken: Broken, events: &Events) -> Self {
        let seen = Seen {
            rows: 0,
            earlier: 0,
            settled: RowSet::new(0),
            under_way: RowSet::new(0),
            ended: RowSet::new(0),
            life: Life::NotBegun,
            violations: BTreeMap::new(),
        };
        Self { broken, seen: Mutex::new(seen), events: events.clone() }
    }

    /// How often each promise was broken, by its id; empty in a sound run.
    pub fn violations(&self) -> BTreeMap<String, u64> {
        self.seen().violations.iter().map(|(broken, times)| (broken.id().to_owned(), *times)).collect()
    }

    /// Checks what must hold of a shard that is complete, before its done marker is made: the marker tells it.
    pub fn completes(&self) {
        let found = self.seen().completes();
        self.breaks(found);
    }

    fn breaks(&self, found: Found) {
        for (invariant, row) in found {
            *self.seen().violations.entry(invariant).or_default() += 1;
            self.events.tell(Event::PromiseBroken { invariant, row });
            assert!(self.broken == Broken::Counted, "invariant {} is broken at row {row:?}", invariant.id());
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer for Invariants {
    fn take(&self, _: Instant, event: &Event<'_>) {
        let is_checked = matches!(
            event,
            Event::ShardBegan(_)
                | Event::RowBegan { .. }
                | Event::RowSettled(_)
                | Event::RowDropped { .. }
                | Event::ShardEnded { .. }
        );
        if !is_checked {
            return;
        }
        let found = self.seen().check(event);
        self.breaks(found);
    }
}

/// Broken promises and the rows that broke them.
type Found = Vec<(Invariant, Option<u64>)>;

impl Seen {
    fn check(&mut self, event: &Event<'_>) -> Found {
        match event {
            Event::ShardBegan(beginning) => self.begins(beginning),
            Event::RowBegan { row } => match self.under_way.insert(*row) {
                Err(_) => vec![(Invariant::KnownRow, Some(*row))],
                Ok(_) => Vec::new(),
            },
            Event::RowSettled(settled) => {
                let mut found = self.ends(settled.row);
                if self.settled.insert(settled.row) == Ok(false) {
                    found.push((Invariant::OneOutcome, Some(settled.row)));
                }
                if self.earlier + self.settled.len() > self.rows {
                    found.push((Invariant::WithinShard, Some(settled.row)));
                }
                let times = stages(settled.fate, &settled.times);
                found.extend(times.map(|broken| (broken, Some(settled.row))));
                found
            }
            Event::RowDropped { row } => self.ends(*row),
            Event::ShardEnded { ended, .. } => self.shard_ends(*ended),
            _ => Vec::new(),
        }
    }

    fn begins(&mut self, beginning: &Beginning<'_>) -> Found {
        let is_new = self.life == Life::NotBegun;
        (self.rows, self.earlier, self.life) = (beginning.rows, beginning.earlier.rows(), Life::UnderWay);
        for set in [&mut self.settled, &mut self.under_way, &mut self.ended] {
            *set = RowSet::new(beginning.last_row);
        }
        let within = self.earlier <= self.rows;
        let broken =
            [(!is_new).then_some(Invariant::BeginsOnce), (!within).then_some(Invariant::WithinShard)];
        broken.into_iter().flatten().map(|broken| (broken, None)).collect()
    }

    /// A row leaves the rows under way, of which it must have been one.
    fn ends(&mut self, row: u64) -> Found {
        if !self.under_way.contains(row) || self.ended.len() >= self.under_way.len() {
            return vec![(Invariant::InFlight, Some(row))];
        }
        // A second outcome of the row is another promise's matter.
        let _ = self.ended.insert(row);
        Vec::new()
    }

    fn completes(&mut self) -> Found {
        let mut found = Vec::new();
        if self.life != Life::UnderWay {
            found.push((Invariant::BeginsOnce, None));
        }
        if self.earlier + self.settled.len() != self.rows {
            found.push((Invariant::BooksBalance, None));
        }
        self.life = Life::Complete;
        found
    }

    fn shard_ends(&mut self, ended: Ended) -> Found {
        let found = match (self.life, ended) {
            (Life::Complete, _) | (Life::UnderWay, Ended::Unfinished) => Vec::new(),
            (Life::NotBegun | Life::Over, Ended::Unfinished) => vec![(Invariant::BeginsOnce, None)],
            (_, Ended::Complete) => self.completes(),
        };
        self.life = Life::Over;
        found
    }
}

fn stages(fate: &Fate, times: &StageTimes) -> Option<Invariant> {
    let sum = times.decide + times.copy.unwrap_or_default() + times.commit.unwrap_or_default();
    if sum > times.whole + TOLERANCE {
        return Some(Invariant::StageTimes);
    }
    match fate {
        Fate::Migrated(migrated)
            if !migrated.recovered && (times.copy.is_none() || times.commit.is_none()) =>
        {
            Some(Invariant::MigratedByStages)
        }
        _ => None,
    }
}
