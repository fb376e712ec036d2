//! A verification: one pass over all rows, one scan of each table, and a second look at what differs.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{
    blobs::{LookedAt, Storage, look_at_files, look_for_surplus_blobs},
    enforcement::Standing,
    findings::{Difference, Found, Kind, Lack},
    pass::{Passed, Prepared, Tally, World, pass},
    report::{Absent, Different, FailureCsv, Values, checks},
    selection::Accepted,
    surplus::{OtherSubmissions, Scan, SurplusRow},
    table::CheckId,
};
use crate::{
    domain::{AttemptId, Level},
    exit::Stop,
    ports::{Table, pause},
    run::{RowSet, VerifiedFiles, VerifyCheck, WriterId},
};

/// What a verification is asked to do beside comparing.
pub struct Task<'a> {
    /// How much is read.
    pub level: Level,
    /// How long after the first look a difference is looked at again.
    pub recheck: Duration,
    /// Changes that a person accepts.
    pub accepted: &'a BTreeMap<AttemptId, Accepted>,
    /// Whether values stand in the failure CSV.
    pub values: Values,
    /// Rows of the input.
    pub rows: u64,
    /// Ids of enforcement rows that this run changed and did not write.
    pub images: &'a BTreeSet<String>,
    /// Where the files lie, from level blobs on.
    pub storage: Option<Storage<'a>>,
}

/// What was found.
pub struct Verified {
    /// Counts of the first pass.
    pub tally: Tally,
    /// A line for each check.
    pub checks: Vec<VerifyCheck>,
    /// Differences that stand.
    pub differences: u64,
    /// Rows that they concern.
    pub rows_different: u64,
    /// Differences that went away.
    pub passed: u64,
    /// Differences that a person has accepted.
    pub accepted: u64,
    /// Attempts whose changes were accepted.
    pub accepted_attempts: BTreeSet<AttemptId>,
    /// `verification_failures.csv`.
    pub failures: tempfile::NamedTempFile,
    /// What was seen of the files, from level blobs on.
    pub files: Option<VerifiedFiles>,
    /// The manifest, at level content.
    pub manifest: Option<tempfile::NamedTempFile>,
}

/// What makes a difference the same when it is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Same {
    /// A check found something in a row.
    Row(u64, CheckId),
    /// A stored row that belongs to none.
    Stored(Table, String),
    /// A blob that belongs to none.
    Blob(String),
}

/// Compares everything; differences are looked at again after a while, and only what still stands is reported.
pub async fn verify(world: &World<'_>, task: &Task<'_>, absent: &Absent) -> Result<Verified, Stop> {
    let mut first: HashSet<Same> = HashSet::new();
    let mut rows = RowSet::new(task.rows);
    let mut each = |same, found: Found| {
        if let Some(row) = found.row {
            // A row beyond the input's cannot have an outcome.
            let _ = rows.insert(row);
        }
        first.insert(same);
    };
    let mut passed = look_at_rows(world, None, &mut each).await?;
    look_at_enforcements(world, task.images, &mut passed, &mut each).await?;
    look_for_surplus(world, &mut passed, &mut each).await?;
    let mut files = look_at_all_files(world, task, None, &mut passed.tally, &mut each).await?;
    let mut report = Report::new(task, Utc::now())?;
    if !first.is_empty() {
        let (differences, after_s) = (first.len(), task.recheck.as_secs());
        tracing::info!(differences, after_s, "differences are looked at again");
        pause(task.recheck).await;
        let mut failed = None;
        let is_of_files = |same: &Same| match same {
            Same::Row(_, check) => check.check().level > Level::Rows,
            Same::Stored(..) => false,
            Same::Blob(_) => true,
        };
        let has_files = first.iter().any(is_of_files);
        let has_surplus = first.iter().any(|same| matches!(same, Same::Stored(..)));
        let mut each = |same, found: Found| {
            if first.remove(&same) || report.stands.contains(&same) {
                report.stands.insert(same);
                failed = failed.take().or(report.add(&found).err());
            }
        };
        look_at_rows(world, Some(&rows), &mut each).await?;
        // The rules and submissions of all rows, not only of those that are looked at again; counted already.
        let mut again = Passed { tally: Tally::default(), ..passed.clone() };
        look_at_enforcements(world, task.images, &mut again, &mut each).await?;
        if has_surplus {
            look_for_surplus(world, &mut again, &mut each).await?;
        }
        if has_files {
            let later = look_at_all_files(world, task, Some(&rows), &mut again.tally, &mut each).await?;
            files = files.map(|files| files.then(later));
        }
        if let Some(fault) = failed {
            return Err(fault.into());
        }
    }
    let gone = first.len() as u64;
    let (files, absent, manifest) = match files {
        Some(files) => files.finish(absent)?,
        None => (None, absent.clone(), None),
    };
    let verified = report.end(task, passed.tally, &absent, gone)?;
    Ok(Verified { files, manifest, ..verified })
}

