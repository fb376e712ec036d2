//! The checks of a few hundred rows at a time: facts and stored rows are asked for at once.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};

use super::{
    Checked, Item, World,
    lookups::{OF_A_SUBMISSION, stored},
};
use crate::{
    domain::{AttemptId, Facts, FailCode, Fate, MappingState, SkipCode, SubmissionIds},
    exit::Stop,
    ports::{Cell, Table},
    run::writers::of_blob,
    verify::{
        checks::{self, AtTarget, Claim},
        expect::{Expected, expect},
        findings::{Findings, Kind, Lack},
        rows::StoredSubmission,
        surplus::OtherSubmissions,
        table::CheckId,
    },
};

/// Checks these rows, as many at a time as the size of their facts allows.
pub async fn check_chunk(
    world: &World<'_>,
    others: &OtherSubmissions,
    split: &HashMap<AttemptId, Facts>,
    items: Vec<Item>,
) -> Result<Vec<Checked>, Stop> {
    let mut checked = Vec::with_capacity(items.len());
    let mut waiting = VecDeque::from(items);
    while !waiting.is_empty() {
        let part = prepare_some(world, split, &mut waiting).await?;
        checked.extend(compare(world, others, part).await?.into_iter().map(Checked::without_texts));
    }
    Ok(checked)
}

/// The rows with what is expected of those that have to stand.
pub async fn prepare(
    world: &World<'_>,
    split: &HashMap<AttemptId, Facts>,
    items: Vec<Item>,
) -> Result<Vec<(Item, Option<Expected>)>, Stop> {
    let mut prepared = Vec::with_capacity(items.len());
    let mut waiting = VecDeque::from(items);
    while !waiting.is_empty() {
        prepared.append(&mut prepare_some(world, split, &mut waiting).await?);
    }
    Ok(prepared)
}

/// The first of these rows, with as many facts as are compared together.
async fn prepare_some(
    world: &World<'_>,
    split: &HashMap<AttemptId, Facts>,
    waiting: &mut VecDeque<Item>,
) -> Result<Vec<(Item, Option<Expected>)>, Stop> {
    let asked: Vec<AttemptId> = waiting.iter().filter_map(|item| asks(world, item)).collect();
    let facts = world.facts.of_first(&asked, split).await?;
    let has_warehouse = facts.is_some();
    let mut answers = facts.unwrap_or_default().into_iter();
    let mut prepared = Vec::new();
    while let Some(item) = waiting.pop_front() {
        let is_asked = has_warehouse && asks(world, &item).is_some();
        let facts = if is_asked { answers.next() } else { has_warehouse.then(Facts::default) };
        if is_asked && facts.is_none() {
            waiting.push_front(item);
            break;
        }
        prepared.push(prepare_one(world, item, facts.as_ref()));
    }
    Ok(prepared)
}

/// The attempt of which the warehouse is asked.
fn asks(world: &World<'_>, item: &Item) -> Option<AttemptId> {
    let took_facts = item.outcome.source.as_ref().is_some_and(|source| source.facts);
    item.attempt.filter(|_| took_facts || is_to_stand(world, item))
}

/// `facts` are `None` if there is no warehouse.
fn prepare_one(world: &World<'_>, mut item: Item, facts: Option<&Facts>) -> (Item, Option<Expected>) {
    let mapping = world
        .inputs
        .map(|(_, index)| item.attempt.map_or(MappingState::Missing, |attempt| index.mapping(attempt)));
    let row = item.cells.as_ref().zip(mapping.as_ref());
    let expected = item
        .attempt
        .filter(|_| is_to_stand(world, &item))
        .map(|attempt| expect(attempt, row, facts, world.ground.settings));
    item.source = checks::source(&item.outcome, row, facts);
    (item, expected)
}

/// Compares rows that are prepared with what is stored.
pub async fn compare(
    world: &World<'_>,
    others: &OtherSubmissions,
    prepared: Vec<(Item, Option<Expected>)>,
) -> Result<Vec<Checked>, Stop> {
    let mut stored = stored(world, &prepared).await?;
    let checked = |(place, (item, expected)): (usize, (Item, Option<Expected>))| {
        let stored = stored.get_mut(place).map(std::mem::take).unwrap_or_default();
        check(world, others, item, expected, stored)
    };
    Ok(prepared.into_iter().enumerate().map(checked).collect())
}

/// Whether the target has to hold the row.
pub fn is_to_stand(world: &World<'_>, item: &Item) -> bool {
    let may_lack = item.attempt.is_some_and(|attempt| world.may_lack(item.number, attempt));
    matches!(item.outcome.fate, Fate::Migrated(_)) && !may_lack
}

