//! A verification: a pass over the rows of each partition, then one scan of each table, and a second look at what
//! differs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::task::yield_now;

use super::{
    blobs::{LookedAt, Storage, look_at_files, look_for_surplus_blobs},
    enforcement::Standing,
    findings::{Findings, Found, Lack},
    part::Part,
    pass::{Pass, Passed, Prepared, Tally, World},
    report::Values,
    selection::Accepted,
    signed,
    surplus::{OtherSubmissions, Scan, SurplusRow, settle},
    table::CheckId,
};
use crate::{
    domain::{AttemptId, Level},
    exit::Stop,
    ports::{Fault, Table},
    run::{RowSet, VerifiedFiles, VerifyCheck, receipts::Receipts},
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
    /// What the summary says of the run's receipts, or why nothing can be said.
    pub receipts: Result<&'a Receipts, Lack>,
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
    /// Differences that were gone at the second look.
    pub passed: u64,
    /// Differences that a person has accepted.
    pub accepted: u64,
    /// Of them those that level blobs or content found: bytes or properties of a file.
    pub accepted_of_files: u64,
    /// Attempts whose changes were accepted.
    pub accepted_attempts: BTreeSet<AttemptId>,
    /// The first differences that stand, a sentence each: attempt, check, what differs.
    pub examples: Vec<String>,
    /// `verification_failures.csv`.
    pub failures: tempfile::NamedTempFile,
    /// What was seen of the files, from level blobs on.
    pub files: Option<VerifiedFiles>,
    /// The manifest, at level content.
    pub manifest: Option<tempfile::NamedTempFile>,
    /// The rows that were compared long before the result.
    pub old: Option<OldRows>,
    /// Attempts that were asked for and of which the run has no outcome, in their order.
    pub unknown: Vec<AttemptId>,
}

/// Rows that were compared more than a day before the result, as by a process that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldRows {
    /// Rows of all such partitions.
    pub rows: u64,
    /// When the first and the last of their partitions were (UTC).
    pub at: (DateTime<Utc>, DateTime<Utc>),
}

/// What makes a difference of a stored row, a rule or a file the same when it is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Same {
    /// A check found something in a row.
    Row(u64, CheckId),
    /// A stored row that belongs to none.
    Stored(Table, String),
    /// A blob that belongs to none.
    Blob(String),
}

impl Same {
    /// Whether it is found by a look at files.
    pub fn is_of_files(&self) -> bool {
        match self {
            Self::Row(_, check) => check.is_of_files(),
            Self::Stored(..) => false,
            Self::Blob(_) => true,
        }
    }
}

/// Looks at the rows of one partition.
pub async fn compare(pass: &mut Pass<'_>, part: usize) -> Result<Part, Stop> {
    let began_at = Utc::now();
    let (mut passed, mut differences) = (Passed::default(), Vec::new());
    let mut found = |found: Found| differences.push((found.row.unwrap_or_default(), found.difference.check));
    pass.part(part, None, &mut passed, &mut found).await?;
    passed.known.finish();
    differences.dedup();
    let digests = signed::digests(pass.world, part)?;
    let mut found = Part::new(part, began_at, passed, digests, differences);
    found.read = pass.read();
    Ok(found)
}

