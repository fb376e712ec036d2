//! What proves a copy: its length and its MD5.

use std::cmp::Ordering;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::ports::{BlobInfo, Fault, FaultKind, Service};

/// More than this is digested off the async threads.
const INLINE_BYTES: usize = 1024 * 1024;

/// The MD5 of a whole file.
pub(super) async fn digest_whole(bytes: &Bytes) -> Result<[u8; 16], Fault> {
    if bytes.len() <= INLINE_BYTES {
        return Ok(Md5::digest(bytes).into());
    }
    Ok(digest_part(Md5::new(), bytes.clone()).await?.finalize().into())
}

/// Digests off the async threads: 8 MiB take them longer than they may be kept.
pub(super) async fn digest_part(mut digest: Md5, part: Bytes) -> Result<Md5, Fault> {
    let work = tokio::task::spawn_blocking(move || {
        digest.update(&part);
        digest
    });
    work.await.map_err(|error| {
        let what = "the digest of a part did not end";
        Fault::caused(Service::TargetBlobs, FaultKind::Unavailable, what, error)
    })
}

/// Compares the number of bytes read with the length that the source reports.
pub(super) fn check_length(info: &BlobInfo, read: u64) -> Result<(), Fault> {
    match read.cmp(&info.size_bytes) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(wrong_length(info, "more")),
        Ordering::Less => Err(wrong_length(info, "fewer")),
    }
}

/// `than` is "more" or "fewer".
pub(super) fn wrong_length(info: &BlobInfo, than: &str) -> Fault {
    let what = format!("{} gave {than} bytes than its {}", info.name, info.size_bytes);
    Fault::new(Service::SourceBlobs, FaultKind::Corrupt, what)
}

/// Compares the MD5 of the bytes read with the one that the source reports.
pub(super) fn check_md5(info: &BlobInfo, found: [u8; 16]) -> Result<(), Fault> {
    match info.md5 {
        Some(claimed) if claimed != found => Err(wrong_md5(info, claimed, found)),
        _ => Ok(()),
    }
}

pub(super) fn wrong_md5(info: &BlobInfo, expected: [u8; 16], found: [u8; 16]) -> Fault {
    let hex = |md5| format!("{:032x}", u128::from_be_bytes(md5));
    let what = format!(
        "{} should have the MD5 {}, but its bytes have {}: no copy was kept",
        info.name,
        hex(expected),
        hex(found)
    );
    Fault::new(Service::SourceBlobs, FaultKind::Corrupt, what)
}