fn check(
    world: &World<'_>,
    others: &OtherSubmissions,
    item: Item,
    expected: Option<Expected>,
    rows: StoredSubmission,
) -> Checked {
    let (ground, stored) = (&world.ground, &rows);
    let (mut code, mut marks) = (Err(Lack::Row), None);
    let mut findings = Findings::default();
    let mut beside = None;
    match (&item.outcome.fate, &expected) {
        (Fate::Migrated(migrated), Some(expected)) => {
            findings = checks::migrated(ground, expected, migrated, stored);
            single(world, others, expected.attempt, &mut findings);
            checks::receipt(ground, expected, migrated, stored, &mut findings);
            code = checks::code(ground, stored).map(str::to_owned);
            marks = expected.scores.as_ref().ok().map(Vec::len);
        }
        (Fate::Migrated(_), None) if item.attempt.is_none() => {
            findings.holds(CheckId::OutcomeIds, false, Kind::Other, || {
                "the outcome of a row without an attempt id is migrated".to_owned()
            });
        }
        (Fate::Migrated(_), None) => {
            skipped(world, others, &item, SkipCode::DeletedInTarget, stored, &mut findings);
        }
        (Fate::Failed { code, .. }, _) => {
            // A row without an attempt id cannot have been migrated, and of two rows of an attempt the newest decides.
            if let Some(attempt) = item.attempt.filter(|attempt| !is_replaced(world, &item, *attempt)) {
                failed(world, *code, &at_target(world, others, attempt, stored), &mut findings);
                beside = Some(others.beside_failed(attempt, |launch_id| match code {
                    FailCode::RowInvalid => true,
                    FailCode::TargetRejected => launch_id == own_launch_id(world, attempt),
                    _ => false,
                }));
            }
        }
        (Fate::Skipped { code, .. }, _) => skipped(world, others, &item, *code, stored, &mut findings),
    }
    let check = CheckId::SourceUnchanged;
    match item.source {
        Err(lack) => findings.lacking(check, lack),
        Ok(holds) => findings.holds(check, holds, Kind::Other, || {
            "the row's cells, its mapping or the warehouse's facts are not those that it was decided from"
                .to_owned()
        }),
    }
    Checked { item, expected, code, marks, files: rows.files, beside, findings }
}

fn failed(world: &World<'_>, code: FailCode, target: &Result<AtTarget, Lack>, findings: &mut Findings) {
    let check = CheckId::FailedAbsent;
    for table in OF_A_SUBMISSION.iter().filter(|table| world.ground.unreadable.contains(table)) {
        findings.lacking(check, Lack::Table(*table));
    }
    // Only the inputs say whether a newer row of the attempt was migrated: an older one that is not sound fails all the same.
    let may_be_replaced = world.inputs.is_none() && code == FailCode::RowInvalid;
    if may_be_replaced && target.as_ref().is_ok_and(|target| *target != AtTarget::default()) {
        return findings.lacking(check, Lack::Inputs);
    }
    checks::failed(code, target, findings);
}

/// Whether the input has a newer row of the attempt, whose outcome says what the target has to hold of it.
fn is_replaced(world: &World<'_>, item: &Item, attempt: AttemptId) -> bool {
    world.inputs.and_then(|(_, index)| index.newest(attempt)).is_some_and(|newest| newest > item.number)
}

fn own_launch_id(world: &World<'_>, attempt: AttemptId) -> String {
    SubmissionIds::new(&world.ground.settings.lms_instance, attempt).launch_id()
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
        is_in_input: world.inputs.map(|(_, index)| index.newest(attempt).is_some()),
        mapping: mapping.as_ref(),
        unit_versions: &world.ground.settings.unit_versions,
        target: at_target(world, others, attempt, stored),
    };
    checks::skipped(code, &claim, findings);
}

/// The rows that the target holds of an attempt that this run did not migrate; why that is not known.
fn at_target(
    world: &World<'_>,
    others: &OtherSubmissions,
    attempt: AttemptId,
    stored: &StoredSubmission,
) -> Result<AtTarget, Lack> {
    let needed = [Table::LaunchSessions, Table::Submissions, Table::Files];
    if let Some(table) = needed.into_iter().find(|table| world.ground.unreadable.contains(table)) {
        return Err(Lack::Table(table));
    }
    // The names of its blobs say who wrote a submission.
    if let Some(lack) = world.ground.lacks_blob_names().filter(|_| !stored.files.is_empty()) {
        return Err(lack);
    }
    let launch_id = own_launch_id(world, attempt);
    let blob = Table::Files.place("azure_blob_name").unwrap_or_default();
    let writers: Vec<_> = stored.files.iter().filter_map(|row| of_blob(row.text(blob)?)).collect();
    let is_there = !stored.submissions.is_empty();
    let by_another =
        !writers.is_empty() && writers.iter().all(|writer| !world.ground.writers.contains(writer));
    let children = [Table::Files, Table::Assignments, Table::Marks, Table::Grades].into_iter();
    let stands = |table: &Table| !by_another && !stored.rows(*table).is_empty();
    Ok(AtTarget {
        of_this_run: (is_there && !by_another) || others.is_under(attempt, &launch_id),
        of_another: (is_there && by_another) || others.has(attempt),
        has_our_file: writers.iter().any(|writer| world.ground.writers.contains(writer)),
        session_since_plan: !is_there && sessions_since(world.planned_at, stored),
        leftover: children.filter(stands).collect(),
    })
}

/// Whether a launch session or session record stands that was made since.
fn sessions_since(planned_at: DateTime<Utc>, stored: &StoredSubmission) -> bool {
    let made = |table: Table| {
        let made_at = table.place("created_at");
        stored.rows(table).iter().any(|row| match made_at.map(|place| row.at(place)) {
            Some(Cell::Time(at)) => *at >= planned_at,
            _ => true,
        })
    };
    [Table::LaunchSessions, Table::SessionRecords].into_iter().any(made)
}
