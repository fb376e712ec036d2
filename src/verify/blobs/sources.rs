//! The sources of files: listed, if they may be listed and that is fewer requests than looking at each file.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};

use super::wanted::{Seen, Wanted, WantedFile};
use crate::{
    ports::{BlobInfo, Fault, FaultKind, Retry, Service, Source, within},
    run::{
        lines::{Buckets, SpooledBuckets},
        source_files::{Container, Listed, ListedBlob, NameKey, Way, is_of_the_past, list_all},
    },
};

/// Files that are looked at one by one at a time.
const AT_A_TIME: usize = 32;

/// Files that are looked at one by one at level blobs, at most, of one container and of all versions and snapshots: it promises few
/// requests however many files there are. Level content asks for each file anyway.
pub const MOST_LOOKS: u64 = 100_000;

/// An account, or a warehouse, that gives no answer for so long is gone, as far as a person's verification can know. In a pod an
/// account is waited for as long as for anything else that may pass.
pub const SILENT_FOR: Duration = Duration::from_secs(20);

/// What may pass at a look at one file is waited for so long.
const PASSING_FOR: Duration = Duration::from_mins(5);

/// The files with what was seen of their sources.
pub struct Sourced {
    /// [`WantedFile`]s, dealt by the names of their blobs.
    pub by_blob: SpooledBuckets,
    /// Requests that were made.
    pub requests: u64,
    /// Why containers could not be listed.
    pub not_listed: Vec<String>,
}

/// The fault that kept a container from being listed, if it may pass. Where nothing answers, the account may be gone for good:
/// what needs no source is proven without it.
fn passing(way: &Way) -> Option<Fault> {
    let kind = way.fault.clone().filter(|kind| kind.retry() != Retry::Never && !way.is_silent)?;
    Some(Fault::new(Service::SourceBlobs, kind, way.not_listed.clone().unwrap_or_default()))
}

/// Deals the files by the names of their blobs: none of their sources is asked for.
pub fn without_sources(wanted: &Wanted, in_folder: bool) -> Result<Sourced, Fault> {
    let buckets = wanted.by_source.len();
    let mut dealt = Buckets::new(buckets)?;
    for bucket in 0..buckets {
        wanted.by_source.read(bucket, |(_, file): (u32, WantedFile)| {
            let file = WantedFile { source: Seen::NotAsked, ..file };
            dealt.push(file.key(in_folder).bucket(buckets), &file)
        })?;
    }
    Ok(Sourced { by_blob: dealt.finish()?, requests: 0, not_listed: Vec::new() })
}

/// Lists the sources, and deals the files by the names of their blobs. Each file of a container that may not be listed is looked
/// at, if there are at most `most_looks`; so is each version and snapshot, which no listing shows. A fault that may pass ends the
/// verification: it is no reason for a check that is not possible, unless the account gave no answer for `silent_for`.
pub async fn look_at_sources(
    source: &dyn Source,
    wanted: &Wanted,
    in_folder: bool,
    most_looks: u64,
    silent_for: Duration,
) -> Result<Sourced, Fault> {
    let buckets = wanted.by_source.len();
    let mut listed = listed_patiently(source, wanted, silent_for).await?;
    if let Some(fault) = listed.ways.iter().find_map(passing) {
        return Err(fault);
    }
    let looked_at = looked_at(source, wanted, &mut listed.ways, most_looks).await?;
    let mut requests: u64 = listed.ways.iter().map(|way| way.pages).sum();
    let mut dealt = Buckets::new(buckets)?;
    for bucket in 0..buckets {
        let (mut seen, mut due) = (Vec::new(), Vec::new());
        let found = found(&listed, bucket)?;
        wanted.by_source.read(bucket, |(container, file): (u32, WantedFile)| {
            let way = listed.ways.get(container as usize);
            match (&file.url, way) {
                (Some(url), Some(way)) if is_of_the_past(url) => {
                    if wanted.of_the_past <= most_looks && !way.is_silent {
                        due.push(file);
                    } else {
                        seen.push(WantedFile { source: Seen::NotListed, ..file });
                    }
                }
                (Some(_), Some(_)) if looked_at.contains(&container) => due.push(file),
                (Some(url), Some(way)) => {
                    let key = NameKey::of_source(container, url);
                    let source = match (found.get(&key), &way.not_listed) {
                        (Some(there), _) => there.clone(),
                        (None, None) => Seen::Gone,
                        (None, Some(_)) => Seen::NotListed,
                    };
                    seen.push(WantedFile { source, ..file });
                }
                (None, _) | (_, None) => seen.push(file),
            }
            Ok(())
        })?;
        requests += due.len() as u64;
        seen.extend(look_one_by_one(source, due).await?);
        for file in seen {
            dealt.push(file.key(in_folder).bucket(buckets), &file)?;
        }
    }
    let ways = (0..).zip(listed.ways.iter().zip(&wanted.containers));
    let why = ways.filter(|(number, _)| !looked_at.contains(number)).filter_map(|(_, (way, container))| {
        way.not_listed.as_ref().map(|why| format!("the source {}: {why}", container.shown))
    });
    let not_listed = why.chain(too_many_of_the_past(wanted.of_the_past, most_looks)).collect();
    Ok(Sourced { by_blob: dealt.finish()?, requests, not_listed })
}

