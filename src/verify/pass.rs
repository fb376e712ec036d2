//! One pass over the rows of a run: expected values, stored rows, checks; in bounded memory, whatever the run's size.

mod chunk;
mod files;
mod lookups;
mod prepared;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    checks::Ground,
    enforcement::Rules,
    expect::Expected,
    facts::FactsSource,
    findings::{Findings, Found, Lack},
    mapping::InputIndex,
    progress::Progress,
    surplus::{KnownSubmissions, OtherSubmissions},
    table::{CHECKS, CheckId},
};
use crate::{
    domain::{AttemptId, Fate, Outcome, SkipCode, SubmissionRow, stands},
    exit::Stop,
    inputs::{CsvReader, Inputs, SubmissionColumns},
    ports::StoredTarget,
    run::{RowSet, outcomes::Outcomes},
};
use chunk::check_chunk;
pub use files::collect_files;
pub use prepared::Prepared;

/// Rows that are looked up at a time.
const ROWS_AT_A_TIME: usize = 400;
/// Look-ups under way.
const UNDER_WAY: usize = 3;

/// Everything that a pass compares.
pub struct World<'a> {
    /// What all checks share.
    pub ground: Ground<'a>,
    /// The two inputs and their index; `None` if they are not there.
    pub inputs: Option<(&'a Inputs, &'a InputIndex)>,
    /// Where facts come from.
    pub facts: &'a FactsSource<'a>,
    /// Reads stored rows.
    pub target: &'a dyn StoredTarget,
    /// Outcomes by row.
    pub outcomes: &'a Outcomes,
    /// Migrated attempts that the target may lack: a person has accepted that.
    pub may_lack: &'a BTreeSet<AttemptId>,
    /// Those of them that the result names as skipped, each with its code.
    pub settled: &'a BTreeMap<AttemptId, SkipCode>,
    /// The only attempts to verify; `None`: all.
    pub attempts: Option<&'a BTreeSet<AttemptId>>,
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// Counted up while rows are compared.
    pub progress: &'a Progress,
}

/// Counts of a pass.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Rows with an outcome that were looked at.
    pub rows: u64,
    /// Of them migrated, failed, skipped.
    pub fates: [u64; 3],
    /// Attempts that were met, if only some are asked for.
    pub met: BTreeSet<AttemptId>,
    /// Rows in which each check compared something, in the order of the table.
    pub compared: [u64; CHECKS.len()],
    /// Rows in which a check could not compare everything, by reason.
    pub lacking: BTreeMap<(CheckId, Lack), u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            rows: 0,
            fates: [0; 3],
            met: BTreeSet::new(),
            compared: [0; CHECKS.len()],
            lacking: BTreeMap::new(),
        }
    }
}

impl Tally {
    /// The checks that compared something, each with its number of rows.
    pub fn all_compared(&self) -> impl Iterator<Item = (CheckId, u64)> {
        CHECKS.iter().zip(self.compared).filter(|(_, rows)| *rows > 0).map(|(check, rows)| (check.id, rows))
    }

    /// Counts the findings about one row.
    pub fn count(&mut self, findings: &Findings) {
        for check in findings.all_compared() {
            self.compare(check, 1);
        }
        for (check, lack) in findings.all_lacking() {
            self.lack(check, lack, 1);
        }
    }

    /// A check compared something in so many rows.
    pub fn compare(&mut self, check: CheckId, rows: u64) {
        if let Some(compared) = self.compared.get_mut(check.index()) {
            *compared += rows;
        }
    }

    /// A check could not compare everything in so many rows.
    pub fn lack(&mut self, check: CheckId, lack: Lack, rows: u64) {
        *self.lacking.entry((check, lack)).or_default() += rows;
    }
}

/// What a pass leaves.
#[derive(Clone, Default)]
pub struct Passed {
    /// Counts of the pass.
    pub tally: Tally,
    /// The submissions that this run migrated.
    pub known: KnownSubmissions,
    /// The newest malpractice rules.
    pub rules: Rules,
}

/// One row to check.
#[derive(Clone)]
struct Item {
    number: u64,
    outcome: Outcome,
    attempt: Option<AttemptId>,
    cells: Option<SubmissionRow>,
    /// Whether it was decided from what inputs and warehouse hold now; why that is not known.
    source: Result<bool, Lack>,
}

/// A checked row.
struct Checked {
    item: Item,
    expected: Option<Expected>,
    /// Why the malpractice rule of the row cannot be known, else the assessment's code.
    code: Result<String, Lack>,
    marks: Option<usize>,
    findings: Findings,
}

/// Checks the rows of partitions, which have to come in rising order: the input is read once.
pub struct Pass<'w> {
    /// What it compares.
    pub world: &'w World<'w>,
    others: &'w OtherSubmissions,
    rows: Option<(CsvReader, SubmissionColumns)>,
}

