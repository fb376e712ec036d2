//! The rows of the inputs that name the attempt, by file and line, and the row as the run's queue holds it.

use super::{
    Run, Service,
    page::{Page, without_queries},
};
use crate::{
    domain::{AttemptId, Facts, InputDigest, MappingState, QueuedRow, ShardIndex, SubmissionRow},
    inputs::{InputError, Inputs},
    rules::needs_facts,
    run::facts::QueueWithFacts,
};

/// One row of `submission_files.csv`.
struct InputRow {
    number: u64,
    line: u64,
    cells: SubmissionRow,
}

/// One row of `attempt_number_mapping.csv`.
struct MappingLine {
    line: u64,
    unit_version: String,
    submission: String,
}

/// The rows of one input that name the attempt.
struct Named<T> {
    location: String,
    rows: Vec<T>,
    /// Why the file is not the one that the run read.
    changed: Option<String>,
}

/// What the two inputs say.
pub struct Found {
    submissions: Service<Named<InputRow>>,
    mapping: Service<Named<MappingLine>>,
}

/// A row of the queue, with its facts if the plan has facts files.
pub type Queued = (QueuedRow, Option<Facts>);

impl Found {
    /// Whether a row names the attempt; `None` if the input cannot be read, or is another file.
    pub fn names_it(&self) -> Option<bool> {
        let read = self.submissions.as_ref().ok().filter(|read| read.changed.is_none())?;
        Some(!read.rows.is_empty())
    }

    /// The section about the inputs.
    pub fn write(&self, page: &mut Page, run: &Run<'_>, queued: Result<&[Queued], &String>) {
        page.section("The input");
        write_named(page, "submission_files.csv", &self.submissions, |page, row, location| {
            page.say(&format!("row {}, line {} of {location}", row.number, row.line));
            write_cells(page, &row.cells);
        });
        match queued {
            Err(why) => page.not_available("the rows of the run's queue", why),
            Ok([]) => page.say("the run's queue does not hold it: it was left out by --limit, --attempts or --code, or is in no input"),
            Ok(rows) => {
                let is_shown = self.submissions.as_ref().is_ok_and(|read| !read.rows.is_empty());
                for (row, _) in rows {
                    write_queued(page, row, is_shown);
                }
            }
        }
        self.write_mapping(page, run, queued);
    }

    fn write_mapping(&self, page: &mut Page, run: &Run<'_>, queued: Result<&[Queued], &String>) {
        write_named(page, "attempt_number_mapping.csv", &self.mapping, |page, row, location| {
            page.say(&format!("line {} of {location}", row.line));
            page.field("Unit Code Version", &row.unit_version);
            page.field("Submission", &row.submission);
        });
        if let (Err(_), Ok([(row, _), ..])) = (&self.mapping, queued) {
            match &row.mapping {
                MappingState::Found(mapping) => {
                    page.say(&format!(
                        "the mapping, as the plan read it at {}",
                        super::page::time(run.plan.created_at)
                    ));
                    page.field("Unit Code Version", &mapping.unit_version);
                    page.field("Submission", &mapping.submission);
                }
                MappingState::Missing => {
                    page.say("the mapping did not name the attempt when the plan was made");
                }
                MappingState::Ambiguous => {
                    page.say("rows of the mapping that name the attempt differed when the plan was made");
                }
            }
        }
    }
}

/// The rows of one input, each by `write_row` with the input's location.
fn write_named<T>(
    page: &mut Page,
    input: &str,
    read: &Service<Named<T>>,
    write_row: impl Fn(&mut Page, &T, &str),
) {
    let read = match read {
        Ok(read) => read,
        Err(why) => return page.not_available(&format!("the lines of {input}"), why),
    };
    if let Some(changed) = &read.changed {
        page.say(changed);
    }
    if read.rows.is_empty() {
        page.say(&format!("no row of {} names the attempt", read.location));
    }
    for row in &read.rows {
        write_row(page, row, &read.location);
    }
}

