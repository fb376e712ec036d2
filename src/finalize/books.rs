//! The books: every row of the plan has an outcome, or is missing and named.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};

use super::merge::Merged;
use crate::{
    domain::{Books, ShardIndex, shard_list},
    exit::{Exit, Stop},
    run::{
        Came, Course, Heartbeat, Lost, Plan, Prediction, RunStore, names,
        orphans::{Kept, Orphans},
        queue::NumbersReader,
        receipts::Receipts,
    },
};

/// Ranges of missing rows that are kept per shard; their number is exact whatever it is.
const RANGES_KEPT: usize = 100;
/// Ranges that a message shows.
const RANGES_SHOWN: usize = 10;

/// What the finalizer found and did.
#[derive(Debug)]
pub struct Totals {
    /// Rows in the plan: the denominator.
    pub rows: u64,
    /// Rows of the input outside of it (`--limit`, `--attempts`).
    pub rows_left_out: u64,
    /// Counts of the outcomes that stand.
    pub books: Books,
    /// What was predicted of the plan, if anything was.
    pub prediction: Option<Prediction>,
    /// Why a prediction of the plan cannot be read, if it cannot.
    pub unread_prediction: Option<String>,
    /// What became of the rows that it names.
    pub examples: Came,
    /// Rows without an outcome, by shard.
    pub missing: Vec<MissingRows>,
    /// Rows that the target lost.
    pub lost: Lost,
    /// When the newest of the outcomes that stand was decided (UTC).
    pub last_outcome_at: Option<DateTime<Utc>>,
    /// One digest over what became of every row.
    pub receipts: Receipts,
    /// How the run went, for the report.
    pub course: Box<Course>,
    /// Whether blobs of killed processes are still to be looked for, and removed.
    pub sweeping: bool,
    /// Blobs that were removed.
    pub orphans: Orphans,
    /// Blobs that a policy of the container keeps although no row names them.
    pub kept: Kept,
    /// Writers whose outcomes are in it.
    pub writers: usize,
    /// The last heartbeat of every process.
    pub beats: Vec<Heartbeat>,
    /// Why the sweep failed, if it did: orphans may be left, but the results are valid.
    pub unswept: Option<String>,
    /// When the books were balanced (UTC).
    pub balanced_at: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a person may type if rows are missing or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextLines<'a> {
    /// Runs the shards of missing rows again.
    pub rerun: &'a str,
    /// Moves lost rows again.
    pub redo: &'a str,
    /// Where the line runs that accepts that rows are lost, and that line.
    pub accept: &'a str,
}

/// Rows of one shard that have no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRows {
    /// The shard whose queue lists the rows.
    pub shard: ShardIndex,
    /// Number of rows without an outcome.
    pub rows: u64,
    /// First and last row of each range, ascending, at most a hundred ranges. Empty if the shard's queue is gone.
    pub ranges: Vec<(u64, u64)>,
    /// Whether the shard has a done marker although rows are missing: segments were removed by hand.
    pub marked_done: bool,
}

impl Totals {
    /// Rows without an outcome.
    pub fn rows_missing(&self) -> u64 {
        self.missing.iter().map(|missing| missing.rows).sum()
    }

    /// The shards to run again.
    pub fn incomplete_shards(&self) -> Vec<ShardIndex> {
        self.missing.iter().map(|missing| missing.shard).collect()
    }

    /// What may be done about lost rows.
    fn tell_ways_on(&self, store: &RunStore, next: NextLines<'_>, lines: &mut Vec<String>) {
        let of_another = self.lost.of_another_run;
        if of_another > 0 {
            lines.push(format!(
                "of {of_another} of them another run's submission stands ({} names them): --redo lost does not move these; \
                 accept that this run's are gone, or first roll these attempts of the other run back (rollback --attempts), then \
                 run finalize again",
                store.describe(&names::result(names::LOST_TO_ANOTHER))
            ));
        }
        if self.lost.redo_helps() {
            lines.push(format!("if the database lost them, move them again: {}", next.redo));
        }
        let when =
            if self.lost.redo_helps() { "if they were deleted on purpose" } else { "if that is right" };
        lines.push(format!("{when}, accept that, {}", next.accept));
    }

