//! The second look at what differed: only what still stands is reported.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::stands::Report;
use crate::{
    domain::{AttemptId, stands},
    exit::Stop,
    ports::Fault,
    run::{RowSet, lines::SpooledBuckets, outcomes::Outcomes},
    verify::{
        blobs::LookedAt,
        findings::{Difference, Found, Kind, Lack},
        pass::{Look, Pass, Passed, Tally, Watched, World},
        run::{Files, Same, Task, look_at_all_files, look_at_enforcements, look_for_surplus, others},
        table::CheckId,
    },
};

/// What the first look told of a difference.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// The check that found it.
    pub check: CheckId,
    /// The attempt, if it was named.
    pub attempt: Option<AttemptId>,
}

/// The differences of the first look.
pub type Differences = HashMap<Same, First>;

/// Whether a difference that was not seen again is gone.
enum Unseen {
    /// The check was made, and finds nothing any more.
    Gone,
    /// The check could not be made.
    Lacking(Lack),
    /// What the check is of is no longer there.
    NotThere,
}

/// Differences that were seen once, at a second look: what is new then is not reported.
struct Again {
    /// Not seen again yet.
    first: Differences,
    stands: HashSet<Same>,
    /// Rows of which something is absent that stood at the first look: checks of it may have nothing to compare.
    lost: HashSet<u64>,
    failed: Option<Fault>,
}

impl Again {
    fn of(first: Differences) -> Self {
        Self { first, stands: HashSet::new(), lost: HashSet::new(), failed: None }
    }

    /// Counts of the second look, which tell what becomes of the first one's differences.
    fn tally(&self) -> Tally {
        let rows = self.first.keys().filter_map(|same| match same {
            Same::Row(row, check) => Some((*row, *check)),
            Same::Stored(..) | Same::Blob(_) => None,
        });
        Tally { watched: Watched::of(rows), ..Tally::default() }
    }

    /// Reports what is found again; a check may find several things in one row.
    fn see(&mut self, same: Same, found: &Found, report: &mut Report<'_>) {
        if self.first.remove(&same).is_some() || self.stands.contains(&same) {
            self.stands.insert(same);
            self.failed = self.failed.take().or(report.add(found).err());
        } else if found.difference.kind == Kind::Absent {
            self.lost.extend(found.row);
        }
    }

    /// The number of differences that are gone. One that could not be looked at again stands as it was first seen, and what
    /// lacked is added to `tally`, the counts of the first look; `second` are those of this one.
    fn end(
        mut self,
        second: &Tally,
        tally: &mut Tally,
        outcomes: &Outcomes,
        report: &mut Report<'_>,
    ) -> Result<u64, Stop> {
        if let Some(fault) = self.failed.take() {
            return Err(fault.into());
        }
        let mut gone = 0;
        let mut unseen: Vec<(Same, First)> = self.first.drain().collect();
        unseen.sort_unstable_by_key(|(same, _)| same.row());
        let mut attempts = Attempts { outcomes, range: None };
        for (same, first) in unseen {
            let what = match self.became(&same, first.check, second, tally) {
                Unseen::Gone => {
                    gone += 1;
                    continue;
                }
                Unseen::Lacking(lack) => {
                    tally.lack(first.check, lack, 1);
                    "the check was not possible then"
                }
                Unseen::NotThere => "what it is of was not there any more",
            };
            let row = same.row();
            let known = first.attempt.or_else(|| row.and_then(|row| second.watched.attempt(row)));
            let attempt = match (known, row) {
                (None, Some(row)) => attempts.of(row)?,
                (known, _) => known,
            };
            let issue = format!("differed at the first look, and could not be looked at again: {what}");
            let difference = Difference { check: first.check, kind: Kind::Other, issue, values: None };
            report.add(&Found { row, attempt, difference })?;
        }
        Ok(gone)
    }

    fn became(&self, same: &Same, check: CheckId, second: &Tally, first: &Tally) -> Unseen {
        let Same::Row(row, _) = same else {
            let count = |tally: &Tally, key| tally.lacking.get(key).copied().unwrap_or_default();
            let mut lacking = second.lacking.keys().filter(|(of, _)| *of == check);
            let more = lacking.find(|key| count(second, key) > count(first, key));
            return more.map_or(Unseen::Gone, |(_, lack)| Unseen::Lacking(*lack));
        };
        match second.watched.look(*row, check) {
            Look::Lacking(lack) => Unseen::Lacking(lack),
            // A rule that a newer attempt rewrote is no longer the row's.
            Look::NotMade if check == CheckId::EnforcementNewest => Unseen::Gone,
            Look::NotMade => Unseen::NotThere,
            Look::Made if self.lost.contains(row) => Unseen::NotThere,
            Look::Made => Unseen::Gone,
        }
    }
}

