//! Corruptions of blobs, planted in copies below a scratch prefix of the target container: no real blob is touched.

mod kinds;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{TryFutureExt, TryStreamExt};

pub use self::kinds::kinds;
use self::kinds::{KINDS, Plant, to_be_found};
use super::{Line, line};
use crate::{
    domain::AttemptId,
    exit::{Exit, Stop},
    ports::{BlobInfo, Blobs, Existing, Fault, PutOptions, Retry, Source},
    run::RunName,
    verify::{
        blobs::{
            Storage, look_at, look_for_surplus_blobs,
            sources::SILENT_FOR,
            target::clear,
            wanted::{WantedFile, Wanting},
        },
        content::Content,
        findings::{Found, Lack},
        pass::{Tally, World, collect_files},
        table::CheckId as C,
    },
};

/// Submissions whose blobs are copied at most.
const SUBMISSIONS: usize = 3;
/// Bytes that are copied at most: they are held in memory.
const BYTES: u64 = 16 << 20;

/// Where the files lie, and where their copies go.
pub struct Places<'a> {
    /// The target container: its blobs are only read.
    pub target: &'a Arc<dyn Blobs>,
    /// A prefix of it that only this self-test knows.
    pub scratch: &'a Arc<dyn Blobs>,
    /// The name of that prefix in the target container.
    pub prefix: &'a str,
    /// Reads source files.
    pub source: &'a Arc<dyn Source>,
    /// The run's name.
    pub run: &'a RunName,
    /// Rows of the input.
    pub rows: u64,
}

/// Plants every kind and looks for it; why nothing could be planted, if nothing could. The scratch prefix is empty
/// afterwards.
pub async fn test_files(
    world: &World<'_>,
    places: &Places<'_>,
    attempts: &BTreeSet<AttemptId>,
) -> Result<(Vec<Line>, Option<String>), Stop> {
    if world.ground.lacks_blob_names().is_some() {
        return Ok((none(), None));
    }
    let files = choose(world, places, attempts).await?;
    let few: BTreeSet<AttemptId> = files.iter().map(|file| file.attempt).collect();
    let few = World { attempts: Some(&few), ..*world };
    let test = Test { world: &few, places, files };
    let tested = test.all().await;
    clear(places.scratch.as_ref()).await?;
    places.target.remove_empty_folders(places.prefix).await?;
    tested
}

/// The files of the submissions with the fewest bytes that have any.
async fn choose(
    world: &World<'_>,
    places: &Places<'_>,
    attempts: &BTreeSet<AttemptId>,
) -> Result<Vec<WantedFile>, Stop> {
    let mut wanting = Wanting::new(places.rows)?;
    collect_files(&World { attempts: Some(attempts), ..*world }, None, &mut wanting).await?;
    let wanted = wanting.finish()?;
    let mut by_attempt: BTreeMap<AttemptId, (u64, Vec<WantedFile>)> = BTreeMap::new();
    for bucket in 0..wanted.by_source.len() {
        wanted.by_source.read(bucket, |(_, file): (u32, WantedFile)| {
            let of = by_attempt.entry(file.attempt).or_default();
            of.0 += file.recorded.as_ref().map_or(0, |recorded| recorded.bytes);
            of.1.push(file);
            Ok(())
        })?;
    }
    let mut all: Vec<(u64, Vec<WantedFile>)> =
        by_attempt.into_values().filter(|(bytes, _)| *bytes > 0).collect();
    all.sort_by_key(|(bytes, _)| *bytes);
    let mut room = BYTES;
    let fits = |(bytes, _): &(u64, Vec<WantedFile>)| {
        let fits = *bytes <= room;
        room = room.saturating_sub(*bytes);
        fits
    };
    Ok(all.into_iter().take_while(fits).take(SUBMISSIONS).flat_map(|(_, files)| files).collect())
}

type Copies = BTreeMap<String, (Bytes, PutOptions)>;
type Seen = BTreeSet<(Option<AttemptId>, C)>;

struct Test<'a> {
    world: &'a World<'a>,
    places: &'a Places<'a>,
    files: Vec<WantedFile>,
}

