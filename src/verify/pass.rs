//! One pass over the rows of a run: expected values, stored rows, checks; in bounded memory, whatever the run's size.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    checks::{self, AtTarget, Claim, Ground},
    enforcement::Rules,
    expect::{Expected, expect, files::expected_files_listed},
    facts::FactsSource,
    findings::{Findings, Found, Kind, Lack},
    mapping::InputIndex,
    outcomes::Outcomes,
    rows::StoredSubmission,
    surplus::{KnownSubmissions, OtherSubmissions},
    table::{CHECKS, CheckId},
};
use crate::{
    domain::{AttemptId, Facts, Fate, MappingState, Migrated, Outcome, SkipCode, SubmissionIds, SubmissionRow},
    exit::Stop,
    inputs::{CsvReader, Inputs, SubmissionColumns},
    ports::{Cell, Lookup, StoredTarget, Table},
    run::{RowSet, writers::of_blob},
};

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
    /// Stored rows.
    pub target: &'a dyn StoredTarget,
    /// Outcomes by row.
    pub outcomes: &'a Outcomes,
    /// Migrated attempts that the target may lack: a person has accepted that.
    pub may_lack: &'a BTreeSet<AttemptId>,
    /// The only attempts to verify; `None`: all.
    pub attempts: Option<&'a BTreeSet<AttemptId>>,
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
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
    /// Counts the findings about one row.
    pub fn count(&mut self, findings: &Findings) {
        for check in findings.all_compared() {
            if let Some(compared) = self.compared.get_mut(check.index()) {
                *compared += 1;
            }
        }
        for lack in findings.all_lacking() {
            *self.lacking.entry(lack).or_default() += 1;
        }
    }
}

/// What a pass leaves.
#[derive(Clone, Default)]
pub struct Passed {
    /// Counts.
    pub tally: Tally,
    /// The submissions that this run migrated.
    pub known: KnownSubmissions,
    /// The newest malpractice rules.
    pub rules: Rules,
}

