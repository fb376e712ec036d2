//! What proves a copy: its length and its MD5.

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::ports::{BlobInfo, Fault, FaultKind, Service};

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

pub(super) fn check_length(info: &BlobInfo, read: u64, more: bool) -> Result<(), Fault> {
    if read == info.size_bytes && !more {
        return Ok(());
    }
    let than = if more || read > info.size_bytes { "more" } else { "fewer" };
    let what = format!("{} gave {than} bytes than its {}", info.name, info.size_bytes);
    Err(Fault::new(Service::SourceBlobs, FaultKind::Corrupt, what))
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
