//! The result files: drafted on the local disk, published when everything is checked.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use chrono::{DateTime, SecondsFormat, Utc};
use csv::QuoteStyle;
use tempfile::TempDir;

use super::{InputRow, InputRows, lost::LostRows, merge::Merged};
use crate::{
    domain::{AttemptId, Books, Fate, Outcome},
    exit::{Exit, Stop},
    ports::PutOptions,
    run::{
        Plan, RunStore,
        lines::no_room,
        names, private,
        receipts::{Folding, Receipts, program_digest},
    },
};

const CSV: &str = "text/csv; charset=utf-8";
/// UTF-8's: it wins over `--encoding`, and Excel reads the file right.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Buffer of each file.
const BUFFER_BYTES: usize = 64 * 1024;
/// The CSVs as they will be published, and the books over them.
pub struct Drafts {
    /// Counts of the outcomes written.
    pub books: Books,
    /// Rows that the target lost.
    pub rows_lost: u64,
    /// When the newest of them was decided (UTC).
    pub last_outcome_at: Option<DateTime<Utc>>,
    /// The digest over all of them.
    pub receipts: Receipts,
    folder: TempDir,
}

impl Drafts {
    /// Writes every outcome that stands to its file. The input must be the plan's, to the byte.
    pub async fn write(
        plan: &Plan,
        merged: &Merged,
        lost: &mut LostRows,
        mut input: Box<dyn InputRows>,
    ) -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(no_room)?;
        let mut writers = Writers::create(folder.path(), input.as_ref())?;
        let mut books = Books::default();
        let mut last_outcome_at = None;
        let mut rows_lost = 0;
        let mut folding = Folding::begin(plan, program_digest());
        for outcome in merged.outcomes() {
            let (shard, mut outcome) = outcome?;
            last_outcome_at = last_outcome_at.max(Some(outcome.at));
            let row = row_of(input.as_mut(), outcome.row, plan).await?;
            same_attempt(&outcome, row.attempt)?;
            let is_lost = merged.is_lost(&outcome) && !lost.settle(&mut outcome);
            folding.add(shard, &outcome, is_lost);
            if is_lost {
                writers.lost(&outcome)?;
                rows_lost += 1;
                continue;
            }
            books.count(&outcome.fate);
            match &outcome.fate {
                Fate::Failed { code, message } => {
                    writers.failed(row.cells, &format!("{code}: {message}"))?;
                }
                _ => writers.other(&outcome)?,
            }
        }
        writers.finish()?;
        while input.next().await?.is_some() {}
        if input.sha256().is_none_or(|sha256| !sha256.eq_ignore_ascii_case(&plan.submissions.sha256)) {
            return Err(changed(plan));
        }
        let receipts = folding.finish();
        Ok(Self { books, rows_lost, last_outcome_at, receipts, folder })
    }

    /// Puts the files into the run store, and into `out` where there is one, in the place of earlier ones.
    pub async fn publish(&self, store: &RunStore, out: Option<&Path>) -> Result<(), Stop> {
        for file in [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES] {
            let draft = self.folder.path().join(file);
            publish_file(store, out, file, &draft, CSV).await?;
        }
        if self.rows_lost > 0 {
            let draft = self.folder.path().join(names::LOST);
            return publish_file(store, out, names::LOST, &draft, CSV).await;
        }
        withdraw(store, out, names::LOST).await
    }
}

/// Publishes a document that is in memory (`summary.json`, `report.html`).
pub async fn publish_document(
    store: &RunStore,
    out: Option<&Path>,
    file: &str,
    text: &str,
    content_type: &str,
) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(no_room)?;
    let draft = folder.path().join(file);
    tokio::fs::write(&draft, text).await.map_err(no_room)?;
    publish_file(store, out, file, &draft, content_type).await
}

/// Removes a result of an earlier finalize that is no longer true.
async fn withdraw(store: &RunStore, out: Option<&Path>, file: &str) -> Result<(), Stop> {
    let name = names::result(file);
    if !store.exists(&name).await? {
        return Ok(());
    }
    store.delete(&[name]).await?;
    let Some(place) = out.map(|out| out.join(file)) else { return Ok(()) };
    match tokio::fs::remove_file(&place).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let what =
                format!("{} is of an earlier finalize and cannot be removed: {error}", place.display());
            Err(Stop::new(Exit::Configuration, what))
        }
        _ => Ok(()),
    }
}

async fn publish_file(
    store: &RunStore,
    out: Option<&Path>,
    file: &str,
    draft: &Path,
    content_type: &str,
) -> Result<(), Stop> {
    let name = store.path(&names::result(file));
    store.blobs().put_file(&name, draft, &PutOptions::replace(content_type)).await?;
    let Some(out) = out else { return Ok(()) };
    copy_into(out, file, draft).await.map_err(|error| {
        let place = out.join(file);
        let what = format!(
            "cannot write {}: {error}; the run store holds it: {}",
            place.display(),
            store.describe(&names::result(file))
        );
        Stop::new(Exit::Configuration, what)
    })
}

/// A reader sees the earlier file or this one, never half of it.
async fn copy_into(out: &Path, file: &str, draft: &Path) -> std::io::Result<()> {
    let (out, file, draft) = (out.to_owned(), file.to_owned(), draft.to_owned());
    let copying = tokio::task::spawn_blocking(move || private::copy_whole(&draft, &out, &file));
    copying.await.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
}