impl Test<'_> {
    async fn all(&self) -> Result<(Vec<Line>, Option<String>), Stop> {
        // Of a file with every digest each check can find something.
        let Some(file) = self.files.iter().filter(|file| has_bytes(file)).max_by_key(|file| digests(file))
        else {
            return Ok((none(), Some("the run has no small submission with files".to_owned())));
        };
        let copies = self.copies().await?;
        // A folder below the target's is a place of its own.
        match self.places.scratch.prepare().and_then(|_| self.write(&copies)).await {
            Err(fault) if fault.kind.retry() == Retry::Never => {
                let place = self.places.scratch.location();
                return Ok((none(), Some(format!("{place} may not be written: {}", fault.chain()))));
            }
            written => written?,
        }
        let (clean, tally) = self.look().await?;
        if !clean.is_empty() {
            let checks: BTreeSet<&str> = clean.iter().map(|(_, check)| check.check().name).collect();
            let message = format!(
                "the copies of blobs differ before anything is planted ({}): let `rogo-migrate verify --level content` say \
                 what is wrong in the target, and test again when it is VERIFIED",
                checks.into_iter().collect::<Vec<_>>().join(", ")
            );
            return Err(Stop::new(Exit::Incomplete, message));
        }
        let lack =
            |check: &C| tally.lacking.keys().find(|(lacking, _)| lacking == check).map(|(_, lack)| *lack);
        let mut lines = Vec::new();
        let mut why = None;
        for (kind, (_, plant, ..)) in kinds().into_iter().zip(KINDS) {
            let kind = to_be_found(kind, file);
            if let Some(lack) = kind.found_by.iter().find_map(lack) {
                if lack != Lack::Altered {
                    why = Some("the sources may not be listed or read".to_owned());
                }
                lines.push(line(&kind, None));
                continue;
            }
            self.plant(*plant, file, &copies).await?;
            let (found, _) = self.look().await?;
            lines.push(line(&kind, Some((found, file.attempt, file.attempt))));
            clear(self.places.scratch.as_ref()).await?;
            self.write(&copies).await?;
        }
        Ok((lines, why))
    }

    async fn copies(&self) -> Result<Copies, Stop> {
        let mut copies = Copies::new();
        for file in &self.files {
            let Some(mut reader) = self.places.target.get(&file.blob).await? else { continue };
            let mut bytes = Vec::new();
            while let Some(piece) = reader.body.try_next().await? {
                bytes.extend_from_slice(&piece);
            }
            let BlobInfo { content_type, content_encoding, metadata, .. } = reader.info;
            let content_type = content_type.unwrap_or_default();
            let options = PutOptions {
                existing: Existing::Replace,
                content_type,
                content_encoding,
                metadata,
                md5: None,
            };
            copies.insert(file.blob.clone(), (bytes.into(), options));
        }
        Ok(copies)
    }

    async fn write(&self, copies: &Copies) -> Result<(), Fault> {
        for (name, (bytes, options)) in copies {
            self.places.scratch.put(name, bytes.clone(), options).await?;
        }
        Ok(())
    }

    async fn plant(&self, plant: Plant, file: &WantedFile, copies: &Copies) -> Result<(), Stop> {
        let scratch = self.places.scratch;
        let Some((bytes, options)) = copies.get(&file.blob) else { return Ok(()) };
        let (mut bytes, mut options) = (bytes.to_vec(), options.clone());
        let folder = file.blob.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = format!("{folder}/{}_99_self-test", file.attempt);
        match plant {
            Plant::Missing => return Ok(scratch.delete_many(std::slice::from_ref(&file.blob)).await?),
            Plant::Orphan => return Ok(scratch.put(&beside, bytes.into(), &options).await.map(drop)?),
            Plant::Renamed => {
                scratch.put(&beside, bytes.into(), &options).await?;
                return Ok(scratch.delete_many(std::slice::from_ref(&file.blob)).await?);
            }
            Plant::Bytes(change) => change(&mut bytes),
            Plant::ContentType => "application/x-self-test".clone_into(&mut options.content_type),
            Plant::Encoding => {
                options.content_encoding =
                    if options.content_encoding.is_some() { None } else { Some("gzip".to_owned()) };
            }
            Plant::Metadata(name) => {
                options.metadata.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
                if name != "migratedfrom" {
                    options.metadata.push((name.to_owned(), "0".to_owned()));
                }
            }
        }
        Ok(scratch.put(&file.blob, bytes.into(), &options).await.map(drop)?)
    }

    async fn look(&self) -> Result<(Seen, Tally), Stop> {
        let Places { scratch, source, run, rows, .. } = *self.places;
        let content = Some(Content { portion: None, only_unproven: false, manifest: None });
        let (most_looks, silent_for, by_manifest) = (u64::MAX, SILENT_FOR, false);
        let target = scratch;
        let storage = Storage { target, source, run, rows, most_looks, silent_for, by_manifest, content };
        let mut wanting = Wanting::new(rows)?;
        for file in &self.files {
            wanting.push(file)?;
        }
        let (mut seen, mut tally) = (Seen::new(), Tally::default());
        let mut each = |_, found: Found| {
            seen.insert((found.attempt, found.difference.check));
        };
        let looked = look_at(self.world, &storage, &wanting.finish()?, &mut tally, &mut each).await?;
        let listed = looked.listed.as_ref();
        look_for_surplus_blobs(self.world, &storage, listed, &mut tally, &mut each).await?;
        Ok((seen, tally))
    }
}

fn has_bytes(file: &WantedFile) -> bool {
    file.recorded.as_ref().is_some_and(|recorded| recorded.bytes > 1)
}

/// How many digests of its bytes the outcome keeps.
fn digests(file: &WantedFile) -> usize {
    let kept = file.recorded.as_ref();
    kept.map_or(0, |kept| usize::from(kept.md5.is_some()) + usize::from(kept.sha256.is_some()))
}

fn none() -> Vec<Line> {
    kinds().iter().map(|kind| line(kind, None)).collect()
}
