//! Reads a blob and its source at once, a piece at a time, and digests both.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    domain::Digest,
    ports::{Backoff, BlobReader, Blobs, Fault, FaultKind, Patience, Retry, Service, Source, pause},
    verify::blobs::wanted::WantedFile,
};

/// Times that a file is read anew after a fault that may pass.
const RETRIES: u32 = 5;

/// What the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Number of bytes.
    pub count: u64,
    /// Of all bytes.
    pub sha256: Digest,
    /// Of all bytes, 32 hex digits.
    pub md5: String,
}

/// What reading one side of a copy told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// All its bytes were read.
    Read(Bytes),
    /// It is not there.
    Absent,
    /// It is there, and may or can not be read; why.
    Unreadable(String),
}

/// Reads the blob, and its source if there is one to read it by.
pub async fn read_both(
    target: Arc<dyn Blobs>,
    source: Option<Arc<dyn Source>>,
    file: WantedFile,
) -> Result<(WantedFile, (Side, Option<Side>)), Fault> {
    let of_source = async {
        match (&source, &file.url) {
            (Some(source), Some(url)) => read_source(source.as_ref(), url).await.map(Some),
            _ => Ok(None),
        }
    };
    let both = tokio::try_join!(read_target(target.as_ref(), &file.blob), of_source)?;
    Ok((file, both))
}

async fn read_target(target: &dyn Blobs, blob: &str) -> Result<Side, Fault> {
    let mut patience = Patience::new(Backoff::OPERATION);
    loop {
        let read = match target.get(blob).await {
            Ok(None) => return Ok(Side::Absent),
            Ok(Some(reader)) => digest(reader).await,
            Err(fault) => Err(fault),
        };
        match settled(read, &mut patience)? {
            Settled::Side(side) => return Ok(side),
            Settled::Again(wait) => pause(wait).await,
        }
    }
}

async fn read_source(source: &dyn Source, url: &Url) -> Result<Side, Fault> {
    let mut patience = Patience::new(Backoff::OPERATION);
    loop {
        let read = match source.get(url).await {
            Ok(reader) => digest(reader).await,
            Err(fault) => Err(fault),
        };
        match settled(read, &mut patience)? {
            Settled::Side(side) => return Ok(side),
            Settled::Again(wait) => pause(wait).await,
        }
    }
}

/// What becomes of a try to read.
enum Settled {
    Side(Side),
    Again(Duration),
}

/// A fault that may pass is waited for; one that does not is the file's own.
fn settled(read: Result<Bytes, Fault>, patience: &mut Patience) -> Result<Settled, Fault> {
    let fault = match read {
        Ok(bytes) => return Ok(Settled::Side(Side::Read(bytes))),
        Err(fault) => fault,
    };
    match fault.kind {
        FaultKind::NotFound | FaultKind::ContainerGone | FaultKind::NameRefused => {
            Ok(Settled::Side(Side::Absent))
        }
        // Changed: the next try reads what stands now.
        _ if fault.kind.retry() != Retry::Never || fault.kind == FaultKind::Changed => {
            patience.failed_at_most(RETRIES).map(Settled::Again).ok_or(fault)
        }
        _ => Ok(Settled::Side(Side::Unreadable(fault.chain()))),
    }
}

async fn digest(reader: BlobReader) -> Result<Bytes, Fault> {
    let BlobReader { info, mut body } = reader;
    let (mut sha256, mut md5, mut count) = (Sha256::new(), Md5::new(), 0);
    while let Some(piece) = body.try_next().await? {
        sha256.update(&piece);
        md5.update(&piece);
        count += piece.len() as u64;
    }
    if count != info.size_bytes {
        let what = format!("{count} bytes of a file of {} bytes came; it is read again", info.size_bytes);
        return Err(Fault::new(Service::TargetBlobs, FaultKind::Unavailable, what));
    }
    let md5: [u8; 16] = md5.finalize().into();
    Ok(Bytes {
        count,
        sha256: Digest::from(<[u8; 32]>::from(sha256.finalize())),
        md5: format!("{:032x}", u128::from_be_bytes(md5)),
    })
}
