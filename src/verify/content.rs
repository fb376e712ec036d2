//! Level content: the bytes of blobs, read and compared with those of their sources, or with a manifest.

pub mod manifest;
mod read;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use self::{
    manifest::{Manifest, ManifestDraft, ManifestLine},
    read::{Bytes, Side, read_both},
};
use super::{
    blobs::{Storage, wanted::WantedFile},
    findings::{Findings, Kind, Lack},
    pass::Tally,
    run::{Each, tell},
    table::CheckId,
};
use crate::{
    domain::FileReceipt,
    exit::Stop,
    ports::Fault,
    run::{
        VerifiedContent,
        lines::{Buckets, SpooledBuckets},
        source_files::buckets_for,
    },
};

/// Files that are read at a time, each with its source.
const AT_A_TIME: usize = 16;

/// One of several parts of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Counted from 1.
    pub part: u32,
    /// At least 1.
    pub of: u32,
}

impl Portion {
    /// Whether the files of a row, which counts from 1, are in the part: the same in every process.
    pub fn holds(self, row: u64) -> bool {
        row.saturating_sub(1) % u64::from(self.of.max(1)) == u64::from(self.part.saturating_sub(1))
    }
}

/// Whose bytes are read, and with what they are compared.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Only the files of this part.
    pub portion: Option<Portion>,
    /// Only files whose bytes were not proven when they were copied.
    pub only_unproven: bool,
    /// Compared with in place of the sources.
    pub manifest: Option<&'a Manifest>,
}

impl Content<'_> {
    /// The check that compares every byte.
    pub fn check(&self) -> CheckId {
        if self.manifest.is_some() { CheckId::ContentManifest } else { CheckId::ContentSource }
    }

    /// Whether a check is asked for: beside a manifest, none that needs the sources.
    pub fn asks(&self, check: CheckId) -> bool {
        match check {
            CheckId::ContentSource | CheckId::SourceFilesUnchanged | CheckId::BlobContentEncoding => {
                self.manifest.is_none()
            }
            CheckId::ContentManifest => self.manifest.is_some(),
            _ => true,
        }
    }
}

/// What reading files leaves beside the differences.
pub struct ReadFiles {
    /// Counts, for `verification.json`.
    pub counts: VerifiedContent,
    /// Why bytes of blobs could not be read, if some could not.
    pub unreadable: Option<String>,
    /// A line for each file that was read.
    lines: ManifestDraft,
    /// Those of a second look, which stand in the place of the first ones.
    later: Option<ManifestDraft>,
}

impl ReadFiles {
    /// With the lines of a second look.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self { later: Some(later.lines), ..self }
    }

    /// The manifest, as a CSV.
    pub fn manifest(self) -> Result<tempfile::NamedTempFile, Fault> {
        self.lines.finish(self.later)
    }
}

