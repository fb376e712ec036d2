//! All rows of the plan: a compact index in memory, the cells in a temporary file.

use std::collections::HashMap;

use super::{Counts, mapping::MappingIndex, trial::Selection};
use crate::{
    domain::{
        AttemptId, Decision, FailCode, Held, InputDigest, QueuedRow, ShardIndex, SkipCode, SubmissionIds,
        attempt_of_launch_id,
    },
    exit::{Exit, Stop},
    inputs::Inputs,
    ports::{Fault, StandingSubmission, TargetReader},
    rules::{RuleConfig, decide_without_facts, needs_facts},
    run::lines::{Place, Spool, Spooled, no_room},
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
    /// Each row's attempt and index, by both: the last of an attempt is its newest row.
    attempts: Vec<(AttemptId, u32)>,
    /// Attempts that the target holds under the launch id that this program gives, sorted.
    held: Vec<AttemptId>,
    /// Attempts that it holds under another one, by attempt.
    held_otherwise: Vec<HeldOtherwise>,
    lms_instance: String,
    /// [`SubmissionRow`]s as JSON; without a name, so that it goes with the process.
    spool: Spooled,
}

/// An attempt that the target holds under a launch id of another program.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HeldOtherwise {
    attempt: AttemptId,
    launch_id: Box<str>,
    /// `None` if there are several of the attempt: it is not enough that this one is gone.
    submission_id: Option<Box<str>>,
}

/// One row of the index.
struct Row {
    /// Of its cells in the spool.
    place: Place,
    /// Of the CSV's data rows, from 1.
    number: u32,
    attempt: Option<AttemptId>,
}

/// Result of the rules for a row before its facts are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Early {
    /// Its fate, while the target holds what it holds now; `None` if its facts decide.
    code: Option<EarlyCode>,
    /// Whether a facts file has a line for it.
    needs_facts: bool,
}

/// A fate that needs no facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyCode {
    /// The row fails with this code.
    Fails(FailCode),
    /// The row is skipped with this code.
    Skips(SkipCode),
}

impl Draft {
    /// Reads both inputs once.
    pub async fn read(inputs: &Inputs, selection: &Selection, lms_instance: &str) -> Result<Self, Stop> {
        let mapping = MappingIndex::read(inputs).await?;
        let (mut reader, columns) = inputs.submissions().await?;
        let mut spool = Spool::new()?;
        let mut rows: Vec<Row> = Vec::new();
        // The newest row of each attempt that --code leaves out.
        let mut left: HashMap<AttemptId, u32> = HashMap::new();
        while let Some(record) = reader.next().await? {
            let attempt = columns.attempt_id(record).parse().ok();
            if !selection.takes(attempt) {
                continue;
            }
            let error = record.get(columns.error());
            let spooled =
                if selection.takes_error(error) { Some(spool.push(&columns.row(record))?) } else { None };
            let number = u32::try_from(reader.rows()).map_err(|_| {
                Stop::new(Exit::DataRefused, "more than 4,294,967,295 rows; split submission_files.csv")
            })?;
            match (spooled, attempt) {
                (Some(place), _) => rows.push(Row { place, number, attempt }),
                (None, Some(attempt)) => drop(left.insert(attempt, number)),
                (None, None) => {}
            }
        }
        let submissions = reader.digest();
        refuse_empty(&submissions)?;
        refuse_empty(&mapping.digest)?;
        selection.refuse_unmet(rows.iter().filter_map(|row| row.attempt).chain(left.keys().copied()))?;
        // Only the newest row of an attempt counts: if it is excluded, so are the older ones.
        let newer = |row: &Row| left.get(&row.attempt?).filter(|newer| **newer > row.number);
        rows.retain(|row| newer(row).is_none());
        selection.refuse_no_rows(rows.len())?;
        if let Some(limit) = selection.limit.and_then(|limit| usize::try_from(limit).ok()) {
            rows.drain(..rows.len().saturating_sub(limit));
        }
        rows.shrink_to_fit();
        Ok(Self {
            left_out: submissions.rows - rows.len() as u64,
            submissions,
            mapping,
            attempts: by_attempt(&rows),
            rows,
            early: Vec::new(),
            held: Vec::new(),
            held_otherwise: Vec::new(),
            lms_instance: lms_instance.to_owned(),
            spool: spool.finish()?,
        })
    }