/// Which files are looked at.
pub(super) enum Files<'a> {
    /// Those of all rows, and blobs that no row names.
    All,
    /// Those of these rows.
    Of(&'a RowSet),
    /// Those of these rows, and blobs that no row names.
    OfAndSurplus(&'a RowSet),
}

/// Files and blobs; nothing without storage.
pub(super) async fn look_at_all_files(
    world: &World<'_>,
    storage: Option<&Storage<'_>>,
    files: Files<'_>,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<Option<LookedAt>, Stop> {
    let Some(storage) = storage else { return Ok(None) };
    world.progress.says("looking at files");
    let only = match files {
        Files::All => None,
        Files::Of(rows) | Files::OfAndSurplus(rows) => Some(rows),
    };
    let looked = look_at_files(world, storage, only, tally, each).await?;
    if !matches!(files, Files::Of(_)) {
        look_for_surplus_blobs(world, storage, looked.listed.as_ref(), tally, each).await?;
    }
    Ok(Some(looked))
}

/// Submissions under foreign launch ids; none if they cannot be read.
pub async fn others(world: &World<'_>) -> Result<OtherSubmissions, Fault> {
    if world.ground.unreadable.contains(&Table::Submissions) {
        return Ok(OtherSubmissions::default());
    }
    OtherSubmissions::read(world.target, &world.ground.settings.lms_instance).await
}

/// Looks once at rows that are prepared and at everything that stands: the checks that find something, each with the
/// attempt that it names, and those for which `--target-alters` leaves out a column that a value follows from.
pub async fn look_at_prepared(
    world: &World<'_>,
    prepared: &Prepared,
    images: &BTreeSet<String>,
) -> Result<(BTreeSet<(Option<AttemptId>, CheckId)>, BTreeSet<CheckId>), Stop> {
    let mut all = BTreeSet::new();
    let mut of_row = |found: Found| {
        all.insert((found.attempt, found.difference.check));
    };
    let others = OtherSubmissions::read(world.target, &world.ground.settings.lms_instance).await?;
    let mut passed = prepared.compare(world, &others, &mut of_row).await?;
    let mut each = |_: Same, found: Found| of_row(found);
    look_at_enforcements(world, images, &mut passed, &mut each).await?;
    look_for_surplus(world, &mut passed, &mut each).await?;
    let lacking = passed.tally.lacking.keys().filter(|(_, lack)| *lack == Lack::Altered);
    Ok((all, lacking.map(|(check, _)| *check).collect()))
}

/// Counts and hands over what was found about something of a row.
pub(super) fn tell(
    (row, attempt): (u64, AttemptId),
    findings: Findings,
    tally: &mut Tally,
    each: &mut Each<'_>,
) {
    tally.count((row, Some(attempt)), &findings);
    for difference in findings.differences {
        let same = Same::Row(row, difference.check);
        each(same, Found { row: Some(row), attempt: Some(attempt), difference });
    }
}

/// Takes what was found.
pub type Each<'e> = dyn FnMut(Same, Found) + Send + 'e;

/// The newest rule of each learner, assessment and context.
pub(super) async fn look_at_enforcements(
    world: &World<'_>,
    images: &BTreeSet<String>,
    passed: &mut Passed,
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let table = Table::Enforcements;
    // The age of a rule is that of its submission.
    let needed = [table, Table::Submissions];
    if let Some(table) = needed.into_iter().find(|table| world.ground.unreadable.contains(table)) {
        let rules = passed.rules.newest.len().max(1) as u64;
        passed.tally.lack(CheckId::EnforcementNewest, Lack::Table(table), rules);
        passed.tally.lack(CheckId::NothingSurplus, Lack::Table(table), 1);
        return Ok(());
    }
    let mut standing = Standing::default();
    let learners = format!("{}::", world.ground.settings.lms_instance);
    world.target.enforcements(&learners, &mut |rows| standing.add(rows)).await?;
    for (row, attempt, findings) in standing.compare(&passed.rules, &world.ground, &passed.known, images) {
        tell((row, attempt), findings, &mut passed.tally, each);
    }
    if passed.rules.unknown > 0 {
        // Rows of which it is not known whether they have malpractice: what stands may be theirs.
        passed.tally.lack(CheckId::NothingSurplus, Lack::Warehouse, passed.rules.unknown);
        return Ok(());
    }
    for (attempt, id, difference) in standing.surplus(&passed.rules, &passed.known) {
        each(Same::Stored(table, id), Found { row: None, attempt: Some(attempt), difference });
    }
    Ok(())
}

/// One scan of each table.
pub(super) async fn look_for_surplus(
    world: &World<'_>,
    passed: &mut Passed,
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let Passed { known, failed, tally, .. } = passed;
    let scan = Scan {
        known,
        failed,
        lms_instance: &world.ground.settings.lms_instance,
        writers: world.ground.writers,
        in_part: world.attempts.is_some(),
        planned_at: world.planned_at,
        ended_at: world.ended_at,
    };
    let mut tell = |row: SurplusRow| {
        let same = Same::Stored(row.table, row.id.clone());
        each(same, Found { row: None, attempt: row.attempt, difference: row.difference() });
    };
    let mut of_failed = scan.of_failed();
    for table in Scan::TABLES {
        if world.ground.unreadable.contains(&table) {
            tally.lack(CheckId::NothingSurplus, Lack::Table(table), 1);
            continue;
        }
        world.progress.says(format!("looking for surplus rows in {}", table.name()));
        let (read, dealt) = scan.table(world.target, table, &mut of_failed).await?;
        tally.compare(CheckId::NothingSurplus, read);
        let mut next = 0;
        while next < dealt.len() {
            let own = scan.own(table, &dealt, next).await?;
            for bucket in next..own.end() {
                let mut surplus = scan.surplus(&own, &dealt, bucket)?;
                let instance = &world.ground.settings.lms_instance;
                settle(world.target, world.ground.unreadable, instance, &mut surplus).await?;
                surplus.into_iter().for_each(&mut tell);
                // The heartbeat comes in between.
                yield_now().await;
            }
            next = own.end();
        }
    }
    match world.ground.lacks_blob_names() {
        None => {
            let (found, nameless) = of_failed.finish();
            if nameless > 0 {
                tally.lack(CheckId::FailedAbsent, Lack::Writer, nameless);
            }
            found.into_iter().for_each(tell);
        }
        // Without files it cannot be said whose submissions they are; every failed row says so.
        Some(Lack::Table(_)) => {}
        Some(lack) => {
            tally.lack(CheckId::NothingSurplus, lack, 1);
            tally.lack(CheckId::FailedAbsent, lack, 1);
        }
    }
    Ok(())
}
