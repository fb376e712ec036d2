//! The process that ends last: all parts together, surplus rows and blobs, and a second look at what differs.

mod stands;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};

use stands::{Again, Report};

use super::{
    blobs::{LookedAt, Storage},
    content::{ReadFiles, manifest::ManifestLine},
    findings::{Found, Lack},
    part::Part,
    pass::{Pass, Passed, Tally, World},
    report::Absent,
    run::{Files, Same, Task, Verified, look_at_all_files, look_at_enforcements, look_for_surplus, others},
    signed,
    table::CheckId,
};
use crate::{
    domain::Level,
    exit::Stop,
    ports::{Fault, Table, pause},
    run::{
        RowSet,
        lines::{Buckets, SpooledBuckets},
        receipts::Folding,
    },
};

/// All parts together, and what has to be looked at again.
pub struct Merging {
    passed: Passed,
    differences: Buckets,
    /// How many differences there are in a part, and when they were seen.
    different: BTreeMap<usize, (u64, DateTime<Utc>)>,
    began_at: Option<DateTime<Utc>>,
    folding: Folding,
    /// Row and check of each difference of a file.
    of_files: HashSet<Same>,
    read: Option<ReadFiles>,
    lms_instance: String,
}

impl Merging {
    /// Without a part; there are going to be `parts`, to be added in their order. `folding` is without a row.
    pub fn new(parts: usize, lms_instance: &str, folding: Folding) -> Result<Self, Fault> {
        Ok(Self {
            passed: Passed::default(),
            differences: Buckets::new(parts)?,
            different: BTreeMap::new(),
            began_at: None,
            folding,
            of_files: HashSet::new(),
            read: None,
            lms_instance: lms_instance.to_owned(),
        })
    }

    /// At level content: the files are read by the processes that compare their rows.
    #[must_use]
    pub fn reading(self, read: ReadFiles) -> Self {
        Self { read: Some(read), ..self }
    }

    /// Adds a line of the manifest.
    pub fn line(&mut self, line: &ManifestLine) -> Result<(), Fault> {
        self.read.as_mut().map_or(Ok(()), |read| read.line(line))
    }

    /// Adds a part.
    pub fn add(&mut self, mut part: Part) -> Result<(), Fault> {
        part.add_to(&mut self.passed, &self.lms_instance);
        for (shard, row) in part.digests.drain(..) {
            self.folding.add_row(shard, &row);
        }
        let mut in_rows = 0;
        for (row, check) in &part.differences {
            if check.check().level > Level::Rows {
                self.of_files.insert(Same::Row(*row, *check));
            } else {
                self.differences.push(part.part, &(row, check))?;
                in_rows += 1;
            }
        }
        if in_rows > 0 {
            self.different.insert(part.part, (in_rows, part.at));
        }
        if let (Some(all), Some(read)) = (&mut self.read, part.read.take()) {
            all.add(read);
        }
        self.began_at = Some(self.began_at.map_or(part.began_at, |began_at| began_at.min(part.began_at)));
        Ok(())
    }

    /// The partitions of which rows are looked at again: the world of [`Self::end`] has to know their outcomes and facts.
    pub fn parts(&self) -> BTreeSet<usize> {
        self.different.keys().copied().collect()
    }

    /// When the first part was begun.
    pub fn began_at(&self) -> Option<DateTime<Utc>> {
        self.began_at
    }

