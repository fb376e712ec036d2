//! What proves a copy: its length and the digests of its bytes.

use std::cmp::Ordering;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::Copier;
use crate::{
    domain::{Digest, md5_hex},
    ports::{BlobInfo, CopiedFile, Fault, FaultKind, Service, Stored, on_thread},
};

/// More than this is digested off the async threads.
const INLINE_BYTES: usize = 1024 * 1024;

/// What is known of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub md5: Option<[u8; 16]>,
    pub sha256: Option<Digest>,
}

impl Known {
    /// The MD5 that its source stores; the bytes were not seen.
    pub(super) fn stored(md5: Option<[u8; 16]>) -> Self {
        Self { md5, sha256: None }
    }
}

/// MD5 and SHA-256 of bytes that pass through.
#[derive(Default)]
pub(super) struct Digests {
    md5: Md5,
    sha256: Sha256,
}

impl Digests {
    /// Of a whole file.
    pub(super) async fn of_whole(bytes: &Bytes) -> Known {
        let mut digests = Self::default();
        if bytes.len() <= INLINE_BYTES {
            digests.update(bytes);
        } else {
            digests = digests.add(bytes.clone()).await;
        }
        digests.finish().1
    }

    /// Digests off the async threads: 8 MiB take them longer than they may be kept.
    pub(super) async fn add(mut self, part: Bytes) -> Self {
        on_thread(move || {
            self.update(&part);
            self
        })
        .await
    }

    /// The MD5, and all that is known.
    pub(super) fn finish(self) -> ([u8; 16], Known) {
        let md5 = self.md5.finalize().into();
        let sha256 = Digest::from(self.sha256);
        (md5, Known { md5: Some(md5), sha256: Some(sha256) })
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha256.update(bytes);
    }
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
pub(super) fn check_md5(info: &BlobInfo, found: Option<[u8; 16]>) -> Result<(), Fault> {
    match (info.md5, found) {
        (Some(claimed), Some(found)) if claimed != found => Err(wrong_md5(info, claimed, found)),
        _ => Ok(()),
    }
}

pub(super) fn wrong_md5(info: &BlobInfo, expected: [u8; 16], found: [u8; 16]) -> Fault {
    let what = format!(
        "{} should have the MD5 {}, but its bytes have {}: no copy was kept",
        info.name,
        md5_hex(expected),
        md5_hex(found)
    );
    Fault::new(Service::SourceBlobs, FaultKind::Corrupt, what)
}

impl Copier {
    /// Compares the written blob with its source; a blob that differs is deleted.
    pub(super) async fn prove(
        &self,
        name: &str,
        stored: &Stored,
        info: &BlobInfo,
        known: Known,
    ) -> Result<CopiedFile, Fault> {
        let fault = match (known.md5, stored.md5) {
            _ if stored.size_bytes != info.size_bytes => {
                let what = format!(
                    "{} has {} bytes, its copy had {}: no copy was kept",
                    info.name, info.size_bytes, stored.size_bytes
                );
                Fault::new(Service::TargetBlobs, FaultKind::Corrupt, what)
            }
            (Some(expected), Some(md5)) if expected != md5 => wrong_md5(info, expected, md5),
            (_, md5) => {
                let copied = self.copied(name, info.size_bytes, known);
                return Ok(CopiedFile { md5_proven: md5.is_some(), ..copied });
            }
        };
        match self.target.delete_many(&[name.to_owned()]).await {
            // An immutability policy keeps the blob; no row will name it.
            Err(kept) if kept.kind == FaultKind::Immutable => Err(fault),
            Err(unknown) => Err(unknown),
            Ok(()) => Err(fault),
        }
    }
}
