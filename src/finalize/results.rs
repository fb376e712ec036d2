//! The result files: drafted on the local disk, published when everything is checked.

use std::{collections::BTreeSet, path::Path};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use super::{
    InputRow, InputRows,
    fold::Fold,
    lost::LostRows,
    merge::Merged,
    own_row::{changed, is_planned, own_row},
};
use crate::{
    domain::{AttemptId, Books, Fate, Outcome, text::equal_key},
    exit::{Exit, Stop},
    inputs::InputCell,
    ports::{Fault, Service, deadline::blocking},
    report::events::{Event, Events},
    run::{
        Came, Plan, ResultFile, RunStore,
        lines::no_room,
        names,
        purge::blank_but_id,
        receipts::{Folding, Receipts, program_digest},
        results::{self, BYTE_ORDER_MARK, CSV, CsvDraft},
    },
};

/// The CSVs that every finalized run has.
const FILES: [&str; 4] = [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES];
/// Outcomes between two words on how far the merge is.
const TOLD_EVERY: u64 = 100_000;

/// The CSVs as they will be published, and the books over them.
pub struct Drafts {
    /// Counts of the outcomes written.
    pub books: Books,
    /// What became of the named rows, but for those that the target lacks.
    pub examples: Came,
    /// Rows that the target lost.
    pub rows_lost: u64,
    /// Those of them of which another run's submission stands.
    pub rows_of_another_run: u64,
    /// When the newest of them was decided (UTC).
    pub last_outcome_at: Option<DateTime<Utc>>,
    /// The digest over all of them.
    pub receipts: Receipts,
    /// How the run went, as far as its outcomes tell.
    pub fold: Box<Fold>,
    folder: TempDir,
}

impl Drafts {
    /// Writes every outcome that stands to its file, and keeps those of the `named` rows. The input must be the plan's, to the
    /// byte.
    pub async fn write(
        plan: &Plan,
        merged: &Merged,
        lost: &mut LostRows,
        mut input: Box<dyn InputRows>,
        purged: &BTreeSet<AttemptId>,
        named: &BTreeSet<u64>,
        events: &Events,
    ) -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(no_room)?;
        let mut writers = Writers::create(folder.path(), input.as_ref())?;
        let (mut books, mut examples) = (Books::default(), Came::new());
        let mut last_outcome_at = None;
        let (mut rows_lost, mut rows_of_another_run) = (0, 0);
        let mut fold = Box::new(Fold::begin(plan)?);
        let mut folding = Folding::begin(plan, program_digest());
        let mut outcomes = stream::iter(1..).zip(merged.outcomes());
        while let Some((rows, outcome)) = outcomes.next().await {
            let (shard, mut outcome) = outcome?;
            if rows % TOLD_EVERY == 0 {
                events.tell(Event::MergeProgressed { rows, of: plan.rows });
            }
            last_outcome_at = last_outcome_at.max(Some(outcome.at));
            let row = own_row(input.as_mut(), &outcome, plan).await?;
            let is_absent = merged.is_lost(&outcome);
            if !is_absent && named.contains(&outcome.row) {
                examples.insert(outcome.row, outcome.fate.clone());
            }
            let is_lost = is_absent && !lost.settle(&mut outcome);
            folding.add(shard, &outcome, is_lost);
            fold.add(shard, &outcome, is_lost);
            if is_lost {
                let is_of_another = lost.is_of_another_run(&outcome);
                writers.lost(&outcome, is_of_another)?;
                rows_lost += 1;
                rows_of_another_run += u64::from(is_of_another);
                continue;
            }
            books.count(&outcome.fate);
            match &outcome.fate {
                Fate::Failed { code, message } => {
                    let row = row.ok_or_else(|| changed(plan))?;
                    writers.failed(what_stays(row, purged), &format!("{code}: {message}"))?;
                }
                _ => writers.other(&outcome)?,
            }
        }
        writers.finish()?;
        if !is_planned(input.as_mut(), plan).await? {
            return Err(changed(plan));
        }
        let receipts = folding.finish();
        Ok(Self { books, examples, rows_lost, rows_of_another_run, last_outcome_at, receipts, fold, folder })
    }

    /// What pins each of the files.
    pub fn pinned(&self) -> Result<Vec<ResultFile>, Fault> {
        let lost = self.of_lost().into_iter().filter_map(|(file, rows)| (rows > 0).then_some(file));
        FILES.into_iter().chain(lost).map(|file| results::pinned(self.folder.path(), file)).collect()
    }

    /// Puts the files into the run store, and into `out` where there is one, in the place of earlier ones.
    pub async fn publish(&self, store: &RunStore, out: Option<&Path>) -> Result<(), Stop> {
        for file in FILES {
            let draft = self.folder.path().join(file);
            results::publish(Some(store), out, file, &draft, CSV).await?;
        }
        for (file, rows) in self.of_lost() {
            if rows > 0 {
                let draft = self.folder.path().join(file);
                results::publish(Some(store), out, file, &draft, CSV).await?;
            } else {
                withdraw(store, out, file).await?;
            }
        }
        Ok(())
    }

    /// The files about lost rows, each with the number of its rows: one without a row is not published.
    fn of_lost(&self) -> [(&'static str, u64); 2] {
        [(names::LOST, self.rows_lost), (names::LOST_TO_ANOTHER, self.rows_of_another_run)]
    }
}

