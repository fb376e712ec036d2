//! How the run went, folded while its outcomes are merged: memory is bounded by shards, not by rows.

use std::{cmp::Reverse, collections::BTreeMap};

use hdrhistogram::Histogram;

use super::slices::Slices;
use crate::{
    domain::{Fate, Outcome, ShardIndex},
    exit::{Exit, Stop},
    run::{
        Course, Plan, PlanId, ResultFile, ShardCourse, SlowRow, StageCourse, WaitCourse, Waited, WorkerCourse,
    },
};

/// Rows that are kept as the slowest.
const SLOWEST: usize = 100;
/// Rows that are kept of each code.
const EXAMPLES: usize = 20;
/// Reasons to wait that are kept.
const WAITS: usize = 50;
/// Workers that are told apart.
const WORKERS: usize = 256;
/// Digits of a duration that count.
const DIGITS: u8 = 2;
/// The longest duration that is told apart, in milliseconds: a week.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// The course of a run, as far as its outcomes were added.
pub struct Fold {
    plan: PlanId,
    slices: Slices,
    stages: [(&'static str, Stage); 4],
    shards: Vec<ShardCourse>,
    workers: BTreeMap<usize, WorkerCourse>,
    /// By milliseconds and row: the fastest of the slowest stands first, and of several the last row.
    slowest: BTreeMap<(u64, Reverse<u64>), SlowRow>,
    examples: BTreeMap<&'static str, Vec<u64>>,
    waits: BTreeMap<String, WaitCourse>,
}

impl Fold {
    /// Nothing of this plan yet.
    pub fn begin(plan: &Plan) -> Result<Self, Stop> {
        let shards =
            plan.shards.iter().map(|shard| ShardCourse { rows: shard.rows, ..ShardCourse::default() });
        Ok(Self {
            plan: plan.id.clone(),
            slices: Slices::default(),
            stages: [
                ("gather", Stage::new()?),
                ("copy", Stage::new()?),
                ("commit", Stage::new()?),
                ("row", Stage::new()?),
            ],
            shards: shards.collect(),
            workers: BTreeMap::new(),
            slowest: BTreeMap::new(),
            examples: BTreeMap::new(),
            waits: BTreeMap::new(),
        })
    }

    /// Adds an outcome that stands; rows come in ascending order. `is_lost` if the target lacks what was migrated.
    pub fn add(&mut self, shard: ShardIndex, outcome: &Outcome, is_lost: bool) {
        let seen = Seen::of(outcome, is_lost);
        self.add_to_shard(shard, outcome, &seen);
        let slice = self.slices.at(outcome.at);
        match seen.kind {
            Kind::Migrated => slice.migrated += 1,
            Kind::Failed => slice.failed += 1,
            Kind::Skipped => slice.skipped += 1,
            Kind::Lost => {}
        }
        slice.bytes += seen.bytes;
        let number = outcome.worker.clamp(1, WORKERS);
        let worker = self.workers.entry(number).or_default();
        worker.worker = number;
        worker.rows += 1;
        worker.bytes += seen.bytes;
        worker.busy_ms += outcome.milliseconds;
        let [gather, copy, commit, row] = &mut self.stages;
        gather.1.count_if(outcome.gather_ms, outcome.gather_ms > 0);
        let was_sent = seen.was_sent;
        copy.1.count_if(seen.copy_ms, was_sent);
        commit.1.count_if(seen.commit_ms, was_sent);
        row.1.count_if(outcome.milliseconds, true);
        for code in seen.codes(outcome) {
            let rows = self.examples.entry(code).or_default();
            if rows.len() < EXAMPLES {
                rows.push(outcome.row);
            }
        }
        self.note_slow(shard, outcome, &seen);
    }

    fn add_to_shard(&mut self, shard: ShardIndex, outcome: &Outcome, seen: &Seen) {
        let Some(course) = self.shards.get_mut(shard.place()) else { return };
        match seen.kind {
            Kind::Migrated => course.migrated += 1,
            Kind::Failed => course.failed += 1,
            Kind::Skipped => course.skipped += 1,
            Kind::Lost => course.lost += 1,
        }
        course.bytes += seen.bytes;
        course.first = Some(course.first.map_or(outcome.at, |first| first.min(outcome.at)));
        course.last = course.last.max(Some(outcome.at));
        course.longest_ms = course.longest_ms.max(outcome.milliseconds);
    }

    /// Of rows that took equally long the first ones are kept.
    fn note_slow(&mut self, shard: ShardIndex, outcome: &Outcome, seen: &Seen) {
        let key = (outcome.milliseconds, Reverse(outcome.row));
        if self.slowest.len() >= SLOWEST {
            if self.slowest.first_key_value().is_none_or(|(fastest, _)| key <= *fastest) {
                return;
            }
            self.slowest.pop_first();
        }
        let row = SlowRow {
            row: outcome.row,
            shard,
            worker: outcome.worker,
            outcome: seen.code.to_owned(),
            milliseconds: outcome.milliseconds,
            copy_ms: seen.copy_ms,
            commit_ms: seen.commit_ms,
            files: seen.files,
            bytes: seen.bytes,
        };
        self.slowest.insert(key, row);
    }

    /// Adds a process's last heartbeat: that it lived, and when it waited.
    pub fn process(&mut self, shard: ShardIndex, waits: &[Waited]) {
        if let Some(course) = self.shards.get_mut(shard.place()) {
            course.processes += 1;
        }
        for wait in waits {
            let milliseconds = u64::try_from((wait.to - wait.from).num_milliseconds()).unwrap_or_default();
            self.slices.waited(wait);
            let state = wait.state.to_string();
            let course = self.waits.entry(state.clone()).or_insert_with(|| WaitCourse {
                state,
                milliseconds: 0,
                times: 0,
                from: wait.from,
                to: wait.to,
            });
            course.milliseconds += milliseconds;
            course.times += 1;
            course.from = course.from.min(wait.from);
            course.to = course.to.max(wait.to);
        }
    }

    /// The course of the run, with what pins its results.
    pub fn finish(self, results: Vec<ResultFile>) -> Course {
        let mut reasons: Vec<WaitCourse> = self.waits.into_values().collect();
        reasons.sort_by_key(|reason| Reverse(reason.milliseconds));
        reasons.truncate(WAITS);
        let (length_s, slices) = self.slices.finish();
        Course {
            format: Course::FORMAT,
            plan: self.plan,
            slice_s: length_s,
            slices,
            waits: reasons,
            stages: self
                .stages
                .into_iter()
                .filter_map(|(stage, durations)| durations.finish(stage))
                .collect(),
            shards: self.shards,
            workers: self.workers.into_values().collect(),
            slowest: self.slowest.into_values().rev().collect(),
            examples: self.examples.into_iter().map(|(code, rows)| (code.to_owned(), rows)).collect(),
            results,
            settings: BTreeMap::new(),
        }
    }
}

enum Kind {
    Migrated,
    Failed,
    Skipped,
    Lost,
}

/// What counts of an outcome.
struct Seen {
    kind: Kind,
    code: &'static str,
    was_sent: bool,
    copy_ms: u64,
    commit_ms: u64,
    files: u32,
    bytes: u64,
}

impl Seen {
    fn of(outcome: &Outcome, is_lost: bool) -> Self {
        let (kind, code) = match &outcome.fate {
            Fate::Migrated(_) if is_lost => (Kind::Lost, "lost"),
            Fate::Migrated(_) => (Kind::Migrated, "migrated"),
            Fate::Failed { code, .. } => (Kind::Failed, code.code()),
            Fate::Skipped { code, .. } => (Kind::Skipped, code.code()),
        };
        let mut seen = Self { kind, code, was_sent: false, copy_ms: 0, commit_ms: 0, files: 0, bytes: 0 };
        if let Fate::Migrated(migrated) = &outcome.fate {
            seen.was_sent = !migrated.recovered;
            (seen.copy_ms, seen.commit_ms) = (migrated.copy_ms, migrated.commit_ms);
            if !is_lost {
                (seen.files, seen.bytes) = (migrated.files, migrated.bytes);
            }
        }
        seen
    }

    /// The codes of which the row is an example: its own, and those of its notes.
    fn codes(&self, outcome: &Outcome) -> impl Iterator<Item = &'static str> {
        let notes = match &outcome.fate {
            Fate::Migrated(migrated) => migrated.notes.as_slice(),
            _ => &[],
        };
        let own = (!matches!(self.kind, Kind::Migrated)).then_some(self.code);
        let mut codes: Vec<&'static str> = notes.iter().map(|note| note.code.code()).chain(own).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.into_iter()
    }
}

/// Durations of one stage.
struct Stage {
    durations: Histogram<u64>,
    longest_ms: u64,
}

impl Stage {
    fn new() -> Result<Self, Stop> {
        let durations = Histogram::new_with_bounds(1, LONGEST_MS, DIGITS)
            .map_err(|error| Stop::new(Exit::Bug, format!("a histogram cannot be made: {error}")))?;
        Ok(Self { durations, longest_ms: 0 })
    }

    fn count_if(&mut self, milliseconds: u64, counts: bool) {
        if counts {
            self.durations.saturating_record(milliseconds);
            self.longest_ms = self.longest_ms.max(milliseconds);
        }
    }

    fn finish(self, stage: &str) -> Option<StageCourse> {
        let counts = self.durations.iter_recorded();
        let counts: Vec<(u64, u64)> =
            counts.map(|class| (class.value_iterated_to(), class.count_since_last_iteration())).collect();
        let stage = StageCourse { stage: stage.to_owned(), counts, longest_ms: self.longest_ms };
        (!stage.counts.is_empty()).then_some(stage)
    }
}