/// Row `number`; rows are asked for in ascending order.
async fn row_of(input: &mut dyn InputRows, number: u64, plan: &Plan) -> Result<InputRow, Stop> {
    loop {
        match input.next().await? {
            Some(row) if row.number < number => {}
            Some(row) if row.number == number => return Ok(row),
            _ => return Err(changed(plan)),
        }
    }
}

/// Refuses an outcome that is not of its row: merged into it, it would tell another learner's result.
fn same_attempt(outcome: &Outcome, planned: Option<AttemptId>) -> Result<(), Stop> {
    if outcome.attempt == planned {
        return Ok(());
    }
    let named = |attempt: Option<AttemptId>| attempt.map_or("none".to_owned(), |attempt| attempt.to_string());
    let what = format!(
        "the outcome recorded for row {} is of attempt {}, and that row of the submissions CSV holds attempt {}: a \
         segment of another run was put into the run store; no result was written",
        outcome.row,
        named(outcome.attempt),
        named(planned)
    );
    Err(Stop::new(Exit::Configuration, what))
}

fn changed(plan: &Plan) -> Stop {
    let what = format!(
        "{} changed since the run began: bring back the file that was planned (SHA-256 {}), or start a run with \
         another name; no result was written",
        plan.submissions.location, plan.submissions.sha256
    );
    Stop::new(Exit::Configuration, what)
}

/// One writer per file.
struct Writers {
    migrated: Table,
    failed: Table,
    skipped: Table,
    notes: Table,
    lost: Table,
    error_column: usize,
}

impl Writers {
    fn create(folder: &Path, input: &dyn InputRows) -> Result<Self, Stop> {
        let header = input.header();
        let error_column = header.iter().position(|name| name.trim() == "Error").ok_or_else(|| {
            Stop::new(
                Exit::Configuration,
                "the submissions CSV has no column Error: it changed since the run began",
            )
        })?;
        let left = ["Attempt ID", "Row", "Code", "Detail"];
        Ok(Self {
            migrated: Table::create(
                &folder.join(names::MIGRATED),
                &[],
                [
                    "Attempt ID",
                    "Launch ID",
                    "Submission ID",
                    "Session Record ID",
                    "User ID",
                    "LTI Context ID",
                ],
            )?,
            failed: Table::create(&folder.join(names::FAILED), BYTE_ORDER_MARK, header)?,
            skipped: Table::create(&folder.join(names::SKIPPED), &[], left)?,
            notes: Table::create(&folder.join(names::NOTES), &[], left)?,
            lost: Table::create(
                &folder.join(names::LOST),
                &[],
                ["Attempt ID", "Row", "Launch ID", "Written at"],
            )?,
            error_column,
        })
    }

    fn failed(&mut self, mut cells: Vec<String>, error: &str) -> Result<(), Stop> {
        if let Some(cell) = cells.get_mut(self.error_column) {
            error.clone_into(cell);
        }
        self.failed.input_row(&cells)
    }

    fn other(&mut self, outcome: &Outcome) -> Result<(), Stop> {
        let attempt = outcome.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        let row = outcome.row.to_string();
        match &outcome.fate {
            Fate::Migrated(migrated) => {
                self.migrated.row([
                    &attempt,
                    &migrated.launch_id,
                    &migrated.submission_id,
                    &migrated.session_record_id,
                    &migrated.user_id,
                    &migrated.context_id,
                ])?;
                for note in &migrated.notes {
                    self.notes.row([&attempt, &row, note.code.code(), &note.detail])?;
                }
                Ok(())
            }
            Fate::Skipped { code, detail } => self.skipped.row([&attempt, &row, code.code(), detail]),
            // Needs the input's cells: `failed` writes it.
            Fate::Failed { .. } => Ok(()),
        }
    }

    fn lost(&mut self, outcome: &Outcome) -> Result<(), Stop> {
        let Fate::Migrated(migrated) = &outcome.fate else { return Ok(()) };
        let attempt = outcome.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        let written_at = outcome.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        self.lost.row([&attempt, &outcome.row.to_string(), &migrated.launch_id, &written_at])
    }

    fn finish(self) -> Result<(), Stop> {
        for table in [self.migrated, self.failed, self.skipped, self.notes, self.lost] {
            table.finish()?;
        }
        Ok(())
    }
}

struct Table(BufWriter<File>);

impl Table {
    fn create(
        path: &Path,
        mark: &[u8],
        header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self, Stop> {
        let mut file = private::create(path).map_err(no_room)?;
        file.write_all(mark).map_err(no_room)?;
        let mut table = Self(BufWriter::with_capacity(BUFFER_BYTES, file));
        table.row(header)?;
        Ok(table)
    }

    fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<(), Stop> {
        self.write(cells, QuoteStyle::Necessary)
    }

    /// A row that a next run reads: the word NULL is quoted, for without quotes it would be taken for an export's null.
    fn input_row(&mut self, cells: &[String]) -> Result<(), Stop> {
        let is_null = |cell: &String| cell.eq_ignore_ascii_case("null");
        let style = if cells.iter().any(is_null) { QuoteStyle::Always } else { QuoteStyle::Necessary };
        self.write(cells, style)
    }

    fn write(
        &mut self,
        cells: impl IntoIterator<Item = impl AsRef<[u8]>>,
        style: QuoteStyle,
    ) -> Result<(), Stop> {
        let mut line = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        line.write_record(cells).map_err(|error| no_room(error.into()))?;
        let line = line.into_inner().map_err(|error| no_room(error.into_error()))?;
        Ok(self.0.write_all(&line).map_err(no_room)?)
    }

    fn finish(mut self) -> Result<(), Stop> {
        Ok(self.0.flush().map_err(no_room)?)
    }
}
