//! The second look at what differed: only what still stands is reported.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{first::Differences, stands::Report};
use crate::{
    domain::AttemptId,
    exit::Stop,
    ports::Fault,
    run::{RowSet, lines::SpooledBuckets},
    verify::{
        blobs::LookedAt,
        findings::{Difference, Found, Kind, Lack},
        pass::{Look, Pass, Passed, Tally, Watched, World},
        report::Absent,
        run::{Files, Same, Task, look_at_all_files, look_at_enforcements, look_for_surplus, others},
        table::CheckId,
    },
};

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
    first: Differences,
    /// Rows of which something is absent that stood at the first look: checks of it may have nothing to compare.
    lost: RowSet,
    failed: Option<Fault>,
}

impl Again {
    fn of(first: Differences, task: &Task<'_>) -> Self {
        Self { first, lost: RowSet::new(task.rows), failed: None }
    }

    /// Counts of the second look, which tell what becomes of the first one's differences.
    fn tally(&self) -> Tally {
        Tally { watched: Watched::of(self.first.in_rows()), ..Tally::default() }
    }

    /// Reports what is found again; a check may find several things in one row.
    fn see(&mut self, same: &Same, found: &Found, report: &mut Report<'_>) {
        if self.first.see(same) {
            self.failed = self.failed.take().or(report.add(found).err());
        } else if let (Kind::Absent, Some(row)) = (found.difference.kind, found.row) {
            // A row beyond the input's is no row of the first look.
            let _ = self.lost.insert(row);
        }
    }

    /// The number of differences that are gone. One that could not be looked at again stands as it was first seen, and what
    /// lacked is added to `tally`, the counts of the first look; `second` are those of this one, and `absent` is why something
    /// lacked.
    fn end(
        mut self,
        (second, absent): (&Tally, &Absent),
        tally: &mut Tally,
        world: &World<'_>,
        report: &mut Report<'_>,
    ) -> Result<u64, Stop> {
        if let Some(fault) = self.failed.take() {
            return Err(fault.into());
        }
        let mut gone = 0;
        let mut stays = |unseen, (row, check, attempt), tally: &mut Tally, report: &mut Report<'_>| {
            let why = match unseen {
                Unseen::Gone => {
                    gone += 1;
                    return Ok(());
                }
                Unseen::Lacking(lack) => {
                    tally.lack(check, lack, 1);
                    format!("because the check was not possible then: {}", absent.why(lack))
                }
                Unseen::NotThere => "because what it is of was not there any more".to_owned(),
            };
            let seen_at = report.seen_at.format("%F %H:%M UTC");
            let issue =
                format!("differed when it was seen at {seen_at}, and could not be looked at again {why}");
            let difference = Difference { check, kind: Kind::Other, issue, values: None };
            report.add(&Found { row, attempt, difference })
        };
        for stray in self.first.unseen_strays() {
            let unseen = became_of_stray(stray.check, second, tally);
            stays(unseen, (None, stray.check, stray.attempt), tally, report)?;
        }
        let mut attempts = Attempts { world, range: None };
        for (row, check) in self.first.unseen_in_rows() {
            let attempt = match second.watched.attempt(row) {
                None => attempts.of(row)?,
                known => known,
            };
            stays(self.became(row, check, second), (Some(row), check, attempt), tally, report)?;
        }
        Ok(gone)
    }

    fn became(&self, row: u64, check: CheckId, second: &Tally) -> Unseen {
        match second.watched.look(row, check) {
            Look::Lacking(lack) => Unseen::Lacking(lack),
            // A rule that a newer attempt rewrote is no longer the row's.
            Look::NotMade if check == CheckId::EnforcementNewest => Unseen::Gone,
            Look::NotMade => Unseen::NotThere,
            Look::Made if self.lost.contains(row) => Unseen::NotThere,
            Look::Made => Unseen::Gone,
        }
    }
}

/// A check of what belongs to no row is made of all at once: it lacks what it did not lack at the first look.
fn became_of_stray(check: CheckId, second: &Tally, first: &Tally) -> Unseen {
    let count = |tally: &Tally, key| tally.lacking.get(key).copied().unwrap_or_default();
    let mut lacking = second.lacking.keys().filter(|(of, _)| *of == check);
    let more = lacking.find(|key| count(second, key) > count(first, key));
    more.map_or(Unseen::Gone, |(_, lack)| Unseen::Lacking(*lack))
}