/// The files of all rows, or of those of `only`, and blobs that no row names; nothing at level rows.
async fn look_at_all_files(
    world: &World<'_>,
    task: &Task<'_>,
    only: Option<&RowSet>,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<Option<LookedAt>, Stop> {
    let Some(storage) = &task.storage else { return Ok(None) };
    let looked = look_at_files(world, storage, only, tally, each).await?;
    look_for_surplus_blobs(world, storage, looked.listed.as_ref(), tally, each).await?;
    Ok(Some(looked))
}

/// Looks once at rows that are prepared and at everything that stands: the checks that find something, each with the
/// attempt that it names.
pub async fn look_at_prepared(
    world: &World<'_>,
    prepared: &Prepared,
    images: &BTreeSet<String>,
) -> Result<BTreeSet<(Option<AttemptId>, CheckId)>, Stop> {
    let mut all = BTreeSet::new();
    let mut of_row = |found: Found| {
        all.insert((found.attempt, found.difference.check));
    };
    let others = OtherSubmissions::read(world.target, &world.ground.settings.lms_instance).await?;
    let mut passed = prepared.compare(world, &others, &mut of_row).await?;
    let mut each = |_: Same, found: Found| of_row(found);
    look_at_enforcements(world, images, &mut passed, &mut each).await?;
    look_for_surplus(world, &mut passed, &mut each).await?;
    Ok(all)
}

/// Takes what was found.
pub type Each<'e> = dyn FnMut(Same, Found) + Send + 'e;

/// Every row with an outcome, or those of `only`.
async fn look_at_rows(world: &World<'_>, only: Option<&RowSet>, each: &mut Each<'_>) -> Result<Passed, Stop> {
    let others = if world.ground.unreadable.contains(&Table::Submissions) {
        OtherSubmissions::default()
    } else {
        OtherSubmissions::read(world.target, &world.ground.settings.lms_instance).await?
    };
    let mut of_row = |found: Found| {
        let same = Same::Row(found.row.unwrap_or_default(), found.difference.check);
        each(same, found);
    };
    pass(world, &others, only, &mut of_row).await
}

/// The newest rule of each learner, assessment and context.
async fn look_at_enforcements(
    world: &World<'_>,
    images: &BTreeSet<String>,
    passed: &mut Passed,
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let table = Table::Enforcements;
    if world.ground.unreadable.contains(&table) {
        *passed.tally.lacking.entry((CheckId::EnforcementNewest, Lack::Table(table))).or_default() +=
            passed.rules.0.len().max(1) as u64;
        return Ok(());
    }
    let mut standing = Standing::default();
    let learners = format!("{}::", world.ground.settings.lms_instance);
    world.target.enforcements(&learners, &mut |rows| standing.add(rows)).await?;
    for (row, attempt, findings) in standing.compare(&passed.rules, &world.ground, &passed.known, images) {
        passed.tally.count(&findings);
        for difference in findings.differences {
            let same = Same::Row(row, difference.check);
            each(same, Found { row: Some(row), attempt: Some(attempt), difference });
        }
    }
    for (attempt, id, difference) in standing.surplus(&passed.rules, &passed.known) {
        each(Same::Stored(table, id), Found { row: None, attempt: Some(attempt), difference });
    }
    Ok(())
}

/// One scan of each table.
async fn look_for_surplus(world: &World<'_>, passed: &mut Passed, each: &mut Each<'_>) -> Result<(), Stop> {
    // If only some rows are known, a file of another row of this run must not be taken for nobody's.
    let none = BTreeSet::new();
    let writers: &BTreeSet<WriterId> = if world.attempts.is_none() { world.ground.writers } else { &none };
    let scan = Scan {
        known: &passed.known,
        lms_instance: &world.ground.settings.lms_instance,
        writers,
        planned_at: world.planned_at,
    };
    for table in Scan::TABLES {
        if world.ground.unreadable.contains(&table) {
            *passed.tally.lacking.entry((CheckId::NothingSurplus, Lack::Table(table))).or_default() += 1;
            continue;
        }
        let (read, surplus) = scan.table(world.target, table).await?;
        if let Some(compared) = passed.tally.compared.get_mut(CheckId::NothingSurplus.index()) {
            *compared += read;
        }
        for row in surplus {
            let SurplusRow { attempt, id, .. } = &row;
            each(
                Same::Stored(table, id.clone()),
                Found { row: None, attempt: *attempt, difference: row.difference() },
            );
        }
    }
    Ok(())
}

/// The differences that stand, as they are reported.
struct Report<'a> {
    task: &'a Task<'a>,
    seen_at: DateTime<Utc>,
    csv: FailureCsv,
    stands: HashSet<Same>,
    rows: BTreeSet<(Option<u64>, Option<AttemptId>)>,
    different: BTreeMap<CheckId, Different>,
    differences: u64,
    accepted: u64,
    accepted_attempts: BTreeSet<AttemptId>,
}

