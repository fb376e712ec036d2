//! Proves that verify finds what is wrong: corruptions are planted one at a time in copies of rows of the run, and each
//! has to be found by the check that should find it, and by no other.

pub mod files;
mod kinds;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;

use self::{
    files::{Places, test_files},
    kinds::{Kind, Whose, kinds},
};
use super::{
    pass::{Prepared, World},
    run::look_at_prepared,
    table::CheckId,
};
use crate::{
    domain::{AttemptId, Fate, Level, SubmissionIds, form::Layout},
    exit::{Exit, Stop},
    ports::{Table, TargetCopies},
};

/// Submissions that are copied at most.
const MOST: i64 = 200;
/// Why a kind finds no row to be planted in.
const FEW: &str = "the run holds too few rows";
/// Migrated attempts among which they are chosen.
const AMONG: usize = 20_000;

/// A kind of corruption and what found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was wrong.
    pub kind: String,
    /// The table whose rows it changes.
    pub planted_in: String,
    /// Names of the checks that have to find it.
    pub expected: Vec<&'static str>,
    /// Names of the checks that found it; `None`: the copies hold no row to plant it in.
    pub found_by: Option<Vec<&'static str>>,
    /// Whether a check that has to find it did not.
    pub missed: bool,
    /// Whether another check, or another submission, was found.
    pub surprise: bool,
    /// Found as it should be.
    pub ok: bool,
}

/// What a self-test shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    /// The level whose checks were tried.
    pub level: Level,
    /// Submissions that were copied.
    pub submissions: usize,
    /// Kinds of corruption that were planted.
    pub planted: usize,
    /// Kinds that a check missed.
    pub missed: usize,
    /// Kinds at which something else was found.
    pub surprises: usize,
    /// Kinds for which the run holds too few rows, or that change what `--target-alters` leaves out.
    pub not_planted: Vec<String>,
    /// Why kinds could not be planted, if it is not only that the run holds too few rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// A line for each kind.
    pub kinds: Vec<Line>,
}

struct Submission {
    attempt: AttemptId,
    launch: String,
}

/// Plants and looks for every kind. `world.target` and `copies` are one session. `images`: ids of enforcement rows that
/// the run changed and did not write.
pub async fn self_test(
    world: &World<'_>,
    copies: &dyn TargetCopies,
    images: &BTreeSet<String>,
    places: &Places<'_>,
) -> Result<SelfTest, Stop> {
    if let Err((role, database)) = copies.may_copy().await? {
        let message = format!(
            "verify --self-test copies rows into temporary tables, and {role} may not create any in {database}: it \
             lacks the right TEMPORARY on the database (grant temporary on database {database} to {role})"
        );
        return Err(Stop::new(Exit::Configuration, message));
    }
    let submissions = migrated(world)?;
    let ids: Vec<String> = submissions.keys().cloned().collect();
    let chosen = copies.copy(&ids, MOST).await?;
    let attempts: BTreeSet<AttemptId> =
        chosen.iter().filter_map(|id| submissions.get(id)).map(|one| one.attempt).collect();
    let prepared = Prepared::read(world, &attempts).await?;
    let (clean, unknown) = look_at_prepared(world, &prepared, images).await?;
    refuse_unclean(&clean, chosen.len())?;
    let (mut lines, mut are_few) = (Vec::new(), false);
    let layout = world.ground.layout;
    let is_left_out = |kind: &Kind| {
        kind.changes_any_of(layout.left_out()) || kind.found_by.iter().any(|check| unknown.contains(check))
    };
    for kind in kinds() {
        let is_left_out = is_left_out(&kind);
        let pair = if is_left_out { None } else { copies.pair(kind.fits).await? };
        are_few |= pair.is_none() && !is_left_out;
        let found = match pair {
            None => None,
            Some((one, other)) => {
                let [one, other] = [&one, &other].map(|id| submissions.get(id).map(|known| (id, known)));
                let (Some(one), Some(other)) = (one, other) else { continue };
                if copies.plant(&statement(&kind, one, other.0)).await? == 0 {
                    return Err(Stop::new(Exit::Bug, format!("{}: the statement changes no row", kind.name)));
                }
                let (found, _) = look_at_prepared(world, &prepared, images).await?;
                copies.restore().await?;
                Some((found, one.1.attempt, other.1.attempt))
            }
        };
        lines.push(line(&kind, found));
    }
    if !look_at_prepared(world, &prepared, images).await?.0.is_empty() {
        return Err(Stop::new(Exit::Bug, "the copies are not what they were before the first corruption"));
    }
    let (of_files, of_places) = test_files(world, places, &attempts).await?;
    lines.extend(of_files);
    Ok(SelfTest { remark: remark(layout, are_few, of_places), ..told(chosen.len(), lines) })
}

/// The copies have to be sound: else what is found was not planted.
fn refuse_unclean(clean: &BTreeSet<(Option<AttemptId>, CheckId)>, copied: usize) -> Result<(), Stop> {
    if clean.is_empty() {
        return Ok(());
    }
    let checks: BTreeSet<&str> = clean.iter().map(|(_, check)| check.check().name).collect();
    let message = format!(
        "the copies of {copied} submissions differ before anything is planted ({}): let `rogo-migrate verify` say what is \
         wrong in the target, and test again when it is VERIFIED",
        checks.into_iter().collect::<Vec<_>>().join(", ")
    );
    Err(Stop::new(Exit::Incomplete, message))
}

