//! Level content: the bytes of blobs, read and compared with those of their sources, or with a manifest.

pub mod manifest;
mod read;
mod reading;
mod silence;

pub use self::reading::{Read, ReadFiles, Reading, read_files};
use self::{
    manifest::{Manifest, ManifestLine},
    read::{Bytes, Side},
};
use super::{
    blobs::wanted::WantedFile,
    findings::{Findings, Kind, Lack},
    nothing::Nothing,
    table::CheckId,
};
use crate::domain::FileReceipt;

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

/// What the bytes of a blob are compared with.
enum Against {
    /// Its source; `None` if the input row that names it is not there.
    Source(Option<Side>),
    /// The line of the manifest, if it has one.
    Line(Option<ManifestLine>),
}

/// With what the bytes of a blob were compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Compared {
    /// With those of its source, or with the line of the manifest.
    with_source: bool,
    /// With what the outcome keeps.
    with_receipt: bool,
}

/// Compares the bytes of a blob with those of its source or with the line of the manifest, and with what the outcome keeps.
fn compare(
    file: &WantedFile,
    target: &Side,
    against: &Against,
    check: CheckId,
    findings: &mut Findings,
) -> Compared {
    let mut compared = Compared::default();
    let target = match target {
        Side::Read(bytes) => bytes,
        Side::Unreadable(_) | Side::Silent => {
            findings.lacking(check, Lack::Bytes);
            return compared;
        }
        Side::Absent => {
            findings.holds(check, false, Kind::Absent, || {
                format!("file {}: the target has no blob whose bytes could be read", file.order)
            });
            return compared;
        }
    };
    let differs = |than: &str| format!("file {}: the blob's bytes are not {than}", file.order);
    let other = match against {
        Against::Line(Some(line)) => Ok((line.bytes, line.sha256, "those of the manifest")),
        Against::Source(Some(Side::Read(source))) => Ok((source.count, source.sha256, "its source's")),
        Against::Line(None) => Err(Lack::Manifest),
        Against::Source(None) => Err(Lack::Inputs),
        Against::Source(Some(Side::Silent)) => Err(Lack::SourceSilent),
        Against::Source(Some(Side::Absent | Side::Unreadable(_))) => Err(Lack::SourceFile),
    };
    match other {
        Err(lack) => findings.lacking(check, lack),
        Ok((bytes, sha256, than)) => {
            compared.with_source = true;
            let is_same = (bytes, sha256) == (target.count, target.sha256);
            findings.holds(check, is_same, Kind::Changed, || differs(than));
        }
    }
    let check = CheckId::ContentReceipt;
    match file.recorded.as_ref().and_then(|recorded| is_as_recorded(recorded, target)) {
        Some(holds) => {
            compared.with_receipt = true;
            findings.holds(check, holds, Kind::Changed, || differs("those that were copied"));
        }
        None => findings.nothing(check, Nothing::Digest),
    }
    compared
}

/// `None` if the outcome keeps no digest of the bytes.
fn is_as_recorded(recorded: &FileReceipt, bytes: &Bytes) -> Option<bool> {
    match (&recorded.sha256, &recorded.md5) {
        (Some(sha256), _) => Some(*sha256 == bytes.sha256),
        (None, Some(md5)) => bytes.md5.as_ref().map(|of_bytes| of_bytes == md5),
        (None, None) => None,
    }
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
