//! Reads a blob and its source at once, a piece at a time, and digests both.

use std::sync::Arc;

use futures_util::TryStreamExt;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::silence::Silence;
use crate::{
    domain::{Digest, md5_hex},
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
    /// Of all bytes, 32 hex digits, if it is compared.
    pub md5: Option<String>,
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
    /// Its account gives no answer.
    Silent,
}

/// Reads the blob, and its source if there is one to read it by, with what is known of the accounts that give no answer.
pub async fn read_both(
    target: Arc<dyn Blobs>,
    source: Option<(Arc<dyn Source>, Arc<Silence>)>,
    file: WantedFile,
) -> Result<(WantedFile, (Side, Option<Side>)), Fault> {
    // The MD5 is only compared with that of an outcome which keeps no SHA-256.
    let with_md5 =
        file.recorded.as_ref().is_some_and(|recorded| recorded.sha256.is_none() && recorded.md5.is_some());
    let of_source = async {
        let (Some((source, silence)), Some(url)) = (&source, &file.url) else { return Ok(None) };
        read(Service::SourceBlobs, false, || silence.open(source.as_ref(), url)).await.map(Some)
    };
    let of_target = read(Service::TargetBlobs, with_md5, || async {
        Ok(target.get(&file.blob).await?.ok_or(Side::Absent))
    });
    let both = tokio::try_join!(of_target, of_source)?;
    Ok((file, both))
}

/// A fault that may pass is waited for; one that does not is the file's own. `open` gives a reader, or what is known without one.
async fn read<F>(service: Service, with_md5: bool, mut open: impl FnMut() -> F) -> Result<Side, Fault>
where
    F: Future<Output = Result<Result<BlobReader, Side>, Fault>>,
{
    let mut patience = Patience::new(Backoff::OPERATION);
    loop {
        let read = match open().await {
            Ok(Err(side)) => return Ok(side),
            Ok(Ok(reader)) => digest(reader, service, with_md5).await,
            Err(fault) => Err(fault),
        };
        let fault = match read {
            Ok(bytes) => return Ok(Side::Read(bytes)),
            Err(fault) => fault,
        };
        match fault.kind {
            FaultKind::NotFound | FaultKind::ContainerGone | FaultKind::NameRefused => {
                return Ok(Side::Absent);
            }
            // Changed: the next try reads the present bytes.
            _ if fault.kind.retry() != Retry::Never || fault.kind == FaultKind::Changed => {
                match patience.failed_at_most(RETRIES) {
                    Some(wait) => pause(wait).await,
                    None => return Err(fault),
                }
            }
            _ => return Ok(Side::Unreadable(fault.chain())),
        }
    }
}

async fn digest(reader: BlobReader, service: Service, with_md5: bool) -> Result<Bytes, Fault> {
    let BlobReader { info, mut body } = reader;
    let (mut sha256, mut md5, mut count) = (Sha256::new(), with_md5.then(Md5::new), 0);
    while let Some(piece) = body.try_next().await? {
        sha256.update(&piece);
        if let Some(md5) = &mut md5 {
            md5.update(&piece);
        }
        count += piece.len() as u64;
    }
    if count != info.size_bytes {
        let what = format!("{count} bytes of a file of {} bytes came; it is read again", info.size_bytes);
        return Err(Fault::new(service, FaultKind::Unavailable, what));
    }
    Ok(Bytes { count, sha256: sha256.into(), md5: md5.map(|md5| md5_hex(md5.finalize().into())) })
}