/// Why kinds could not be planted, if it is not only that the run holds too few rows.
fn remark(layout: &Layout, are_few: bool, of_places: Option<String>) -> Option<String> {
    let columns: Vec<String> = layout.left_out().map(ToString::to_string).collect();
    if columns.is_empty() {
        return of_places;
    }
    let altered = format!("--target-alters leaves out {}", columns.join(", "));
    let few = are_few.then(|| FEW.to_owned());
    Some([Some(altered), few, of_places].into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// Every kind, in the order in which they are planted: its name, where it is planted, the checks that have to find it.
pub fn table() -> Vec<(String, String, Vec<&'static str>)> {
    let line = |kind: Kind| {
        let checks = kind.demands().map(|check| check.check().name).collect();
        (kind.name, kind.planted_in, checks)
    };
    kinds().into_iter().chain(files::kinds()).map(line).collect()
}

/// Migrated attempts that have to stand, by the id of their submission.
fn migrated(world: &World<'_>) -> Result<BTreeMap<String, Submission>, Stop> {
    let mut found = BTreeMap::new();
    for bucket in 0..world.outcomes.buckets() {
        for (_, outcome) in world
            .outcomes
            .of(bucket, |earlier, later| world.standing.of(earlier, later))?
            .into_iter()
            .flatten()
        {
            let is_migrated = matches!(outcome.fate, Fate::Migrated(_));
            let attempt =
                outcome.attempt.filter(|attempt| is_migrated && !world.may_lack(outcome.row, *attempt));
            if let Some(attempt) = attempt {
                let ids = SubmissionIds::new(&world.ground.settings.lms_instance, attempt);
                let one = Submission { attempt, launch: ids.launch_id() };
                found.insert(ids.row(Table::Submissions.name(), 1), one);
            }
        }
        if found.len() >= AMONG {
            break;
        }
    }
    Ok(found)
}

fn statement(kind: &Kind, (id, one): (&String, &Submission), other: &str) -> String {
    kind.sql
        .replace("{s}", id)
        .replace("{o}", other)
        .replace("{l}", &one.launch)
        .replace("{a}", &one.attempt.to_string())
}

type Found = (BTreeSet<(Option<AttemptId>, CheckId)>, AttemptId, AttemptId);

fn line(kind: &Kind, found: Option<Found>) -> Line {
    let name = |check: &CheckId| check.check().name;
    let (mut missed, mut surprise, mut found_by) = (false, false, None);
    if let Some((found, one, other)) = found {
        let checks: BTreeSet<CheckId> = found.iter().map(|(_, check)| *check).collect();
        let whose: &[Option<AttemptId>] = match kind.whose {
            Whose::One => &[Some(one)],
            Whose::Two => &[Some(one), Some(other)],
            Whose::Nobody => &[None],
        };
        let has = |whose: &Option<AttemptId>, check: CheckId| found.contains(&(*whose, check));
        missed = !whose.iter().all(|whose| kind.demands().all(|check| has(whose, check)));
        let may =
            |check: &CheckId| kind.demands().any(|demanded| demanded == *check) || kind.may.contains(check);
        surprise = !found.iter().all(|(of, check)| may(check) && whose.contains(of));
        found_by = Some(checks.iter().map(name).collect());
    }
    Line {
        kind: kind.name.clone(),
        planted_in: kind.planted_in.clone(),
        expected: kind.demands().map(|check| name(&check)).collect(),
        ok: found_by.is_some() && !missed && !surprise,
        found_by,
        missed,
        surprise,
    }
}

fn told(submissions: usize, kinds: Vec<Line>) -> SelfTest {
    let of = |fits: fn(&&Line) -> bool| kinds.iter().filter(fits).count();
    SelfTest {
        level: Level::Content,
        submissions,
        remark: None,
        planted: of(|line| line.found_by.is_some()),
        missed: of(|line| line.missed),
        surprises: of(|line| line.surprise),
        not_planted: kinds
            .iter()
            .filter(|line| line.found_by.is_none())
            .map(|line| line.kind.clone())
            .collect(),
        kinds,
    }
}

impl SelfTest {
    /// How the test ends: 70 if verify is at fault, 69 if not every kind could be planted.
    pub fn exit(&self) -> Exit {
        match (self.missed + self.surprises, self.not_planted.len()) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Incomplete,
            _ => Exit::Bug,
        }
    }

    /// The result in a sentence.
    pub fn verdict(&self) -> String {
        let Self { planted, missed, surprises, submissions, not_planted, .. } = self;
        let mut told = format!(
            "self-test: {planted} kinds of corruption planted in copies of {submissions} submissions, \
             {missed} missed, {surprises} with a surprise"
        );
        if !not_planted.is_empty() {
            let why = self.remark.as_deref().unwrap_or(FEW);
            let _ = write!(told, "; not planted ({why}): {}", not_planted.join(", "));
        }
        told
    }

    /// A line for each kind.
    pub fn grid(&self) -> String {
        let head = format!("{:<50} {:<31} {:<5} expected / found by", "kind", "planted in", "ok");
        let of_kind = |line: &Line| {
            let found = line.found_by.as_ref().map_or("(not planted)".to_owned(), |found| found.join(", "));
            let ok = if line.ok { "yes" } else { "NO" };
            let expected = line.expected.join(", ");
            format!("{:<50} {:<31} {ok:<5} {expected} / {found}", line.kind, line.planted_in)
        };
        let lines = std::iter::once(head).chain(self.kinds.iter().map(of_kind));
        lines.chain([self.verdict()]).collect::<Vec<_>>().join("\n")
    }
}