/// Removes a result of an earlier finalize that is no longer true.
async fn withdraw(store: &RunStore, out: Option<&Path>, file: &str) -> Result<(), Stop> {
    let name = names::result(file);
    if !store.exists(&name).await? {
        return Ok(());
    }
    store.delete(&[name]).await?;
    let Some(place) = out.map(|out| out.join(file)) else { return Ok(()) };
    let removed = place.clone();
    match blocking(Service::LocalDisk, move || Ok(std::fs::remove_file(removed))).await? {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let what =
                format!("{} is of an earlier finalize and cannot be removed: {error}", place.display());
            Err(Stop::new(Exit::Configuration, what))
        }
        _ => Ok(()),
    }
}

/// The cells of a failed row; of one that was purged its id only.
fn what_stays(row: InputRow, purged: &BTreeSet<AttemptId>) -> Vec<InputCell> {
    match row.attempt.filter(|attempt| purged.contains(attempt)) {
        Some(attempt) => blank_but_id(row.cells, attempt),
        None => row.cells,
    }
}

/// One writer per file.
struct Writers {
    migrated: CsvDraft,
    failed: CsvDraft,
    skipped: CsvDraft,
    notes: CsvDraft,
    lost: CsvDraft,
    lost_to_another: CsvDraft,
    error_column: usize,
}

impl Writers {
    fn create(folder: &Path, input: &dyn InputRows) -> Result<Self, Stop> {
        let header = input.header();
        let error_column = header.iter().position(|name| equal_key(name) == "Error").ok_or_else(|| {
            Stop::new(
                Exit::Configuration,
                "the submissions CSV has no column Error: it changed since the run began",
            )
        })?;
        let left = ["Attempt ID", "Row", "Code", "Detail"];
        let lost = ["Attempt ID", "Row", "Launch ID", "Written at"];
        Ok(Self {
            migrated: CsvDraft::create(
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
            failed: CsvDraft::create(&folder.join(names::FAILED), BYTE_ORDER_MARK, header)?,
            skipped: CsvDraft::create(&folder.join(names::SKIPPED), &[], left)?,
            notes: CsvDraft::create(&folder.join(names::NOTES), &[], left)?,
            lost: CsvDraft::create(&folder.join(names::LOST), &[], lost)?,
            lost_to_another: CsvDraft::create(&folder.join(names::LOST_TO_ANOTHER), &[], lost)?,
            error_column,
        })
    }

    fn failed(&mut self, mut cells: Vec<InputCell>, error: &str) -> Result<(), Fault> {
        if let Some(cell) = cells.get_mut(self.error_column) {
            *cell = InputCell { text: error.to_owned(), is_quoted: false };
        }
        self.failed.input_row(&cells)
    }

    fn other(&mut self, outcome: &Outcome) -> Result<(), Fault> {
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

    fn lost(&mut self, outcome: &Outcome, is_of_another: bool) -> Result<(), Fault> {
        let Fate::Migrated(migrated) = &outcome.fate else { return Ok(()) };
        let attempt = outcome.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        let written_at = outcome.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let row = [&attempt, &outcome.row.to_string(), &migrated.launch_id, &written_at];
        if is_of_another {
            self.lost_to_another.row(row)?;
        }
        self.lost.row(row)
    }

    fn finish(self) -> Result<(), Fault> {
        let Self { migrated, failed, skipped, notes, lost, lost_to_another, .. } = self;
        for table in [migrated, failed, skipped, notes, lost, lost_to_another] {
            table.finish()?;
        }
        Ok(())
    }
}