impl<'w> Pass<'w> {
    /// Opens the input.
    pub async fn begin(world: &'w World<'w>, others: &'w OtherSubmissions) -> Result<Self, Stop> {
        let rows = match world.inputs {
            Some((inputs, _)) => Some(inputs.submissions().await?),
            None => None,
        };
        Ok(Self { world, others, rows })
    }

    /// Checks every row of the partition that has an outcome, or those of `only`; hands each difference to `found`.
    pub async fn part(
        &mut self,
        part: usize,
        only: Option<&RowSet>,
        passed: &mut Passed,
        found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<(), Stop> {
        let (world, others) = (self.world, self.others);
        let items = items(world, part, self.rows.as_mut(), only).await?;
        if items.is_empty() {
            return Ok(());
        }
        let split = world.facts.of_range(part).await?;
        let at_a_time = items.len().div_ceil(UNDER_WAY).clamp(1, ROWS_AT_A_TIME);
        let mut items = items.into_iter().peekable();
        let mut chunks = Vec::new();
        while items.peek().is_some() {
            chunks.push(items.by_ref().take(at_a_time).collect::<Vec<_>>());
        }
        let split = &split;
        let mut checked = stream::iter(chunks)
            .map(|chunk| async move { check_chunk(world, others, split, chunk).await })
            .buffered(UNDER_WAY);
        while let Some(chunk) = checked.try_next().await? {
            world.progress.compared(chunk.len() as u64);
            for one in chunk {
                passed.take(world, one, found);
            }
        }
        Ok(())
    }
}

impl Passed {
    fn take(&mut self, world: &World<'_>, one: Checked, found: &mut (dyn FnMut(Found) + Send)) {
        let Checked { item, expected, code, marks, mut findings } = one;
        self.tally.rows += 1;
        let fate = match &item.outcome.fate {
            Fate::Migrated(_) => 0,
            Fate::Failed { .. } => 1,
            Fate::Skipped { .. } => 2,
        };
        if let Some(count) = self.tally.fates.get_mut::<usize>(fate) {
            *count += 1;
        }
        if world.attempts.is_some() {
            self.tally.met.extend(item.attempt);
        }
        if let Some(expected) = &expected {
            let files = expected.files.as_ref().map(Vec::len);
            self.known.add(&expected.ids, expected.attempt, files, marks);
            let code = code.as_deref().map_err(|lack| *lack);
            if let Some(lack) = self.rules.add(item.number, expected, &world.ground, code) {
                findings.lacking(CheckId::EnforcementNewest, lack);
            }
        }
        self.tally.count(&findings);
        for difference in findings.differences {
            found(Found { row: Some(item.number), attempt: item.attempt, difference });
        }
    }
}

/// The rows of a partition that have an outcome and are asked for, each with its cells.
async fn items(
    world: &World<'_>,
    bucket: usize,
    rows: Option<&mut (CsvReader, SubmissionColumns)>,
    only: Option<&RowSet>,
) -> Result<Vec<Item>, Stop> {
    let mut slots = world.outcomes.of(bucket, stands)?;
    let (first, last) = world.outcomes.range(bucket);
    let asked = |number: u64, attempt: Option<AttemptId>| {
        only.is_none_or(|only| only.contains(number))
            && world
                .attempts
                .is_none_or(|attempts| attempt.is_some_and(|attempt| attempts.contains(&attempt)))
    };
    let mut items = Vec::new();
    let mut take = |number: u64, cells: Option<SubmissionRow>, attempt: Option<AttemptId>| {
        let place = usize::try_from(number - first).unwrap_or(usize::MAX);
        if let Some(outcome) = slots.get_mut(place).and_then(Option::take).map(|(_, outcome)| outcome) {
            let attempt = attempt.or(outcome.attempt);
            if asked(number, attempt) {
                items.push(Item { number, outcome, attempt, cells, source: Err(Lack::Inputs) });
            }
        }
    };
    match rows {
        None => (first..=last).for_each(|number| take(number, None, None)),
        Some((reader, columns)) => {
            while reader.rows() < last {
                let number = reader.rows() + 1;
                let Some(record) = reader.next().await? else { break };
                // A row of a partition that is not looked at.
                if number >= first {
                    let (cells, attempt) = (columns.row(record), columns.attempt_id(record).parse().ok());
                    take(number, Some(cells), attempt);
                }
            }
            // Attempts that only an earlier run's input names follow on this input's rows, with blank cells.
            ((reader.rows() + 1).max(first)..=last)
                .for_each(|number| take(number, Some(SubmissionRow::default()), None));
        }
    }
    Ok(items)
}
