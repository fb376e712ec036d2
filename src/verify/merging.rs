//! The process that ends last: all parts together, surplus rows and blobs, and a second look at what differs.

mod again;
mod asked;
mod first;
mod stands;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

pub use asked::first_ids;

use again::{look_again_at_files, look_again_at_rows, look_again_at_stored};
use first::Differences;
use stands::Report;

use super::{
    blobs::Storage,
    content::{ReadFiles, manifest::ManifestLine},
    findings::Found,
    part::Part,
    pass::{Passed, World},
    report::Absent,
    run::{Files, OldRows, Same, Task, Verified, look_at_all_files, look_at_enforcements, look_for_surplus},
    signed,
    table::CheckId,
};
use crate::{
    exit::Stop,
    ports::{Fault, pause},
    run::{lines::Buckets, outcomes::Ranges, receipts::Folding},
};

/// The rows of a partition that was compared so long ago are named: what changed since is not seen.
const OLD: TimeDelta = TimeDelta::days(1);

/// All parts together, and what has to be looked at again.
pub struct Merging {
    passed: Passed,
    /// The last row that any part may hold.
    last: u64,
    differences: Buckets,
    /// How many differences there are in a part, and when they were seen.
    different: BTreeMap<usize, (u64, DateTime<Utc>)>,
    began_at: Option<DateTime<Utc>>,
    folding: Folding,
    /// The differences of files.
    of_files: Differences,
    old: Option<OldRows>,
    read: Option<ReadFiles>,
    lms_instance: String,
}

impl Merging {
    /// Without a part; there are going to be those of `ranges`, to be added in their order. `folding` is without a row.
    pub fn new(ranges: Ranges, lms_instance: &str, folding: Folding) -> Result<Self, Fault> {
        let (_, last) = ranges.range(ranges.count() - 1);
        Ok(Self {
            passed: Passed::default(),
            last,
            differences: Buckets::new(ranges.count())?,
            different: BTreeMap::new(),
            began_at: None,
            folding,
            of_files: Differences::of_range(1, last),
            old: None,
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
            if check.is_of_files() {
                self.of_files.insert(&Same::Row(*row, *check), *check, None);
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
        if Utc::now() - part.at > OLD {
            let OldRows { rows, at: (from, to) } =
                self.old.unwrap_or(OldRows { rows: 0, at: (part.at, part.at) });
            self.old = Some(OldRows { rows: rows + part.rows, at: (from.min(part.at), to.max(part.at)) });
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
        let mut of_stored = Differences::of_range(1, self.last);
        let of_files = &mut self.of_files;
        let mut each = |same: Same, found: Found| {
            let first = if same.is_of_files() { &mut *of_files } else { &mut of_stored };
            first.insert(&same, found.difference.check, found.attempt);
        };
        look_at_enforcements(world, task.images, &mut self.passed, &mut each).await?;
        look_for_surplus(world, &mut self.passed, &mut each).await?;
        let listed = task.storage.map(Storage::listed_only);
        let tally = &mut self.passed.tally;
        let mut files = look_at_all_files(world, listed.as_ref(), Files::All, tally, &mut each).await?;
        if let Some(read) = self.read.take() {
            // The parts say so of no file, since none has a row that can be read.
            let content = task.storage.and_then(|storage| storage.content);
            if let (Some(lack), Some(content)) = (world.ground.lacks_blob_names(), content) {
                for check in [content.check(), CheckId::ContentReceipt] {
                    tally.lack(check, lack, 1);
                }
            }
            files = files.map(|files| files.with(read));
        }
        let mut report = Report::new(task, Utc::now())?;
        for difference in signed::compare(&self.folding.finish(), task.receipts, &mut self.passed.tally) {
            // Documents of a run that has ended: there is nothing to wait for.
            report.add(&Found { row: None, attempt: None, difference })?;
        }
        let in_rows: u64 = self.different.values().map(|(differences, _)| differences).sum();
        let differences = in_rows + of_stored.len() + self.of_files.len();
        let mut gone = 0;
        if differences > 0 {
            let after_s = task.recheck.as_secs();
            tracing::info!(differences, after_s, "differences are looked at again");
            world.progress.says(format!("looking again at {differences} differences after {after_s} s"));
            pause(task.recheck).await;
            let spooled = self.differences.finish()?;
            let (task, in_rows) = ((task, absent), (&self.different, &spooled));
            gone += look_again_at_rows(world, task, in_rows, &mut self.passed.tally, &mut report).await?;
            gone += look_again_at_stored(world, task, &mut self.passed, of_stored, &mut report).await?;
            let of_first = (&mut files, &mut self.passed.tally);
            gone += look_again_at_files(world, task, self.of_files, of_first, &mut report).await?;
        }
        let (files, absent, manifest) = match files {
            Some(files) => files.finish(absent)?,
            None => (None, absent.clone(), None),
        };
        let unknown = asked::unknown(world, &self.passed.tally);
        let verified = Verified { unknown, ..report.end(self.passed.tally, &absent, gone)? };
        asked::refuse_if_all_are_unknown(world, &verified)?;
        Ok(Verified { files, manifest, old: self.old, ..verified })
    }
}