/// One row to check.
struct Item {
    number: u64,
    outcome: Outcome,
    attempt: Option<AttemptId>,
    cells: Option<SubmissionRow>,
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

/// Checks every row with an outcome, or those of `only`; hands each difference to `found`.
pub async fn pass(
    world: &World<'_>,
    others: &OtherSubmissions,
    only: Option<&RowSet>,
    found: &mut (dyn FnMut(Found) + Send),
) -> Result<Passed, Stop> {
    let mut passed = Passed::default();
    let mut rows = match world.inputs {
        Some((inputs, _)) => Some(inputs.submissions().await?),
        None => None,
    };
    for bucket in 0..world.outcomes.buckets() {
        let items = items(world, bucket, rows.as_mut(), only).await?;
        if items.is_empty() {
            continue;
        }
        let split = world.facts.of_range(bucket)?;
        let mut items = items.into_iter().peekable();
        let mut chunks = Vec::new();
        while items.peek().is_some() {
            chunks.push(items.by_ref().take(ROWS_AT_A_TIME).collect::<Vec<_>>());
        }
        let split = &split;
        let mut checked = stream::iter(chunks)
            .map(|chunk| async move { check_chunk(world, others, split, chunk).await })
            .buffered(UNDER_WAY);
        while let Some(chunk) = checked.try_next().await? {
            for one in chunk {
                passed.take(world, one, found);
            }
        }
    }
    passed.known.finish();
    Ok(passed)
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

/// The rows of a range that have an outcome and are asked for, each with its cells.
async fn items(
    world: &World<'_>,
    bucket: usize,
    rows: Option<&mut (CsvReader, SubmissionColumns)>,
    only: Option<&RowSet>,
) -> Result<Vec<Item>, Stop> {
    let mut slots = world.outcomes.of(bucket)?;
    let (first, last) = world.outcomes.range(bucket);
    let asked = |number: u64, attempt: Option<AttemptId>| {
        only.is_none_or(|only| only.contains(number))
            && world.attempts.is_none_or(|attempts| attempt.is_some_and(|attempt| attempts.contains(&attempt)))
    };
    let mut items = Vec::new();
    let mut take = |number: u64, cells: Option<SubmissionRow>, attempt: Option<AttemptId>| {
        let place = usize::try_from(number - first).unwrap_or(usize::MAX);
        if let Some(outcome) = slots.get_mut(place).and_then(Option::take) {
            let attempt = attempt.or(outcome.attempt);
            if asked(number, attempt) {
                items.push(Item { number, outcome, attempt, cells });
            }
        }
    };
    match rows {
        None => (first..=last).for_each(|number| take(number, None, None)),
        Some((reader, columns)) => {
            while reader.rows() < last {
                let Some(record) = reader.next().await? else { break };
                let (cells, attempt) = (columns.row(record), columns.attempt_id(record).parse().ok());
                take(reader.rows(), Some(cells), attempt);
            }
        }
    }
    Ok(items)
}

async fn check_chunk(
    world: &World<'_>,
    others: &OtherSubmissions,
    split: &HashMap<AttemptId, Facts>,
    items: Vec<Item>,
) -> Result<Vec<Checked>, Stop> {
    let migrated: Vec<AttemptId> =
        items.iter().filter(|item| is_to_stand(world, item)).filter_map(|item| item.attempt).collect();
    let facts = world.facts.of(&migrated, split).await?;
    let prepared: Vec<(Item, Option<Expected>)> = items
        .into_iter()
        .map(|item| {
            let expected = item.attempt.filter(|_| is_to_stand(world, &item)).map(|attempt| {
                let mapping = world.inputs.map(|(_, index)| index.mapping(attempt));
                let facts = facts.as_ref().and_then(|facts| facts.get(&attempt));
                expect(attempt, item.cells.as_ref().zip(mapping.as_ref()), facts, world.ground.settings)
            });
            (item, expected)
        })
        .collect();
    let mut stored = stored(world, &prepared).await?;
    let checked = |(place, (item, expected)): (usize, (Item, Option<Expected>))| {
        let stored = stored.get_mut(place).map(std::mem::take).unwrap_or_default();
        check(world, others, item, expected, &stored)
    };
    Ok(prepared.into_iter().enumerate().map(checked).collect())
}

/// Whether the target has to hold the row.
fn is_to_stand(world: &World<'_>, item: &Item) -> bool {
    let accepted = item.attempt.is_some_and(|attempt| world.may_lack.contains(&attempt));
    matches!(item.outcome.fate, Fate::Migrated(_)) && !accepted
}

fn check(
    world: &World<'_>,
    others: &OtherSubmissions,
    item: Item,
    expected: Option<Expected>,
    stored: &StoredSubmission,
) -> Checked {
    let ground = &world.ground;
    let (mut code, mut marks) = (Err(Lack::Row), None);
    let mut findings = Findings::default();
    match (&item.outcome.fate, &expected) {
        (Fate::Migrated(migrated), Some(expected)) => {
            findings = checks::migrated(ground, expected, migrated, stored);
            single(world, others, expected.attempt, &mut findings);
            code = checks::code(ground, stored).map(str::to_owned);
            marks = expected.scores.as_ref().ok().map(Vec::len);
        }
        (Fate::Migrated(_), None) if item.attempt.is_none() => {
            findings.holds(CheckId::OutcomeIds, false, Kind::Other, || "the outcome of a row without an attempt id is migrated".to_owned());
        }
        (Fate::Migrated(_), None) => skipped(world, others, &item, SkipCode::DeletedInTarget, stored, &mut findings),
        (Fate::Failed { code, .. }, _) => {
            // A row without an attempt id cannot have been migrated.
            if let Some(attempt) = item.attempt {
                checks::failed(*code, at_target(world, others, attempt, stored), &mut findings);
            }
        }
        (Fate::Skipped { code, .. }, _) => skipped(world, others, &item, *code, stored, &mut findings),
    }
    Checked { item, expected, code, marks, findings }
}

fn single(world: &World<'_>, others: &OtherSubmissions, attempt: AttemptId, findings: &mut Findings) {
    let check = CheckId::SubmissionSingle;
    if world.ground.unreadable.contains(&Table::Submissions) {
        return findings.lacking(check, Lack::Table(Table::Submissions));
    }
    findings.holds(check, !others.has(attempt), Kind::Surplus, || {
        "assignment_submissions has a second submission of the attempt".to_owned()
    });
}

fn skipped(
    world: &World<'_>,
    others: &OtherSubmissions,
    item: &Item,
    code: SkipCode,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let Some(attempt) = item.attempt else {
        return findings.holds(CheckId::SkippedClaims, false, Kind::Other, || {
            format!("{code}: the row has no attempt id, and so cannot have been skipped")
        });
    };
    let mapping: Option<MappingState> = world.inputs.map(|(_, index)| index.mapping(attempt));
    let newest = world.inputs.map(|(_, index)| index.newest(attempt).filter(|newest| *newest > item.number));
    let claim = Claim {
        newer_row: newest,
        mapping: mapping.as_ref(),
        unit_versions: &world.ground.settings.unit_versions,
        target: at_target(world, others, attempt, stored),
    };
    checks::skipped(code, &claim, findings);
}

/// What stands of an attempt that this run did not migrate; `None` if that cannot be read.
fn at_target(
    world: &World<'_>,
    others: &OtherSubmissions,
    attempt: AttemptId,
    stored: &StoredSubmission,
) -> Option<AtTarget> {
    let needed = [Table::LaunchSessions, Table::Submissions, Table::Files];
    if needed.iter().any(|table| world.ground.unreadable.contains(table)) {
        return None;
    }
    let launch_id = SubmissionIds::new(&world.ground.settings.lms_instance, attempt).launch_id();
    let blob = Table::Files.place("azure_blob_name").unwrap_or_default();
    let writers: Vec<_> = stored.files.iter().filter_map(|row| of_blob(row.text(blob)?)).collect();
    let is_there = !stored.submissions.is_empty();
    let by_another = !writers.is_empty() && writers.iter().all(|writer| !world.ground.writers.contains(writer));
    let made = |row: &crate::ports::StoredRow| match Table::LaunchSessions.place("created_at").map(|place| row.at(place)) {
        Some(Cell::Time(at)) => *at >= world.planned_at,
        _ => true,
    };
    Some(AtTarget {
        of_this_run: (is_there && !by_another) || others.is_under(attempt, &launch_id),
        of_another: (is_there && by_another) || others.has(attempt),
        session_since_plan: !is_there && stored.launch_sessions.iter().any(made),
    })
}

/// The stored rows of each item, in the order of the items.
async fn stored(world: &World<'_>, prepared: &[(Item, Option<Expected>)]) -> Result<Vec<StoredSubmission>, Stop> {
    let mut all: Vec<StoredSubmission> = prepared.iter().map(|_| StoredSubmission::default()).collect();
    let mut asked: BTreeMap<Table, Vec<(String, usize)>> = BTreeMap::new();
    for (place, (item, expected)) in prepared.iter().enumerate() {
        let Some(attempt) = item.attempt else { continue };
        let ids = SubmissionIds::new(&world.ground.settings.lms_instance, attempt);
        let mut ask = |table: Table, value: String| asked.entry(table).or_default().push((value, place));
        let submission = ids.row(Table::Submissions.name(), 1);
        ask(Table::LaunchSessions, ids.launch_id());
        let files = files_of(item, expected.as_ref());
        for n in 1..=files {
            ask(Table::Files, ids.row(Table::Files.name(), n));
        }
        if let Some(expected) = expected {
            ask(Table::SessionRecords, ids.launch_id());
            ask(Table::Assignments, ids.row(Table::Assignments.name(), 1));
            for n in 1..=expected.scores.as_ref().map_or(0, Vec::len) {
                ask(Table::Marks, ids.row(Table::Marks.name(), n));
            }
            ask(Table::Grades, submission.clone());
        }
        ask(Table::Submissions, submission);
    }
    asked.retain(|table, _| !world.ground.unreadable.contains(table));
    let lookups: Vec<Lookup> = asked
        .iter()
        .map(|(table, values)| Lookup {
            table: *table,
            key: key(*table),
            values: values.iter().map(|(value, _)| value.clone()).collect(),
        })
        .collect();
    let found = world.target.rows(&lookups).await?;
    for ((table, values), rows) in asked.iter().zip(found) {
        let places: HashMap<&str, usize> = values.iter().map(|(value, place)| (value.as_str(), *place)).collect();
        let key = table.place(key(*table)).unwrap_or_default();
        for row in rows {
            let place = row.text(key).and_then(|value| places.get(value).copied());
            if let Some(one) = place.and_then(|place| all.get_mut(place)).and_then(|one| one.rows_mut(*table)) {
                one.push(row);
            }
        }
    }
    Ok(all)
}

/// The unique column by which a table is looked up.
fn key(table: Table) -> &'static str {
    match table {
        Table::LaunchSessions | Table::SessionRecords => "launch_id",
        Table::Grades => "submission_id",
        Table::Submissions | Table::Files | Table::Assignments | Table::Marks | Table::Enforcements => "id",
    }
}

/// How many files may stand under the item's ids.
fn files_of(item: &Item, expected: Option<&Expected>) -> usize {
    let listed = match (expected.and_then(|expected| expected.files.as_ref()), &item.cells) {
        (Some(files), _) => files.len(),
        (None, Some(cells)) => expected_files_listed(cells),
        (None, None) => 1,
    };
    let recorded = match &item.outcome.fate {
        Fate::Migrated(Migrated { files, .. }) => usize::try_from(*files).unwrap_or_default(),
        Fate::Failed { .. } | Fate::Skipped { .. } => 0,
    };
    listed.max(recorded)
}
