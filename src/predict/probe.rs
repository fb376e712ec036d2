//! `--probe`: copies some of the files into a scratch prefix of the target container, as a run copies them, measures it,
//! and removes the copies.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use bytes::BytesMut;
use futures_util::{TryStreamExt, stream};
use md5::{Digest, Md5};
use tokio::sync::Semaphore;
use url::Url;

use super::Measured;
use crate::{
    exit::Stop,
    ports::{BlobReader, Blobs, Fault, FaultKind, PutOptions, Source},
};

/// Names of all copies of probes begin with this.
const SCRATCH: &str = "rogo-migrate-probe";
/// Copies under way at a time: what a run begins with, and doubles while that moves more. Of few files more at a time would
/// measure little but the last of them.
const WIDTHS: [usize; 3] = [32, 64, 128];
/// Files that a width needs for each copy at a time.
const FILES_EACH: usize = 4;
/// How many times faster a wider pass has to be for the next one.
const WORTH_DOUBLING: f64 = 1.1;
/// Copies that are not measured: they open the connections.
const WARM_UP: usize = 16;
/// Files up to this are one PUT, larger ones go in parts of this.
const PART_BYTES: u64 = 8 << 20;
/// KiB of all buffered bytes.
const BUFFERED_KIB: usize = 64 << 10;

/// Copies the files and removes the copies, also if a copy fails.
pub async fn probe(source: &dyn Source, target: &dyn Blobs, files: &[Url]) -> Result<Measured, Stop> {
    let probe = Probe {
        source,
        target,
        prefix: format!("{SCRATCH}/{}", uuid::Uuid::new_v4().simple()),
        room: Semaphore::new(BUFFERED_KIB),
        by_the_service: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    tracing::info!(
        prefix = probe.prefix,
        files = files.len(),
        "copying for measurement; the copies are removed"
    );
    let measured = probe.copy_all(files).await;
    let names: Vec<String> = (0..files.len()).map(|number| probe.name(number)).collect();
    let removed = target.delete_many(&names).await;
    let measured = measured?;
    removed.map_err(|mut fault| {
        fault.what = format!("{}; remove what lies below {} by hand", fault.what, probe.prefix);
        fault
    })?;
    Ok(measured)
}

struct Probe<'a> {
    source: &'a dyn Source,
    target: &'a dyn Blobs,
    prefix: String,
    room: Semaphore,
    by_the_service: AtomicU64,
    bytes: AtomicU64,
}

impl Probe<'_> {
    fn name(&self, number: usize) -> String {
        format!("{}/{number}", self.prefix)
    }

    async fn copy_all(&self, files: &[Url]) -> Result<Measured, Fault> {
        // Of few files all are measured: a run opens its connections too.
        let unmeasured = if files.len() > 4 * WARM_UP { WARM_UP } else { 0 };
        let (before, rest) = files.split_at(unmeasured);
        let [first, wider @ ..] = WIDTHS;
        self.copy_some(before, 0, first).await?;
        let mut best = self.measure(rest, unmeasured, first).await?;
        for width in wider.into_iter().filter(|width| width * FILES_EACH <= rest.len()) {
            let measured = self.measure(rest, unmeasured, width).await?;
            let is_worth_it = measured.is_faster_than(&best, WORTH_DOUBLING);
            if measured.is_faster_than(&best, 1.0) {
                best = measured;
            }
            if !is_worth_it {
                break;
            }
        }
        Ok(best)
    }

    async fn measure(&self, files: &[Url], first: usize, width: usize) -> Result<Measured, Fault> {
        self.bytes.store(0, Ordering::Relaxed);
        self.by_the_service.store(0, Ordering::Relaxed);
        let began = Instant::now();
        self.copy_some(files, first, width).await?;
        Ok(Measured {
            files: files.len() as u64,
            bytes: self.bytes.load(Ordering::Relaxed),
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            at_a_time: width.min(files.len()),
            by_the_service: 2 * self.by_the_service.load(Ordering::Relaxed) > files.len() as u64,
        })
    }

    async fn copy_some(&self, files: &[Url], first: usize, width: usize) -> Result<(), Fault> {
        stream::iter((first..).zip(files).map(Ok))
            .try_for_each_concurrent(width, |(number, url)| async move {
                let bytes = self.copy(url, &self.name(number)).await?;
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            })
            .await
    }

    /// One copy by the storage service if it can, else through this process; its length.
    async fn copy(&self, url: &Url, name: &str) -> Result<u64, Fault> {
        let options = PutOptions::replace("application/octet-stream");
        if let Some(grant) = self.source.grant(url).await? {
            let info = self.source.head(url).await?;
            match self.target.copy_from(&grant, &info, name, &options).await {
                Ok(stored) => {
                    self.by_the_service.fetch_add(1, Ordering::Relaxed);
                    return Ok(stored.size_bytes);
                }
                Err(fault) if fault.kind == FaultKind::Unsupported => {}
                Err(fault) => tracing::debug!(reason = fault.what, "this file is streamed"),
            }
        }
        let reader = self.source.get(url).await?;
        if reader.info.size_bytes <= PART_BYTES {
            self.whole(reader, name, &options).await
        } else {
            self.in_parts(reader, name, &options).await
        }
    }

    async fn whole(&self, mut reader: BlobReader, name: &str, options: &PutOptions) -> Result<u64, Fault> {
        let _room = self.take(reader.info.size_bytes).await;
        let mut bytes = BytesMut::new();
        while let Some(more) = reader.body.try_next().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(self.target.put(name, bytes.freeze(), options).await?.size_bytes)
    }

    async fn in_parts(&self, reader: BlobReader, name: &str, options: &PutOptions) -> Result<u64, Fault> {
        let _room = self.take(PART_BYTES).await;
        let mut upload = self.target.upload(name, options).await?;
        let (mut whole, mut part, mut body) = (Md5::new(), BytesMut::new(), reader.body);
        while let Some(bytes) = body.try_next().await? {
            part.extend_from_slice(&bytes);
            if part.len() as u64 >= PART_BYTES {
                whole.update(&part);
                upload.part(part.split().freeze()).await?;
            }
        }
        whole.update(&part);
        upload.part(part.freeze()).await?;
        Ok(upload.finish(whole.finalize().into()).await?.size_bytes)
    }

    async fn take(&self, bytes: u64) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let kib = usize::try_from(bytes / 1024 + 1).unwrap_or(BUFFERED_KIB).min(BUFFERED_KIB);
        // The semaphore is never closed.
        self.room.acquire_many(u32::try_from(kib).ok()?).await.ok()
    }
}
