//! All rows of the plan: a compact index in memory, the cells in a temporary file.

mod reading;

use std::ops::Range;

use super::{Counts, held::HeldAttempts, later::Later, mapping::MappingIndex};
use crate::{
    domain::{
        AttemptId, Decision, FailCode, Held, InputDigest, QueuedRow, ShardIndex, SkipCode, SubmissionRow,
    },
    ports::{Fault, TargetReader, on_threads, processors},
    rules::{RuleConfig, decide_without_facts, needs_facts},
    run::lines::{Place, Spooled, no_room, value_of},
};

/// The rows of a plan, oldest first.
pub struct Draft {
    /// What pins `submission_files.csv`.
    pub submissions: InputDigest,
    /// Index of the mapping by attempt.
    pub mapping: MappingIndex,
    /// Rows that the trial leaves out.
    pub left_out: u64,
    rows: Vec<Row>,
    /// Result of the rules for each row before its facts are known.
    early: Vec<Early>,
    /// Attempt and index of each of the input's rows, by both: the last of an attempt is its newest row.
    attempts: Vec<(AttemptId, u32)>,
    held: HeldAttempts,
    /// Rows that the owner leaves out, and what earlier runs moved.
    later: Later,
    /// Where the attempts begin that only an earlier run's input names, by attempt; all rows before are the input's.
    withdrawn_from: usize,
    /// [`SubmissionRow`]s as JSON; without a name, so that it goes with the process.
    spool: Spooled,
}

/// One row of the index.
struct Row {
    /// Position of the row's cells in the spool.
    place: Place,
    /// Number of the row among the CSV's data rows, from 1.
    number: u32,
    attempt: Option<AttemptId>,
}

// Three million of them are in memory.
const _: () = assert!(size_of::<Row>() == 24);

/// Result of the rules for a row before its facts are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Early {
    /// Its fate, while the target holds what it holds now; `None` if its facts decide.
    code: Option<EarlyCode>,
    /// Whether a facts file has a line for it.
    needs_facts: bool,
    /// Whether its facts are compared with what an earlier run moved.
    compared: bool,
}

/// A fate that needs no facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyCode {
    /// The row fails with this code.
    Fails(FailCode),
    /// The row is skipped with this code.
    Skips(SkipCode),
}

impl Early {
    fn of(row: &QueuedRow, rules: &RuleConfig) -> Self {
        let held = row.held_launch_id.clone().map_or(Held::Nothing, Held::Elsewhere);
        let code = match decide_without_facts(row, &held, rules) {
            Some(Decision::Fail(failure)) => Some(EarlyCode::Fails(failure.code)),
            Some(Decision::Skip(skip)) => Some(EarlyCode::Skips(skip.code)),
            // Before the run has started, the target holds nothing that it wrote.
            Some(Decision::Migrate(_) | Decision::Recover(_)) | None => None,
        };
        let compared = code.is_none() && row.earlier.is_some();
        Self { code, needs_facts: needs_facts(row, rules), compared }
    }
}

impl Draft {
    /// Asks the target once which attempts it holds, then applies the rules that need no facts to each row.
    pub async fn settle(&mut self, target: &dyn TargetReader, rules: &RuleConfig) -> Result<(), Fault> {
        let is_planned = |attempt| self.newest(attempt).is_some();
        self.held = HeldAttempts::read(target, &rules.lms_instance, is_planned).await?;
        let rows = self.rows.len();
        let part = rows.div_ceil(processors()).max(1);
        let parts = (0..rows).step_by(part).map(|first| first..rows.min(first + part));
        let mut early = Vec::with_capacity(rows);
        for part in on_threads(parts, |part| self.early(part, rules)) {
            early.extend(part?);
        }
        self.early = early;
        Ok(())
    }

    /// Of the rows of these indices, in order.
    fn early(&self, rows: Range<usize>, rules: &RuleConfig) -> Result<Vec<Early>, Fault> {
        let (first, mut early) = (rows.start, Vec::with_capacity(rows.len()));
        let places = self.rows.get(rows).into_iter().flatten().map(|row| row.place);
        self.spool.get_all(places, |cells| {
            early.push(Early::of(&self.with_cells(first + early.len(), cells)?, rules));
            Ok(())
        })?;
        Ok(early)
    }

    /// Rows in the plan.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Indices of the rows of `shard` of `shards`, in the order of its queue: newest first.
    pub fn queue(&self, shard: ShardIndex, shards: u32) -> impl Iterator<Item = usize> + use<> {
        let first = shard.place();
        let step = usize::try_from(shards.max(1)).unwrap_or(usize::MAX);
        let rows = self.rows.len();
        (first..rows).step_by(step).map(move |place| rows - 1 - place)
    }