impl<'a> Report<'a> {
    fn new(task: &'a Task<'a>, seen_at: DateTime<Utc>) -> Result<Self, Stop> {
        Ok(Self {
            task,
            seen_at,
            csv: FailureCsv::new()?,
            stands: HashSet::new(),
            rows: BTreeSet::new(),
            different: BTreeMap::new(),
            differences: 0,
            accepted: 0,
            accepted_attempts: BTreeSet::new(),
        })
    }

    fn add(&mut self, found: &Found) -> Result<(), crate::ports::Fault> {
        if let Some(attempt) = found.attempt.filter(|attempt| self.accepts(*attempt, &found.difference)) {
            self.accepted += 1;
            self.accepted_attempts.insert(attempt);
            return Ok(());
        }
        let is_after = found.difference.kind == Kind::ChangedAfter;
        let different = self.different.entry(found.difference.check).or_default();
        different.all += 1;
        different.changed_after += u64::from(is_after);
        self.differences += 1;
        self.rows.insert((found.row, found.attempt));
        let age = (Utc::now() - self.seen_at).num_seconds().max(0);
        let label = if is_after { "; changed_after" } else { "" };
        self.csv.add(found, self.task.values, &format!("{label}; seen for {age} s"))
    }

    /// Only a change to a row that stands can be accepted: a row that is absent, or that should not stand, cannot.
    fn accepts(&self, attempt: AttemptId, difference: &Difference) -> bool {
        matches!(difference.kind, Kind::Changed | Kind::ChangedAfter)
            && self.task.accepted.contains_key(&attempt)
    }

    fn end(self, task: &Task<'_>, tally: Tally, absent: &Absent, passed: u64) -> Result<Verified, Stop> {
        let content = task.storage.as_ref().and_then(|storage| storage.content.as_ref());
        let asks = |check: CheckId| content.is_none_or(|content| content.asks(check));
        Ok(Verified {
            checks: checks(task.level, &asks, &tally, &self.different, absent),
            tally,
            differences: self.differences,
            rows_different: self.rows.len() as u64,
            passed,
            accepted: self.accepted,
            accepted_attempts: self.accepted_attempts,
            failures: self.csv.finish()?,
            files: None,
            manifest: None,
        })
    }
}