    /// The end of the process if rows are missing or lost: exit code 69 and a message that names the rows, their
    /// shards, and what to type next.
    pub fn incomplete(&self, store: &RunStore, next: NextLines<'_>) -> Option<Stop> {
        let mut lines = Vec::new();
        if !self.missing.is_empty() {
            self.tell_missing(store, next.rerun, &mut lines);
        }
        if self.lost.rows > 0 {
            lines.push(format!(
                "INCOMPLETE: {} of {} rows were migrated, and the target no longer holds them, in shard(s) {}: {} names \
                 them",
                self.lost.rows,
                self.rows,
                shard_list(&self.lost.shards),
                store.describe(&names::result(names::LOST))
            ));
            self.tell_ways_on(store, next, &mut lines);
        }
        (!lines.is_empty()).then(|| Stop::new(Exit::Incomplete, lines.join("\n")))
    }

    fn tell_missing(&self, store: &RunStore, rerun: &str, lines: &mut Vec<String>) {
        let shards = self.incomplete_shards();
        lines.push(format!(
            "INCOMPLETE: {} of {} rows have no outcome, in {} shard(s): {}",
            self.rows_missing(),
            self.rows,
            shards.len(),
            shard_list(&shards)
        ));
        for missing in &self.missing {
            lines.push(format!("  {missing}"));
            if missing.marked_done {
                let marker = store.describe(&names::done(missing.shard));
                lines.push(format!("    segments of it were removed by hand: remove {marker} too"));
            }
        }
        lines.push(format!("when the cause is mended, run them again: {rerun}"));
    }
}

impl fmt::Display for MissingRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}: {} row(s)", self.shard, self.rows)?;
        let mut shown = 0;
        for (index, (first, last)) in self.ranges.iter().take(RANGES_SHOWN).enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
            shown += last - first + 1;
        }
        match self.rows.saturating_sub(shown) {
            0 => Ok(()),
            _ if shown == 0 => f.write_str(" (its queue is gone)"),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The rows of the plan without an outcome. Queues are read only if the counts differ, because a finished run may have
/// deleted them.
pub async fn missing(store: &RunStore, plan: &Plan, merged: &Merged) -> Result<Vec<MissingRows>, Stop> {
    let mut missing = Vec::new();
    for (shard, planned) in (0..).map(ShardIndex).zip(&plan.shards) {
        let recorded = merged.recorded(shard);
        if recorded > planned.rows {
            return Err(contradiction(store, shard, recorded, planned.rows));
        }
        let rows = planned.rows - recorded;
        if rows == 0 {
            continue;
        }
        let ranges = match missing_in_queue(store, plan, shard, merged).await? {
            None => Vec::new(),
            Some(numbers) if numbers.len() as u64 == rows => ranges(numbers),
            Some(_) => return Err(contradiction(store, shard, recorded, planned.rows)),
        };
        let marked_done = store.done(&plan.id, shard).await?.is_some();
        missing.push(MissingRows { shard, rows, ranges, marked_done });
    }
    Ok(missing)
}

/// Refuses to continue if the counts do not add up to the plan's rows: that is a bug.
pub fn balance(plan: &Plan, books: &Books, missing: &[MissingRows], rows_lost: u64) -> Result<(), Stop> {
    let rows_missing: u64 = missing.iter().map(|missing| missing.rows).sum();
    if books.rows() + rows_missing + rows_lost == plan.rows {
        return Ok(());
    }
    let what = format!(
        "the books do not balance: {} migrated + {} failed + {} skipped + {rows_lost} lost + {rows_missing} missing are \
         not the plan's {} rows; nothing was written; please report it",
        books.migrated,
        books.rows_failed(),
        books.rows_skipped(),
        plan.rows
    );
    Err(Stop::new(Exit::Bug, what))
}

/// Numbers of the queue's rows without an outcome, newest first; `None` if there is no queue.
async fn missing_in_queue(
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    merged: &Merged,
) -> Result<Option<Vec<u64>>, Stop> {
    let Some(mut queue) = NumbersReader::open(store, plan, shard).await? else { return Ok(None) };
    let mut numbers = Vec::new();
    while let Some(number) = queue.next().await? {
        if !merged.contains(number) {
            numbers.push(number);
        }
    }
    Ok(Some(numbers))
}

fn ranges(mut numbers: Vec<u64>) -> Vec<(u64, u64)> {
    numbers.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges.truncate(RANGES_KEPT);
    ranges
}

fn contradiction(store: &RunStore, shard: ShardIndex, recorded: u64, planned: u64) -> Stop {
    let what = format!(
        "{} holds outcomes of rows that are not the shard's ({recorded} rows recorded, {planned} planned): segments of \
         another shard or run were put there",
        store.describe(&names::segments(shard))
    );
    Stop::new(Exit::Configuration, what)
}