/// The attempts of rows, which have to come in rising order: the outcomes of one range are held.
struct Attempts<'a> {
    outcomes: &'a Outcomes,
    range: Option<(usize, Vec<Option<AttemptId>>)>,
}

impl Attempts<'_> {
    fn of(&mut self, row: u64) -> Result<Option<AttemptId>, Fault> {
        let range = self.outcomes.ranges().of_row(row);
        if self.range.as_ref().is_none_or(|(held, _)| *held != range) {
            let outcomes = self.outcomes.of(range, stands)?.into_iter();
            let attempts = outcomes.map(|slot| slot.and_then(|(_, outcome)| outcome.attempt)).collect();
            self.range = Some((range, attempts));
        }
        let (first, _) = self.outcomes.range(range);
        let place = usize::try_from(row - first).unwrap_or(usize::MAX);
        Ok(self.range.as_ref().and_then(|(_, attempts)| attempts.get(place).copied().flatten()))
    }
}

/// The rows in which something differed, partition by partition; the number of differences that are gone.
pub(super) async fn look_again_at_rows(
    world: &World<'_>,
    task: &Task<'_>,
    (different, spooled): (&BTreeMap<usize, (u64, DateTime<Utc>)>, &SpooledBuckets),
    tally: &mut Tally,
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if different.is_empty() {
        return Ok(0);
    }
    let others = others(world).await?;
    let mut pass = Pass::begin(world, &others).await?;
    let merged_at = report.seen_at;
    let mut gone = 0;
    for (part, (_, seen_at)) in different {
        let mut first = Differences::new();
        let mut rows = RowSet::new(task.rows);
        spooled.read(*part, |(row, check): (u64, CheckId)| {
            // A row beyond the input's cannot have an outcome.
            let _ = rows.insert(row);
            first.insert(Same::Row(row, check), First { check, attempt: None });
            Ok(())
        })?;
        report.seen_at = *seen_at;
        let mut again = Again::of(first);
        let mut second = Passed { tally: again.tally(), ..Passed::default() };
        let mut each = |found: Found| {
            let same = Same::Row(found.row.unwrap_or_default(), found.difference.check);
            again.see(same, &found, report);
        };
        pass.part(*part, Some(&rows), &mut second, &mut each).await?;
        gone += again.end(&second.tally, tally, world.outcomes, report)?;
    }
    report.seen_at = merged_at;
    Ok(gone)
}

/// The rules and stored rows that differed; the number of differences that are gone.
pub(super) async fn look_again_at_stored(
    world: &World<'_>,
    task: &Task<'_>,
    passed: &mut Passed,
    first: Differences,
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    let has_surplus = first.keys().any(|same| matches!(same, Same::Stored(..)));
    let mut again = Again::of(first);
    let mut tally = std::mem::replace(&mut passed.tally, again.tally());
    let mut each = |same: Same, found: Found| again.see(same, &found, report);
    look_at_enforcements(world, task.images, passed, &mut each).await?;
    if has_surplus {
        look_for_surplus(world, passed, &mut each).await?;
    }
    let gone = again.end(&passed.tally, &mut tally, world.outcomes, report)?;
    passed.tally = tally;
    Ok(gone)
}

/// The files that differed, and blobs that no row names; the number of differences that are gone.
pub(super) async fn look_again_at_files(
    world: &World<'_>,
    task: &Task<'_>,
    first: Differences,
    (files, tally): (&mut Option<LookedAt>, &mut Tally),
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    let mut rows = RowSet::new(task.rows);
    for row in first.keys().filter_map(Same::row) {
        // A row beyond the input's has no files.
        let _ = rows.insert(row);
    }
    let has_surplus = first.keys().any(|same| matches!(same, Same::Blob(_)));
    let which = if has_surplus { Files::OfAndSurplus(&rows) } else { Files::Of(&rows) };
    let mut again = Again::of(first);
    let mut second = again.tally();
    let mut each = |same: Same, found: Found| again.see(same, &found, report);
    let later = look_at_all_files(world, task.storage.as_ref(), which, &mut second, &mut each).await?;
    let gone = again.end(&second, tally, world.outcomes, report)?;
    *files = files.take().map(|files| files.then(later));
    Ok(gone)
}
