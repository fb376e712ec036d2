//! One pass over the rows of a run: expected values, stored rows, checks; in bounded memory, whatever the run's size.

mod chunk;
mod files;
mod lookups;
mod prepared;
mod tally;
mod watched;
mod world;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    blobs::{
        Storage,
        wanted::{WantedFile, wanted},
    },
    content::{Read, Reading},
    enforcement::Rules,
    expect::Expected,
    findings::{Findings, Found, Lack},
    run::tell,
    surplus::{BesideFailed, FailedAttempts, KnownSubmissions, OtherSubmissions},
    table::CheckId,
};
use crate::{
    domain::{AttemptId, Fate, Outcome, SubmissionRow},
    exit::Stop,
    inputs::{CsvReader, SubmissionColumns},
    ports::StoredRow,
    run::RowSet,
};
use chunk::check_chunk;
pub use files::collect_files;
pub use prepared::Prepared;
pub use tally::Tally;
pub use watched::{Look, Watched};
pub use world::World;

/// Rows that are looked up at a time.
const ROWS_AT_A_TIME: usize = 400;
/// Look-ups under way.
const UNDER_WAY: usize = 3;

/// What a pass leaves.
#[derive(Clone, Default)]
pub struct Passed {
    /// Counts of the pass.
    pub tally: Tally,
    /// The submissions that this run migrated.
    pub known: KnownSubmissions,
    /// The attempts whose rows failed.
    pub failed: FailedAttempts,
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
    /// The stored rows of its files.
    files: Vec<StoredRow>,
    /// Of a row that failed and is the newest of its attempt: submissions under launch ids that name the attempt.
    beside: Option<Vec<BesideFailed>>,
    findings: Findings,
}

impl Checked {
    /// Without the long texts that only the comparison needs: a part of many rows waits for those before it.
    fn without_texts(mut self) -> Self {
        if let Some(expected) = &mut self.expected {
            if let Ok(scores) = &mut expected.scores {
                *scores = Vec::new();
            }
            if let Ok(report) = &mut expected.report {
                report.notes = None;
            }
        }
        self
    }

    fn wanted_files(&self) -> Vec<WantedFile> {
        let (Some(expected), Fate::Migrated(outcome)) = (&self.expected, &self.item.outcome.fate) else {
            return Vec::new();
        };
        let stored = |id: &str| self.files.iter().find(|row| row.id() == id);
        wanted(self.item.number, expected, outcome, stored)
    }
}

/// Checks the rows of partitions, which have to come in rising order: the input is read once.
pub struct Pass<'w> {
    /// What it compares.
    pub world: &'w World<'w>,
    others: &'w OtherSubmissions,
    rows: Option<(CsvReader, SubmissionColumns)>,
    /// Reads the files of the rows, at level content.
    reading: Option<Reading<'w>>,
}

impl<'w> Pass<'w> {
    /// Opens the input.
    pub async fn begin(world: &'w World<'w>, others: &'w OtherSubmissions) -> Result<Self, Stop> {
        let rows = match world.inputs {
            Some((inputs, _)) => Some(inputs.submissions().await?),
            None => None,
        };
        Ok(Self { world, others, rows, reading: None })
    }

    /// Reads the files of the rows too, if that is asked for.
    #[must_use]
    pub fn with_files(self, storage: Option<&Storage<'w>>) -> Self {
        Self { reading: storage.and_then(Storage::reading), ..self }
    }

    /// What was read of the files since it was last asked for.
    pub fn read(&mut self) -> Option<Read> {
        self.reading.as_mut().map(Reading::take)
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
        // No look-up is under way while files are read: it would not be polled, and its deadline would pass.
        let at_once = if self.reading.is_some() { UNDER_WAY } else { chunks.len() };
        let mut chunks = chunks.into_iter().peekable();
        while chunks.peek().is_some() {
            let group: Vec<_> = chunks.by_ref().take(at_once).collect();
            let mut checked = stream::iter(group)
                .map(|chunk| async move { check_chunk(world, others, split, chunk).await })
                .buffered(UNDER_WAY);
            let (mut rows, mut files) = (0, Vec::new());
            let reads_files = self.reading.is_some() && world.ground.lacks_blob_names().is_none();
            while let Some(chunk) = checked.try_next().await? {
                let of_chunk = chunk.len() as u64;
                for one in chunk {
                    if reads_files {
                        files.extend(one.wanted_files());
                    }
                    passed.take(world, one, found);
                }
                match self.reading {
                    Some(_) => rows += of_chunk,
                    None => world.progress.compared(of_chunk),
                }
            }
            if let Some(reading) = &mut self.reading {
                let tally = &mut passed.tally;
                let mut each = |(row, attempt), findings| {
                    tell((row, attempt), findings, tally, &mut |_, one| found(one));
                };
                reading.read(files, &mut each).await?;
                world.progress.compared(rows);
            }
        }
        Ok(())
    }
}

impl Passed {
    fn take(&mut self, world: &World<'_>, one: Checked, found: &mut (dyn FnMut(Found) + Send)) {
        let Checked { item, expected, code, marks, beside, mut findings, .. } = one;
        self.tally.rows += 1;
        // As the results say it: what was rolled back, or accepted as lost, is a skip there.
        let is_taken_out = world.settled(item.number, item.attempt).is_some();
        let fate = match &item.outcome.fate {
            Fate::Migrated(_) if !is_taken_out => 0,
            Fate::Failed { .. } => 1,
            Fate::Migrated(_) | Fate::Skipped { .. } => 2,
        };
        if let Some(count) = self.tally.fates.get_mut::<usize>(fate) {
            *count += 1;
        }
        if let (Some(beside), Some(attempt)) = (beside, item.attempt) {
            self.failed.add(attempt, beside);
        }
        if world.attempts.is_some() {
            self.tally.met.extend(item.attempt);
        }
        if let Some(expected) = &expected {
            let files = expected.files.as_ref().map(Vec::len);
            self.known.add(&expected.ids, expected.attempt, files, marks);
            let code = code.as_deref().map_err(|lack| *lack);
            let of_row = (expected, &item.outcome);
            if let Some(lack) = self.rules.add(item.number, of_row, &world.ground, code) {
                findings.lacking(CheckId::EnforcementNewest, lack);
            }
        }
        self.tally.count((item.number, item.attempt), &findings);
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
    let mut slots = world.outcomes.of(bucket, |earlier, later| world.standing.of(earlier, later))?;
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