/// Why versions and snapshots are not looked at, if they are not.
fn too_many_of_the_past(files: u64, most_looks: u64) -> Option<String> {
    (files > most_looks).then(|| {
        format!(
            "the URLs of {files} files name a version or a snapshot, which no listing shows, and these are too many to be looked at \
             one by one at level blobs: verify at level content, which asks for each file anyway"
        )
    })
}

/// Numbers of the containers of which each file is looked at. The way of one that has too many files says so.
async fn looked_at(
    source: &dyn Source,
    wanted: &Wanted,
    ways: &mut [Way],
    most_looks: u64,
) -> Result<HashSet<u32>, Fault> {
    let mut looked_at = HashSet::new();
    for ((number, container), way) in (0..).zip(&wanted.containers).zip(ways) {
        let is_refused = way.fault.as_ref().is_some_and(FaultKind::is_refusal);
        if !(way.looks_are_cheaper || is_refused && is_answered(source, container).await?) {
            continue;
        }
        if container.files <= most_looks {
            looked_at.insert(number);
        } else if let Some(why) = &mut way.not_listed {
            let files = container.files;
            *why = format!(
                "{why}, and its {files} files are too many to be looked at one by one at level blobs: give the role the right to \
                 list it, or verify at level content, which asks for each file anyway"
            );
        }
    }
    Ok(looked_at)
}

/// Lists the sources; an account that is silent may be away for a moment only: it is asked again for `silent_for`.
async fn listed_patiently(
    source: &dyn Source,
    wanted: &Wanted,
    silent_for: Duration,
) -> Result<Listed, Fault> {
    let list = || {
        let containers = (0..).zip(wanted.containers.iter().cloned()).collect();
        list_all(source, containers, wanted.by_source.len())
    };
    let listed = list().await?;
    let silent = listed.ways.iter().zip(&wanted.containers).filter(|(way, _)| way.is_silent);
    let asked = silent.map(|(_, container)| within(silent_for, || first_page(source, container)));
    let is_silence = |asked: &Result<(), Fault>| asked.as_ref().is_err_and(Fault::is_silence);
    if join_all(asked).await.iter().all(is_silence) { Ok(listed) } else { list().await }
}

async fn first_page(source: &dyn Source, container: &Container) -> Result<(), Fault> {
    source.list(&container.example, &container.prefix).try_next().await.map(drop)
}

/// Whether the files of a container that refuses to be listed are answered one by one: one of them tells.
async fn is_answered(source: &dyn Source, container: &Container) -> Result<bool, Fault> {
    match within(PASSING_FOR, || source.head(&container.example)).await {
        Err(fault) if fault.kind.retry() != Retry::Never => Err(fault),
        Err(fault) => Ok(!fault.kind.is_refusal()),
        Ok(_) => Ok(true),
    }
}

fn found(listed: &Listed, bucket: usize) -> Result<HashMap<NameKey, Seen>, Fault> {
    let mut found = HashMap::new();
    listed.blobs.read(bucket, |blob: ListedBlob| {
        let key = blob.key();
        let ListedBlob { size_bytes, md5, content_encoding, .. } = blob;
        found.insert(key, Seen::There { bytes: size_bytes, md5, encoding: content_encoding });
        Ok(())
    })?;
    Ok(found)
}

async fn look_one_by_one(source: &dyn Source, files: Vec<WantedFile>) -> Result<Vec<WantedFile>, Fault> {
    let looks = stream::iter(files).map(|file| async move {
        let Some(url) = &file.url else { return Ok(file) };
        let seen = seen(within(PASSING_FOR, || source.head(url)).await)?;
        Ok(WantedFile { source: seen, ..file })
    });
    looks.buffered(AT_A_TIME).try_collect().await
}

/// What a look at one source tells; a fault that may pass ends the verification.
fn seen(looked: Result<BlobInfo, Fault>) -> Result<Seen, Fault> {
    match looked {
        Ok(info) => {
            Ok(Seen::There { bytes: info.size_bytes, md5: info.md5, encoding: info.content_encoding })
        }
        Err(fault) if is_for_good(&fault) => Ok(Seen::Gone),
        Err(fault) => Err(fault),
    }
}

/// Whether the source refuses, or lacks, the file for good.
fn is_for_good(fault: &Fault) -> bool {
    fault.service == Service::SourceBlobs
        && fault.kind.retry() == Retry::Never
        && fault.kind != FaultKind::Fenced
}