fn write_queued(page: &mut Page, row: &QueuedRow, cells_are_shown: bool) {
    page.say(&format!("row {}, as the run's queue holds it", row.number));
    if let Some(newer) = row.newer_row {
        page.say(&format!("the newer row {newer} has the same Attempt ID"));
    }
    if let Some(held) = &row.held_launch_id {
        page.say(&format!("the target held it already when the plan was made, as {held}"));
    }
    if !cells_are_shown {
        write_cells(page, &row.cells);
    }
}

fn write_cells(page: &mut Page, cells: &SubmissionRow) {
    for (name, value) in cells.used() {
        if name.ends_with("URLs") {
            page.field(name, &without_queries(value));
        } else {
            page.field(name, value);
        }
    }
}

/// Reads both inputs to their ends.
pub async fn read(run: &Run<'_>, attempt: AttemptId) -> Found {
    let inputs = match &run.services.inputs {
        Ok(inputs) => inputs,
        Err(why) => return Found { submissions: Err(why.clone()), mapping: Err(why.clone()) },
    };
    let said = |error: InputError| error.to_string();
    Found {
        submissions: submissions(run, inputs, attempt).await.map_err(said),
        mapping: mapping(run, inputs, attempt).await.map_err(said),
    }
}

async fn submissions(
    run: &Run<'_>,
    inputs: &Inputs,
    attempt: AttemptId,
) -> Result<Named<InputRow>, InputError> {
    let (mut reader, columns) = inputs.submissions().await?;
    let place = reader.places("Attempt ID").next().unwrap_or_default();
    let mut rows = Vec::new();
    let mut number = 0;
    while let Some(record) = reader.next().await? {
        number += 1;
        if columns.attempt_id(record).parse() == Ok(attempt) {
            rows.push(InputRow { number, line: record.line(place), cells: columns.row(record) });
        }
    }
    Ok(Named {
        location: reader.location().to_owned(),
        rows,
        changed: changed(&run.plan.submissions, &reader.digest()),
    })
}

async fn mapping(
    run: &Run<'_>,
    inputs: &Inputs,
    attempt: AttemptId,
) -> Result<Named<MappingLine>, InputError> {
    let (mut reader, columns) = inputs.mapping().await?;
    let place = reader.places("Attempt ID").next().unwrap_or_default();
    let mut rows = Vec::new();
    while let Some(record) = reader.next().await? {
        let row = columns.row(record);
        if AttemptId::from_number(row.attempt_id) == Ok(attempt) {
            rows.push(MappingLine {
                line: record.line(place),
                unit_version: row.unit_version.to_owned(),
                submission: row.submission.to_owned(),
            });
        }
    }
    Ok(Named {
        location: reader.location().to_owned(),
        rows,
        changed: changed(&run.plan.mapping, &reader.digest()),
    })
}

fn changed(then: &InputDigest, now: &InputDigest) -> Option<String> {
    ((&then.sha256, then.size_bytes) != (&now.sha256, now.size_bytes)).then(|| {
        format!(
            "{} is not the file that the run read ({} bytes then, {} now): what follows is of this file",
            now.location, then.size_bytes, now.size_bytes
        )
    })
}

/// The attempt's rows in the queue of `shard`, or in all queues, newest first.
pub async fn queued(run: &Run<'_>, attempt: AttemptId, shard: Option<ShardIndex>) -> Service<Vec<Queued>> {
    let shards = u32::try_from(run.plan.shards.len()).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    for index in (0..shards).map(ShardIndex).filter(|index| shard.is_none_or(|one| one == *index)) {
        let read = of_shard(run, attempt, index).await;
        found.extend(read.map_err(|fault| fault.chain())?);
    }
    Ok(found)
}

async fn of_shard(
    run: &Run<'_>,
    attempt: AttemptId,
    shard: ShardIndex,
) -> Result<Vec<Queued>, crate::ports::Fault> {
    let mut queue = QueueWithFacts::open(run.store, run.plan, shard).await?;
    let mut found = Vec::new();
    // Facts are read for this attempt only; the reader passes over those of other rows.
    let is_asked = |row: &QueuedRow| row.attempt == Some(attempt) && needs_facts(row, &run.rules);
    while let Some((row, facts)) = queue.next(is_asked).await? {
        if row.attempt == Some(attempt) {
            found.push((row, facts));
        }
    }
    Ok(found)
}
