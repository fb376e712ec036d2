//! The kinds of corruption that are planted in copies of blobs.

use crate::verify::{
    blobs::wanted::WantedFile,
    self_test::kinds::{Kind, Whose},
    table::CheckId as C,
};

/// What is done to the copies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plant {
    Missing,
    Orphan,
    Renamed,
    Bytes(fn(&mut Vec<u8>)),
    ContentType,
    Encoding,
    Metadata(&'static str),
}

/// Name, what is done, the checks that have to find it, those that may.
type FileKind = (&'static str, Plant, &'static [C], &'static [C]);

/// The check that may find that bytes are other ones, where only the source stores an MD5.
const BYTES_TOO: &[C] = &[C::BlobMd5];

/// All kinds, in the order in which they are planted.
pub(super) const KINDS: &[FileKind] = &[
    ("a missing blob", Plant::Missing, &[C::BlobPresent], &[C::ContentSource]),
    ("an orphan blob", Plant::Orphan, &[C::BlobsSurplus], &[]),
    ("a renamed blob", Plant::Renamed, &[C::BlobPresent, C::BlobsSurplus], &[C::ContentSource]),
    (
        "one byte of the right length",
        Plant::Bytes(|bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1)),
        &[C::BlobMd5, C::ContentSource, C::ContentReceipt],
        BYTES_TOO,
    ),
    (
        "a blob that is a byte longer",
        Plant::Bytes(|bytes| bytes.push(b'x')),
        &[C::BlobLength, C::BlobMd5, C::ContentSource, C::ContentReceipt],
        BYTES_TOO,
    ),
    (
        "a blob that was cut short",
        Plant::Bytes(|bytes| bytes.truncate(bytes.len() / 2)),
        &[C::BlobLength, C::BlobMd5, C::ContentSource, C::ContentReceipt],
        BYTES_TOO,
    ),
    ("a lost content type", Plant::ContentType, &[C::BlobContentType], &[]),
    ("a lost content encoding, or one too many", Plant::Encoding, &[C::BlobContentEncoding], &[]),
    ("metadata attemptId of another attempt", Plant::Metadata("attemptid"), &[C::BlobMetadata], &[]),
    ("lost metadata migratedFrom", Plant::Metadata("migratedfrom"), &[C::BlobMetadata], &[]),
    ("metadata run of another run", Plant::Metadata("run"), &[C::BlobMetadata], &[]),
    ("metadata writer of another writer", Plant::Metadata("writer"), &[C::BlobMetadata], &[]),
    ("metadata fileType of another kind", Plant::Metadata("filetype"), &[C::BlobMetadata], &[]),
];

/// The kinds, as those of rows.
pub fn kinds() -> Vec<Kind> {
    let kind = |(name, _, found_by, may): &FileKind| Kind {
        name: (*name).to_owned(),
        planted_in: "target container".to_owned(),
        fits: "",
        sql: String::new(),
        found_by: found_by.to_vec(),
        may,
        whose: Whose::One,
    };
    KINDS.iter().map(kind).collect()
}

/// The checks that have to find a kind in this file: without a digest of its bytes there is nothing to compare them with.
pub(super) fn to_be_found(kind: Kind, file: &WantedFile) -> Kind {
    let kept = file.recorded.as_ref();
    let has_md5 = kept.is_some_and(|kept| kept.md5.is_some());
    let has_digest = has_md5 || kept.is_some_and(|kept| kept.sha256.is_some());
    let is_kept = |check: &C| match check {
        C::BlobMd5 => has_md5,
        C::ContentReceipt => has_digest,
        _ => true,
    };
    Kind { found_by: kind.found_by.into_iter().filter(is_kept).collect(), ..kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::FileReceipt, verify::blobs::wanted::Seen};

    #[test]
    fn no_check_is_demanded_of_a_file_of_which_the_outcome_keeps_nothing_to_compare() {
        let file = |md5, sha256| WantedFile {
            row: 1,
            attempt: "7".parse().unwrap(),
            order: 1,
            blob: "LTI_Uploads/0123456789ab/7_1_a.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            is_markers: false,
            recorded: Some(FileReceipt::new(3, md5, sha256)),
            url: None,
            source: Seen::NotNamed,
        };
        let demanded = |file: &WantedFile| {
            let kind = kinds().into_iter().find(|kind| kind.name == "one byte of the right length");
            to_be_found(kind.unwrap(), file).demands().collect::<Vec<_>>()
        };
        let (md5, sha256) = (Some([1; 16]), Some([2; 32].into()));
        assert_eq!(demanded(&file(md5, sha256)), [C::BlobMd5, C::ContentSource, C::ContentReceipt]);
        assert_eq!(demanded(&file(md5, None)), [C::BlobMd5, C::ContentSource, C::ContentReceipt]);
        assert_eq!(demanded(&file(None, sha256)), [C::ContentSource, C::ContentReceipt]);
        // The storage service copied it, and its source stores no MD5.
        assert_eq!(demanded(&file(None, None)), [C::ContentSource]);
    }
}