    /// Looks for what stands and should not, and looks again at every difference after a while: only what still stands
    /// is reported.
    pub async fn end(
        mut self,
        world: &World<'_>,
        task: &Task<'_>,
        absent: &Absent,
    ) -> Result<Verified, Stop> {
        self.passed.known.finish();
        self.passed.failed.finish();
        let mut first = std::mem::take(&mut self.of_files);
        let mut each = |same, _| {
            first.insert(same);
        };
        look_at_enforcements(world, task.images, &mut self.passed, &mut each).await?;
        look_for_surplus(world, &mut self.passed, &mut each).await?;
        let listed = task.storage.map(Storage::listed_only);
        let tally = &mut self.passed.tally;
        let mut files = look_at_all_files(world, listed.as_ref(), Files::All, tally, &mut each).await?;
        if let Some(read) = self.read.take() {
            // The parts say so of no file, since none has a row that can be read.
            let content = task.storage.and_then(|storage| storage.content);
            if let (true, Some(content)) = (world.ground.unreadable.contains(&Table::Files), content) {
                tally.lack(content.check(), Lack::Table(Table::Files), 1);
            }
            files = files.map(|files| files.with(read));
        }
        let mut report = Report::new(task, Utc::now())?;
        for difference in signed::compare(&self.folding.finish(), task.receipts, &mut self.passed.tally) {
            // Documents of a run that has ended: there is nothing to wait for.
            report.add(&Found { row: None, attempt: None, difference })?;
        }
        let in_rows: u64 = self.different.values().map(|(differences, _)| differences).sum();
        let differences = in_rows + first.len() as u64;
        let mut gone = 0;
        if differences > 0 {
            let after_s = task.recheck.as_secs();
            tracing::info!(differences, after_s, "differences are looked at again");
            world.progress.says(format!("looking again at {differences} differences after {after_s} s"));
            pause(task.recheck).await;
            let spooled = self.differences.finish()?;
            gone += look_again_at_rows(world, task, &self.different, &spooled, &mut report).await?;
            let (of_files, first) = first.into_iter().partition(Same::is_of_files);
            gone += look_again_at_stored(world, task, &mut self.passed, first, &mut report).await?;
            gone += look_again_at_files(world, task, of_files, &mut files, &mut report).await?;
        }
        let (files, absent, manifest) = match files {
            Some(files) => files.finish(absent)?,
            None => (None, absent.clone(), None),
        };
        let verified = report.end(self.passed.tally, &absent, gone)?;
        Ok(Verified { files, manifest, ..verified })
    }
}

/// The rows in which something differed, partition by partition; the number of differences that are gone.
async fn look_again_at_rows(
    world: &World<'_>,
    task: &Task<'_>,
    different: &BTreeMap<usize, (u64, DateTime<Utc>)>,
    spooled: &SpooledBuckets,
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
        let mut first = HashSet::new();
        let mut rows = RowSet::new(task.rows);
        spooled.read(*part, |(row, check): (u64, CheckId)| {
            // A row beyond the input's cannot have an outcome.
            let _ = rows.insert(row);
            first.insert((row, check));
            Ok(())
        })?;
        report.seen_at = *seen_at;
        let mut again = Again::of(first);
        let mut each = |found: Found| {
            again.see((found.row.unwrap_or_default(), found.difference.check), &found, report);
        };
        // Counted already.
        pass.part(*part, Some(&rows), &mut Passed::default(), &mut each).await?;
        gone += again.gone()?;
    }
    report.seen_at = merged_at;
    Ok(gone)
}

/// The rules and stored rows that differed; the number of differences that are gone.
async fn look_again_at_stored(
    world: &World<'_>,
    task: &Task<'_>,
    passed: &mut Passed,
    first: HashSet<Same>,
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    // Counted already.
    let tally = passed.tally.clone();
    let has_surplus = first.iter().any(|same| matches!(same, Same::Stored(..)));
    let mut again = Again::of(first);
    let mut each = |same: Same, found: Found| again.see(same, &found, report);
    look_at_enforcements(world, task.images, passed, &mut each).await?;
    if has_surplus {
        look_for_surplus(world, passed, &mut each).await?;
    }
    passed.tally = tally;
    Ok(again.gone()?)
}

/// The files that differed, and blobs that no row names; the number of differences that are gone.
async fn look_again_at_files(
    world: &World<'_>,
    task: &Task<'_>,
    first: HashSet<Same>,
    files: &mut Option<LookedAt>,
    report: &mut Report<'_>,
) -> Result<u64, Stop> {
    if first.is_empty() {
        return Ok(0);
    }
    let mut rows = RowSet::new(task.rows);
    for same in &first {
        if let Same::Row(row, _) = same {
            // A row beyond the input's has no files.
            let _ = rows.insert(*row);
        }
    }
    let has_surplus = first.iter().any(|same| matches!(same, Same::Blob(_)));
    let which = if has_surplus { Files::OfAndSurplus(&rows) } else { Files::Of(&rows) };
    let mut again = Again::of(first);
    let mut each = |same: Same, found: Found| again.see(same, &found, report);
    // Counted already.
    let later =
        look_at_all_files(world, task.storage.as_ref(), which, &mut Tally::default(), &mut each).await?;
    let gone = again.gone()?;
    *files = files.take().map(|files| files.then(later));
    Ok(gone)
}