    /// Asks the target once which attempts it holds, then applies the rules that need no facts to each row.
    pub async fn settle(&mut self, target: &dyn TargetReader, rules: &RuleConfig) -> Result<(), Fault> {
        self.mark_held(target).await?;
        self.early = (0..self.rows.len()).map(|index| self.early(index, rules)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn early(&self, index: usize, rules: &RuleConfig) -> Result<Early, Fault> {
        let row = self.queued(index)?;
        let held = row.held_launch_id.clone().map_or(Held::Nothing, Held::Elsewhere);
        let code = match decide_without_facts(&row, &held, rules) {
            Some(Decision::Fail(failure)) => Some(EarlyCode::Fails(failure.code)),
            Some(Decision::Skip(skip)) => Some(EarlyCode::Skips(skip.code)),
            // Before the run has started, the target holds nothing that it wrote.
            Some(Decision::Migrate(_) | Decision::Recover(_)) | None => None,
        };
        Ok(Early { code, needs_facts: needs_facts(&row, rules) })
    }

    async fn mark_held(&mut self, target: &dyn TargetReader) -> Result<(), Fault> {
        let mut held = Vec::new();
        let mut held_otherwise: Vec<HeldOtherwise> = Vec::new();
        target
            .launch_ids(&mut |submissions| {
                for StandingSubmission { launch_id, id } in submissions {
                    let Some(attempt) = attempt_of_launch_id(&launch_id) else { continue };
                    if self.newest(attempt).is_none() {
                        continue;
                    }
                    if launch_id == SubmissionIds::new(&self.lms_instance, attempt).launch_id() {
                        held.push(attempt);
                    } else {
                        held_otherwise.push(HeldOtherwise {
                            attempt,
                            launch_id: launch_id.into_boxed_str(),
                            submission_id: Some(id.into_boxed_str()),
                        });
                    }
                }
            })
            .await?;
        held.sort_unstable();
        held_otherwise.sort_unstable();
        held_otherwise.dedup_by(|another, kept| {
            let is_another = another.attempt == kept.attempt;
            if is_another {
                kept.submission_id = None;
            }
            is_another
        });
        self.held = held;
        self.held_otherwise = held_otherwise;
        Ok(())
    }

    /// Rows in the plan.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Indices of the rows of `shard` of `shards`, in the order of its queue: newest first.
    pub fn queue(&self, shard: ShardIndex, shards: u32) -> impl Iterator<Item = usize> + use<> {
        let first = usize::try_from(shard.0).unwrap_or(usize::MAX);
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

    /// The row as its queue holds it.
    pub fn queued(&self, index: usize) -> Result<QueuedRow, Fault> {
        let row = self.rows.get(index).ok_or_else(|| no_room(std::io::ErrorKind::NotFound.into()))?;
        let newer_row = row
            .attempt
            .and_then(|attempt| self.newest(attempt))
            .filter(|newest| *newest != index)
            .and_then(|newest| self.rows.get(newest))
            .map(|newest| u64::from(newest.number));
        let mapping =
            row.attempt.map_or(crate::domain::MappingState::Missing, |attempt| self.mapping.state(attempt));
        Ok(QueuedRow {
            number: u64::from(row.number),
            attempt: row.attempt,
            newer_row,
            held_launch_id: row.attempt.and_then(|attempt| self.held_launch_id(attempt)),
            held_submission_id: row
                .attempt
                .and_then(|attempt| self.held_otherwise(attempt)?.submission_id.as_deref())
                .map(str::to_owned),
            mapping,
            cells: self.spool.get(row.place)?,
        })
    }

    /// Numbers of rows by the result of the rules without facts.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { left_out: self.left_out, ..Counts::default() };
        for early in &self.early {
            counts.count(early.code);
        }
        counts
    }

    /// The newest rows whose facts decide, at most `most`.
    pub fn newest_eligible(&self, most: usize) -> Vec<usize> {
        let newest_first = self.early.iter().enumerate().rev();
        newest_first.filter(|(_, early)| early.code.is_none()).map(|(index, _)| index).take(most).collect()
    }

    fn newest(&self, attempt: AttemptId) -> Option<usize> {
        let after = self.attempts.partition_point(|(other, _)| *other <= attempt);
        let (found, index) = self.attempts.get(after.checked_sub(1)?)?;
        (*found == attempt).then_some(usize::try_from(*index).ok()?)
    }

    fn needs_facts(&self, index: usize) -> bool {
        self.early.get(index).is_some_and(|early| early.needs_facts)
    }

    fn held_launch_id(&self, attempt: AttemptId) -> Option<String> {
        if let Some(otherwise) = self.held_otherwise(attempt) {
            // The launch id that this program gives is looked up for every row in any case.
            return Some((*otherwise.launch_id).to_owned());
        }
        let is_held = self.held.binary_search(&attempt).is_ok();
        is_held.then(|| SubmissionIds::new(&self.lms_instance, attempt).launch_id())
    }

    fn held_otherwise(&self, attempt: AttemptId) -> Option<&HeldOtherwise> {
        let at = self.held_otherwise.binary_search_by_key(&attempt, |held| held.attempt).ok()?;
        self.held_otherwise.get(at)
    }
}

fn by_attempt(rows: &[Row]) -> Vec<(AttemptId, u32)> {
    // Numbers fit u32, so do indices.
    let mut attempts: Vec<(AttemptId, u32)> =
        (0_u32..).zip(rows).filter_map(|(index, row)| row.attempt.map(|attempt| (attempt, index))).collect();
    attempts.sort_unstable();
    attempts.shrink_to_fit();
    attempts
}

fn refuse_empty(input: &InputDigest) -> Result<(), Stop> {
    if input.rows > 0 {
        return Ok(());
    }
    let message = format!("{} holds a header and no rows; export it again", input.location);
    Err(Stop::new(Exit::DataRefused, message))
}
