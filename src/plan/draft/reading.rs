//! Both inputs, read side by side, and the rows that a trial or a later run takes of them.

use std::collections::HashMap;

use tokio_util::task::AbortOnDropHandle;

use super::{Draft, Row};
use crate::{
    domain::{AttemptId, InputDigest, SubmissionRow},
    exit::{Exit, Stop},
    inputs::Inputs,
    plan::{held::HeldAttempts, later::Later, mapping::MappingIndex, trial::Selection},
    ports::{joined, side_by_side},
    run::{lines::Spool, names},
};

impl Draft {
    /// Reads both inputs once. What is wrong with the mapping is told before what is wrong with the submissions. Attempts
    /// that only an earlier run's input names follow on the input's rows.
    pub async fn read(inputs: &Inputs, selection: &Selection, later: Later) -> Result<Self, Stop> {
        let (mapping, taken) = side_by_side(mapping(inputs), Taken::read(inputs, selection, later)).await?;
        if !is_failure_csv(&taken.submissions) {
            refuse_empty(&taken.submissions, NOTHING_FAILED)?;
        }
        refuse_empty(&mapping.digest, "")?;
        taken.draft(mapping, selection)
    }
}

/// Reads the mapping on a task of its own.
async fn mapping(inputs: &Inputs) -> Result<MappingIndex, Stop> {
    let inputs = inputs.clone();
    let reading = AbortOnDropHandle::new(tokio::spawn(async move { MappingIndex::read(&inputs).await }));
    Ok(joined(reading).await?)
}

/// The rows of `submission_files.csv` that are taken, oldest first.
struct Taken {
    submissions: InputDigest,
    rows: Vec<Row>,
    /// The newest row of each attempt that --code leaves out.
    left: HashMap<AttemptId, u32>,
    later: Later,
    spool: Spool,
}

impl Taken {
    async fn read(inputs: &Inputs, selection: &Selection, mut later: Later) -> Result<Self, Stop> {
        let (mut reader, columns) = inputs.submissions().await?;
        let mut spool = Spool::new()?;
        let mut rows: Vec<Row> = Vec::new();
        let mut left = HashMap::new();
        while let Some(record) = reader.next().await? {
            let attempt = columns.attempt_id(record).parse().ok();
            later.meet(attempt);
            if !selection.takes(attempt) {
                continue;
            }
            let error = record.get(columns.error());
            let spooled =
                if selection.takes_error(error) { Some(spool.push(&columns.cells(record))?) } else { None };
            let number = row_number(reader.rows())?;
            match (spooled, attempt) {
                (Some(place), _) => rows.push(Row { place, number, attempt }),
                (None, Some(attempt)) => drop(left.insert(attempt, number)),
                (None, None) => {}
            }
        }
        Ok(Self { submissions: reader.digest(), rows, left, later, spool })
    }

    fn draft(self, mapping: MappingIndex, selection: &Selection) -> Result<Draft, Stop> {
        let Self { submissions, mut rows, left, later, mut spool } = self;
        selection.refuse_unmet(rows.iter().filter_map(|row| row.attempt).chain(left.keys().copied()))?;
        // Only the newest row of an attempt counts: if it is excluded, so are the older ones.
        let newer = |row: &Row| left.get(&row.attempt?).filter(|newer| **newer > row.number);
        rows.retain(|row| newer(row).is_none());
        // That nothing failed is no wrong code.
        if submissions.rows > 0 {
            selection.refuse_no_rows(rows.len())?;
        }
        if let Some(limit) = selection.limit.and_then(|limit| usize::try_from(limit).ok()) {
            rows.drain(..rows.len().saturating_sub(limit));
        }
        let left_out = submissions.rows - rows.len() as u64;
        let withdrawn_from = rows.len();
        let attempts = by_attempt(&rows);
        if later.comes_after() && !selection.is_part() {
            let blank = spool.push(&SubmissionRow::<&str>::default())?;
            let follow = later.withdrawn(|attempt| is_named(&attempts, attempt));
            for (attempt, number) in follow.zip(submissions.rows + 1..) {
                rows.push(Row { place: blank, number: row_number(number)?, attempt: Some(attempt) });
            }
        }
        rows.shrink_to_fit();
        Ok(Draft {
            left_out,
            submissions,
            mapping,
            attempts,
            rows,
            early: Vec::new(),
            held: HeldAttempts::default(),
            later,
            withdrawn_from,
            spool: spool.finish()?,
        })
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

fn is_named(by_attempt: &[(AttemptId, u32)], attempt: AttemptId) -> bool {
    by_attempt.binary_search_by_key(&attempt, |(attempt, _)| *attempt).is_ok()
}

fn row_number(number: u64) -> Result<u32, Stop> {
    u32::try_from(number)
        .map_err(|_| Stop::new(Exit::DataRefused, "more than 4,294,967,295 rows; split submission_files.csv"))
}

/// Said of an empty export beside what to do.
const NOTHING_FAILED: &str =
    " (only a run's failure CSV, submissions_failed_migration.csv, may have no rows: nothing failed)";

/// Whether this is the failure CSV of a run, by its name: the columns of both files are the same.
fn is_failure_csv(input: &InputDigest) -> bool {
    input.location.rsplit(['/', '\\']).next() == Some(names::FAILED)
}

fn refuse_empty(input: &InputDigest, unless: &str) -> Result<(), Stop> {
    if input.rows > 0 {
        return Ok(());
    }
    let message = format!("{} holds a header and no rows; export it again{unless}", input.location);
    Err(Stop::new(Exit::DataRefused, message))
}