/// Reads the files of the part that is asked for, several at once, each a piece at a time.
pub async fn read_files(
    storage: &Storage<'_>,
    content: &Content<'_>,
    files: &SpooledBuckets,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<ReadFiles, Stop> {
    let part = content.portion.map(|portion| (portion.part, portion.of));
    let by_manifest = content.manifest.is_some();
    let mut read = ReadFiles {
        counts: VerifiedContent { part, by_manifest, ..VerifiedContent::default() },
        unreadable: None,
        lines: ManifestDraft::new(storage.rows)?,
        later: None,
    };
    let due = due(storage, content, files, &mut read.counts)?;
    for bucket in 0..due.len() {
        let known = content.manifest.map(|manifest| manifest.of(bucket)).transpose()?.unwrap_or_default();
        let mut of_bucket = Vec::new();
        due.read(bucket, |file: WantedFile| {
            of_bucket.push(file);
            Ok(())
        })?;
        of_bucket.sort_unstable_by_key(|file| (file.row, file.order));
        let mut done = stream::iter(of_bucket)
            .map(|file| {
                let target = Arc::clone(storage.target);
                let source = content.manifest.is_none().then(|| Arc::clone(storage.source));
                // A task of its own, so that the digests of several files run at once.
                let reading = tokio::spawn(read_both(target, source, file));
                async { reading.await.unwrap_or_else(|error| Err(ended(error))) }
            })
            .buffered(AT_A_TIME);
        while let Some((file, (target, source))) = done.try_next().await? {
            let mut findings = Findings::default();
            let against = match content.manifest {
                Some(_) => Against::Line(known.get(&(file.row, file.order))),
                None => Against::Source(source.as_ref()),
            };
            compare(&file, &target, &against, content.check(), &mut findings);
            match target {
                Side::Read(bytes) => {
                    read.counts.read += 1;
                    read.counts.bytes += bytes.count;
                    read.lines.push(&ManifestLine::of(&file, &bytes))?;
                }
                Side::Unreadable(why) => read.unreadable = Some(why),
                Side::Absent => {}
            }
            tell((file.row, file.attempt), findings, tally, each);
        }
    }
    Ok(read)
}

/// The files that are to be read, dealt by rows.
fn due(
    storage: &Storage<'_>,
    content: &Content<'_>,
    files: &SpooledBuckets,
    counts: &mut VerifiedContent,
) -> Result<SpooledBuckets, Fault> {
    let mut due = Buckets::new(buckets_for(storage.rows))?;
    for bucket in 0..files.len() {
        files.read(bucket, |file: WantedFile| {
            if content.portion.is_some_and(|portion| !portion.holds(file.row)) {
                return Ok(());
            }
            let is_proven = file.recorded.as_ref().is_some_and(|recorded| recorded.sha256.is_some());
            counts.files += 1;
            counts.proven_when_copied += u64::from(is_proven);
            if is_proven && content.only_unproven {
                return Ok(());
            }
            due.push(manifest::bucket_of(file.row, storage.rows), &file)
        })?;
    }
    due.finish()
}

/// What the bytes of a blob are compared with.
enum Against<'a> {
    /// Its source; `None` if the input row that names it is not there.
    Source(Option<&'a Side>),
    /// The line of the manifest, if it has one.
    Line(Option<&'a ManifestLine>),
}

/// Compares the bytes of a blob with those of its source or with the line of the manifest, and with what the outcome keeps.
fn compare(file: &WantedFile, target: &Side, against: &Against<'_>, check: CheckId, findings: &mut Findings) {
    let target = match target {
        Side::Read(bytes) => bytes,
        Side::Unreadable(_) => return findings.lacking(check, Lack::Bytes),
        Side::Absent => {
            return findings.holds(check, false, Kind::Absent, || {
                format!("file {}: the target has no blob whose bytes could be read", file.order)
            });
        }
    };
    let differs = |than: &str| format!("file {}: the blob's bytes are not {than}", file.order);
    match against {
        Against::Line(None) => findings.lacking(check, Lack::Manifest),
        Against::Line(Some(line)) => {
            let is_same = (line.bytes, line.sha256) == (target.count, target.sha256);
            findings.holds(check, is_same, Kind::Changed, || differs("those of the manifest"));
        }
        Against::Source(Some(Side::Read(source))) => {
            let is_same = (source.count, source.sha256) == (target.count, target.sha256);
            findings.holds(check, is_same, Kind::Changed, || differs("its source's"));
        }
        Against::Source(None) => findings.lacking(check, Lack::Inputs),
        Against::Source(Some(_)) => findings.lacking(check, Lack::SourceFile),
    }
    let check = CheckId::ContentReceipt;
    if let Some(holds) = file.recorded.as_ref().and_then(|recorded| is_as_recorded(recorded, target)) {
        findings.holds(check, holds, Kind::Changed, || differs("those that were copied"));
    }
}

/// `None` if the outcome keeps no digest of the bytes.
fn is_as_recorded(recorded: &FileReceipt, bytes: &Bytes) -> Option<bool> {
    match (&recorded.sha256, &recorded.md5) {
        (Some(sha256), _) => Some(*sha256 == bytes.sha256),
        (None, Some(md5)) => bytes.md5.as_ref().map(|of_bytes| of_bytes == md5),
        (None, None) => None,
    }
}

fn ended(error: tokio::task::JoinError) -> Fault {
    let what = "reading a file did not end; verify again";
    Fault::caused(crate::ports::Service::TargetBlobs, crate::ports::FaultKind::Unavailable, what, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_of_several() {
        for of in [1, 3, 7] {
            for row in 1..50 {
                let held = (1..=of).filter(|part| Portion { part: *part, of }.holds(row)).count();
                assert_eq!(held, 1, "{row} of {of}");
            }
        }
    }
}