/// The attempts of rows, which have to come in rising order: the outcomes of one range are held.
struct Attempts<'a> {
    world: &'a World<'a>,
    range: Option<(usize, Vec<Option<AttemptId>>)>,
}

impl Attempts<'_> {
    fn of(&mut self, row: u64) -> Result<Option<AttemptId>, Fault> {
        let World { outcomes, standing, .. } = self.world;
        let range = outcomes.ranges().of_row(row);
        if self.range.as_ref().is_none_or(|(held, _)| *held != range) {
            let of_range = outcomes.of(range, |earlier, later| standing.of(earlier, later))?.into_iter();
            let attempts = of_range.map(|slot| slot.and_then(|(_, outcome)| outcome.attempt)).collect();
            self.range = Some((range, attempts));
        }
        let (first, _) = outcomes.range(range);
        let place = usize::try_from(row - first).unwrap_or(usize::MAX);
        Ok(self.range.as_ref().and_then(|(_, attempts)| attempts.get(place).copied().flatten()))
    }
}

/// The rows in which something differed, partition by partition; the number of differences that are gone.
pub(super) async fn look_again_at_rows(
    world: &World<'_>,
    (task, absent): (&Task<'_>, &Absent),
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
        let (from, to) = world.outcomes.range(*part);
        let mut first = Differences::of_range(from, to);
        let mut rows = RowSet::new(task.rows);
        spooled.read(*part, |(row, check): (u64, CheckId)| {
            // A row beyond the input's cannot have an outcome.
            let _ = rows.insert(row);
            first.insert(&Same::Row(row, check), check, None);
            Ok(())
        })?;
        report.seen_at = *seen_at;
        let mut again = Again::of(first, task);
        let mut second = Passed { tally: again.tally(), ..Passed::default() };
        let mut each = |found: Found| {
            let same = Same::Row(found.row.unwrap_or_default(), found.difference.check);
            again.see(&same, &found, report);
        };
        pass.part(*part, Some(&rows), &mut second, &mut each).await?;
        gone += again.end((&second.tally, absent), tally, world, report)?;
    }
    report.seen_at = merged_at;
    Ok(gone)
}

/// The rules and stored rows that differed; the number of differences that are gone.
pub(super) async fn look_again_at_stored(
    world: &World<'_>,
    (task, absent): (&Task<'_>, &Absent),
    passed: &mut Passed,
    first: Differences,
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    let has_surplus = first.has_strays();
    let mut again = Again::of(first, task);
    let mut tally = std::mem::replace(&mut passed.tally, again.tally());
    let mut each = |same: Same, found: Found| again.see(&same, &found, report);
    look_at_enforcements(world, task.images, passed, &mut each).await?;
    if has_surplus {
        look_for_surplus(world, passed, &mut each).await?;
    }
    let gone = again.end((&passed.tally, absent), &mut tally, world, report)?;
    passed.tally = tally;
    Ok(gone)
}

/// The files that differed, and blobs that no row names; the number of differences that are gone.
pub(super) async fn look_again_at_files(
    world: &World<'_>,
    (task, absent): (&Task<'_>, &Absent),
    first: Differences,
    (files, tally): (&mut Option<LookedAt>, &mut Tally),
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    let mut rows = RowSet::new(task.rows);
    for row in first.in_rows().rows() {
        // A row beyond the input's has no files.
        let _ = rows.insert(row);
    }
    let which = if first.has_strays() { Files::OfAndSurplus(&rows) } else { Files::Of(&rows) };
    let mut again = Again::of(first, task);
    let mut second = again.tally();
    let mut each = |same: Same, found: Found| again.see(&same, &found, report);
    let later = look_at_all_files(world, task.storage.as_ref(), which, &mut second, &mut each).await?;
    let absent = later.as_ref().map_or_else(|| absent.clone(), |later| later.absent_beside(absent));
    let gone = again.end((&second, &absent), tally, world, report)?;
    *files = files.take().map(|files| files.then(later));
    Ok(gone)
}
