//! Which files are read, what is counted of them, and what becomes of the manifest's lines.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    Against, Content, compare,
    manifest::{self, Manifest, ManifestDraft, ManifestLine},
    read::{Side, read_both},
    silence::Silence,
};
use crate::{
    domain::AttemptId,
    exit::Stop,
    ports::{Fault, joined},
    run::{
        VerifiedContent,
        lines::{Buckets, SpooledBuckets},
        source_files::buckets_for,
    },
    verify::{
        blobs::{Storage, wanted::WantedFile},
        findings::Findings,
        pass::Tally,
        run::{Each, tell},
    },
};

/// Files that are read at a time, each with its source.
const AT_A_TIME: usize = 16;

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
    /// Nothing yet, of an input of so many rows.
    pub fn new(content: &Content<'_>, rows: u64) -> Result<Self, Fault> {
        let counts = VerifiedContent {
            part: content.portion.map(|portion| (portion.part, portion.of)),
            by_manifest: content.manifest.is_some(),
            ..VerifiedContent::default()
        };
        Ok(Self { counts, unreadable: None, lines: ManifestDraft::new(rows)?, later: None })
    }

    /// Adds what was read of some files, but for their lines.
    pub fn add(&mut self, read: Read) {
        let Read { files, proven_when_copied, whole, compared, with_receipts, bytes, unreadable, .. } = read;
        self.counts.files += files;
        self.counts.proven_when_copied += proven_when_copied;
        self.counts.read += whole;
        self.counts.compared += compared;
        self.counts.with_receipts += with_receipts;
        self.counts.bytes += bytes;
        self.unreadable = unreadable.or(self.unreadable.take());
    }

    /// Adds a line of the manifest.
    pub fn line(&mut self, line: &ManifestLine) -> Result<(), Fault> {
        self.lines.push(line)
    }

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

/// What reading some files leaves beside the differences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    files: u64,
    proven_when_copied: u64,
    /// Files that were read, and their bytes.
    whole: u64,
    /// Of them those that were compared with their source, or with the manifest.
    #[serde(default)]
    compared: u64,
    /// Of them those that were compared with a recorded digest.
    #[serde(default)]
    with_receipts: u64,
    bytes: u64,
    unreadable: Option<String>,
    /// A line for each file that was read: too many for a part, which names their file.
    #[serde(skip)]
    pub lines: Vec<ManifestLine>,
}

/// Takes what was found in a file of this row and attempt.
pub type EachFile<'e> = dyn FnMut((u64, AttemptId), Findings) + Send + 'e;

/// Lines of the manifest by row and file.
type Lines = HashMap<(u64, usize), ManifestLine>;

/// Reads files as their rows come.
pub struct Reading<'a> {
    storage: Storage<'a>,
    content: Content<'a>,
    /// A range of rows, and the lines that the manifest has of it.
    known: Option<(usize, Lines)>,
    read: Read,
    silence: Arc<Silence>,
}

impl<'a> Reading<'a> {
    /// Nothing was read yet.
    pub fn new(storage: Storage<'a>, content: Content<'a>) -> Self {
        let silence = Arc::new(Silence::of(storage.silent_for));
        Self { storage, content, known: None, read: Read::default(), silence }
    }

    /// What was read since it was last asked for.
    pub fn take(&mut self) -> Read {
        std::mem::take(&mut self.read)
    }

    /// Reads those of the files that are asked for, several at once, each a piece at a time.
    pub async fn read(&mut self, files: Vec<WantedFile>, each: &mut EachFile<'_>) -> Result<(), Stop> {
        let mut due: Vec<WantedFile> = files.into_iter().filter(|file| self.asks_for(file)).collect();
        due.sort_unstable_by_key(|file| (file.row, file.order));
        let (target, source) = (self.storage.target, self.storage.source);
        let silence = Arc::clone(&self.silence);
        let source = self.content.manifest.is_none().then_some((source, &silence));
        let mut done = stream::iter(due)
            .map(|file| {
                // A task of its own, so that the digests of several files run at once.
                let source = source.map(|(source, silence)| (Arc::clone(source), Arc::clone(silence)));
                joined(tokio::spawn(read_both(Arc::clone(target), source, file)))
            })
            .buffered(AT_A_TIME);
        while let Some((file, (target, source))) = done.try_next().await? {
            let mut findings = Findings::default();
            let against = match self.content.manifest {
                Some(manifest) => Against::Line(self.line(manifest, &file)?),
                None => Against::Source(source),
            };
            let compared = compare(&file, &target, &against, self.content.check(), &mut findings);
            self.read.compared += u64::from(compared.with_source);
            self.read.with_receipts += u64::from(compared.with_receipt);
            match target {
                Side::Read(bytes) => {
                    self.read.whole += 1;
                    self.read.bytes += bytes.count;
                    self.read.lines.push(ManifestLine::of(&file, &bytes));
                }
                Side::Unreadable(why) => self.read.unreadable = Some(why),
                Side::Absent | Side::Silent => {}
            }
            each((file.row, file.attempt), findings);
        }
        Ok(())
    }

    /// Whether the file is of the part that is asked for and has to be read; counts it.
    fn asks_for(&mut self, file: &WantedFile) -> bool {
        if self.content.portion.is_some_and(|portion| !portion.holds(file.row)) {
            return false;
        }
        let is_proven = file.recorded.as_ref().is_some_and(|recorded| recorded.sha256.is_some());
        self.read.files += 1;
        self.read.proven_when_copied += u64::from(is_proven);
        !(is_proven && self.content.only_unproven)
    }

    /// The manifest's line of the file. Files come in the order of rows: one range of them is held.
    fn line(&mut self, manifest: &Manifest, file: &WantedFile) -> Result<Option<ManifestLine>, Fault> {
        let bucket = manifest::bucket_of(file.row, self.storage.rows);
        if self.known.as_ref().is_none_or(|(known, _)| *known != bucket) {
            self.known = Some((bucket, manifest.of(bucket)?));
        }
        let lines = self.known.as_ref().map(|(_, lines)| lines);
        Ok(lines.and_then(|lines| lines.get(&(file.row, file.order))).cloned())
    }
}

/// Reads the files, one range of rows after the other.
pub async fn read_files(
    storage: &Storage<'_>,
    mut reading: Reading<'_>,
    files: &SpooledBuckets,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<ReadFiles, Stop> {
    let mut all = ReadFiles::new(&reading.content, storage.rows)?;
    let mut by_row = Buckets::new(buckets_for(storage.rows))?;
    for bucket in 0..files.len() {
        files.read(bucket, |file: WantedFile| {
            by_row.push(manifest::bucket_of(file.row, storage.rows), &file)
        })?;
    }
    let by_row = by_row.finish()?;
    for bucket in 0..by_row.len() {
        let mut of_bucket = Vec::new();
        by_row.read(bucket, |file: WantedFile| {
            of_bucket.push(file);
            Ok(())
        })?;
        let mut each = |of_row, findings| tell(of_row, findings, tally, &mut *each);
        reading.read(of_bucket, &mut each).await?;
        let read = reading.take();
        for line in &read.lines {
            all.line(line)?;
        }
        all.add(read);
    }
    Ok(all)
}