    /// Place of the attempt's newest row in the reversed queue, where its facts will be needed.
    pub fn place_of_facts(&self, attempt: AttemptId) -> Option<u64> {
        let index = self.newest(attempt)?;
        self.needs_facts(index).then(|| self.len() - 1 - index as u64)
    }

    /// The row's attempt, if its facts belong into a facts file.
    pub fn facts_wanted(&self, index: usize) -> Option<AttemptId> {
        self.rows.get(index)?.attempt.filter(|_| self.needs_facts(index))
    }

    /// Whether the row may be migrated, as far as the plan knows; what the target holds is only compared, if at all.
    pub fn may_migrate(&self, index: usize) -> bool {
        self.early.get(index).is_some_and(|early| early.code.is_none() && !early.compared)
    }

    /// The row's cells, as read.
    pub fn cells(&self, index: usize) -> Result<SubmissionRow, Fault> {
        self.spool.get(self.row(index)?.place)
    }

    /// The row as its queue holds it, without hints.
    pub fn queued(&self, index: usize) -> Result<QueuedRow, Fault> {
        self.with_cells(index, self.cells(index)?)
    }

    /// The row as its queue holds it, without hints, and its cells as JSON text. The row has them only if an earlier run's are
    /// compared with them.
    pub fn queued_text(&self, index: usize) -> Result<(QueuedRow, Vec<u8>), Fault> {
        let text = self.spool.text(self.row(index)?.place)?;
        let cells = if self.later.comes_after() { value_of(&text)? } else { SubmissionRow::default() };
        Ok((self.with_cells(index, cells)?, text))
    }

    fn row(&self, index: usize) -> Result<&Row, Fault> {
        self.rows.get(index).ok_or_else(|| no_room(std::io::ErrorKind::NotFound.into()))
    }

    fn with_cells(&self, index: usize, cells: SubmissionRow) -> Result<QueuedRow, Fault> {
        let row = self.row(index)?;
        let newer_row = row
            .attempt
            .and_then(|attempt| self.newest(attempt))
            .filter(|newest| *newest != index)
            .and_then(|newest| self.rows.get(newest))
            .map(|newest| u64::from(newest.number));
        let mapping =
            row.attempt.map_or(crate::domain::MappingState::Missing, |attempt| self.mapping.state(attempt));
        let mut queued = QueuedRow {
            number: u64::from(row.number),
            attempt: row.attempt,
            newer_row,
            held_launch_id: row.attempt.and_then(|attempt| self.held.launch_id(attempt)),
            held_submission_id: row.attempt.and_then(|attempt| self.held.submission_id(attempt)),
            excluded: None,
            earlier: None,
            withdrawn: None,
            mapping,
            listed: Vec::new(),
            cells,
        };
        self.later.mark(&mut queued, index >= self.withdrawn_from)?;
        Ok(queued)
    }

    /// Numbers of rows by the result of the rules without facts.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { left_out: self.left_out, ..Counts::default() };
        for early in &self.early {
            counts.count(early.code);
            counts.compared += u64::from(early.compared);
        }
        counts
    }

    /// Attempts that only an earlier run's input names.
    pub fn withdrawn(&self) -> u64 {
        self.rows.len().saturating_sub(self.withdrawn_from) as u64
    }

    /// Rows that the owner leaves out, and what earlier runs moved.
    pub fn later(&self) -> &Later {
        &self.later
    }

    /// The newest rows whose facts decide, at most `most`.
    pub fn newest_eligible(&self, most: usize) -> Vec<usize> {
        let newest_first = self.early.iter().enumerate().rev();
        newest_first.filter(|(_, early)| early.code.is_none()).map(|(index, _)| index).take(most).collect()
    }

    fn newest(&self, attempt: AttemptId) -> Option<usize> {
        let after = self.attempts.partition_point(|(other, _)| *other <= attempt);
        let last = after.checked_sub(1).and_then(|last| self.attempts.get(last));
        if let Some((_, index)) = last.filter(|(found, _)| *found == attempt) {
            return usize::try_from(*index).ok();
        }
        let withdrawn = self.rows.get(self.withdrawn_from..)?;
        let at = withdrawn.binary_search_by_key(&Some(attempt), |row| row.attempt).ok()?;
        Some(self.withdrawn_from + at)
    }

    fn needs_facts(&self, index: usize) -> bool {
        self.early.get(index).is_some_and(|early| early.needs_facts)
    }
}
