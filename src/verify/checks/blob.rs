//! The checks of one blob: pure functions over a file row, what the outcome keeps of the file, and what was listed.

use std::borrow::Cow;

use super::super::{
    blobs::wanted::{Seen, WantedFile},
    findings::{Difference, Findings, Kind, Lack},
    nothing::Nothing,
    table::CheckId,
};
use crate::{
    domain::{FileReceipt, md5_hex, target_blob},
    ports::{BlobInfo, Table},
    run::RunName,
};

/// What every blob of a run has in its metadata.
const MIGRATED_FROM: &str = "rogo_warehouse";
/// What the blob of a marker's file has beside.
const MARKERS: &str = "marker_feedback";

/// The checks that need a listing of the target.
pub const OF_LISTING: [CheckId; 6] = [
    CheckId::BlobPresent,
    CheckId::BlobLength,
    CheckId::BlobContentType,
    CheckId::BlobContentEncoding,
    CheckId::BlobMetadata,
    CheckId::BlobMd5,
];

/// Compares the source of a file with what was kept of it when it was copied.
pub fn source(file: &WantedFile, findings: &mut Findings) {
    let check = CheckId::SourceFilesUnchanged;
    let (bytes, md5) = match (&file.source, lack(&file.source)) {
        (Seen::There { bytes, md5, .. }, _) => (*bytes, *md5),
        (_, lack) => return lack.into_iter().for_each(|lack| findings.lacking(check, lack)),
    };
    let Some(recorded) = &file.recorded else { return findings.lacking(check, Lack::Digest) };
    let of_both = md5.zip(md5_of(recorded));
    if of_both.is_none() {
        findings.nothing(check, Nothing::SourceMd5);
    }
    let is_same = recorded.bytes == bytes && of_both.is_none_or(|(stored, recorded)| stored == recorded);
    findings.holds(check, is_same, Kind::Other, || {
        format!("file {}: its source is not what was copied: another length or stored MD5", file.order)
    });
}

/// Compares a blob with its file row; `found` is `None` if the listing does not show it.
pub fn blob(file: &WantedFile, run: &RunName, found: Option<&BlobInfo>, findings: &mut Findings) {
    findings.holds(CheckId::BlobPresent, found.is_some(), Kind::Absent, || {
        format!("file {}: the target has no blob {}", file.order, target_blob(&file.blob))
    });
    let Some(found) = found else { return };
    length(file, found, findings);
    let stored = found.content_type.as_deref().unwrap_or_default();
    if findings.leaves_out(Table::Files, "file_type") {
        findings.lacking(CheckId::BlobContentType, Lack::Altered);
    } else {
        compare(file, CheckId::BlobContentType, "Content-Type", &file.content_type, stored, findings);
    }
    let check = CheckId::BlobContentEncoding;
    match (&file.source, lack(&file.source)) {
        (Seen::There { encoding, .. }, _) => {
            let [want, stored] =
                [encoding, &found.content_encoding].map(|text| text.as_deref().unwrap_or_default());
            compare(file, check, "Content-Encoding", want, stored, findings);
        }
        (_, lack) => lack.into_iter().for_each(|lack| findings.lacking(check, lack)),
    }
    metadata(file, run, found, findings);
    md5(file, found, findings);
}

/// Why nothing is known of the source, although it is asked for.
fn lack(source: &Seen) -> Option<Lack> {
    match source {
        Seen::There { .. } | Seen::NotAsked => None,
        Seen::Gone => Some(Lack::SourceFile),
        Seen::NotListed => Some(Lack::Sources),
        Seen::NotNamed => Some(Lack::Inputs),
    }
}

fn length(file: &WantedFile, found: &BlobInfo, findings: &mut Findings) {
    let check = CheckId::BlobLength;
    let of_source = match &file.source {
        Seen::There { bytes, .. } => Some(*bytes),
        _ => None,
    };
    match file.recorded.as_ref().map(|recorded| recorded.bytes).or(of_source) {
        Some(want) => {
            let [want, stored] = [want, found.size_bytes].map(|bytes| bytes.to_string());
            compare(file, check, "length", &want, &stored, findings);
        }
        None => findings.lacking(check, lack(&file.source).unwrap_or(Lack::Digest)),
    }
}

fn metadata(file: &WantedFile, run: &RunName, found: &BlobInfo, findings: &mut Findings) {
    let of = |name: &str| {
        let named = found.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map_or("", |(_, value)| value.as_str())
    };
    let writer = file.blob.split('/').nth(1).unwrap_or_default();
    let wanted: [(&str, Cow<'_, str>); 5] = [
        ("attemptId", file.attempt.to_string().into()),
        ("migratedFrom", MIGRATED_FROM.into()),
        ("run", run.to_string().into()),
        ("writer", writer.into()),
        ("fileType", if file.is_markers { MARKERS } else { "" }.into()),
    ];
    for (name, want) in wanted {
        compare(file, CheckId::BlobMetadata, &format!("metadata {name}"), &want, of(name), findings);
    }
}

fn md5(file: &WantedFile, found: &BlobInfo, findings: &mut Findings) {
    let of_source = match &file.source {
        Seen::There { md5, .. } => *md5,
        _ => None,
    };
    let check = CheckId::BlobMd5;
    match file.recorded.as_ref().and_then(md5_of).or(of_source) {
        Some(want) => {
            let stored = found.md5.map_or_else(String::new, md5_hex);
            compare(file, check, "stored MD5", &md5_hex(want), &stored, findings);
        }
        // Of a source that was not seen it is not known whether it has one.
        None => match lack(&file.source) {
            Some(lack) => findings.lacking(check, lack),
            None => findings.nothing(check, Nothing::Md5),
        },
    }
}

fn compare(file: &WantedFile, check: CheckId, what: &str, want: &str, stored: &str, findings: &mut Findings) {
    findings.compared(check);
    if want != stored {
        findings.differences.push(Difference {
            check,
            kind: Kind::Changed,
            issue: format!("file {}: {what} of the blob {} differs", file.order, target_blob(&file.blob)),
            values: Some((format!("{want:?}"), format!("{stored:?}"))),
        });
    }
}

/// The MD5 that the outcome keeps.
fn md5_of(recorded: &FileReceipt) -> Option<[u8; 16]> {
    let text = recorded.md5.as_deref().filter(|text| text.len() == 32)?;
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
