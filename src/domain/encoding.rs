//! What the bytes of a file are: text in an encoding that they name, or a kind of file that is no text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that tell what kind of file it is.
pub const TELLING_BYTES: usize = 64;

/// Kinds of files, detected by their first bytes, that cannot be read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A kind of file.
    Kind(&'static str),
    /// UTF-16 of this name without a byte order mark.
    Utf16(&'static str),
}

/// The text of a small file that a person wrote: UTF-8, or what its byte order mark says. Else what it is, and what to do.
pub fn text_of(bytes: &[u8]) -> Result<String, String> {
    let advice = "save it as text in UTF-8";
    match foreign(bytes, None) {
        Some(Foreign::Kind(kind)) => return Err(format!("it is {kind}; {advice}")),
        Some(Foreign::Utf16(name)) => {
            return Err(format!("it is text in {name} without a byte order mark; {advice}"));
        }
        None => {}
    }
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let text = bytes.get(mark..).unwrap_or_default();
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(text);
    decoded.map(Cow::into_owned).ok_or_else(|| format!("it is no text in {}; {advice}", encoding.name()))
}

/// Files that are taken for CSV exports, by their first bytes.
const KINDS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF-", "a PDF"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<!doctype", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
];

/// The kind of a file that begins with these bytes, if it cannot be read as text in the `named` encoding, or else in that of
/// its byte order mark.
pub fn foreign(first: &[u8], named: Option<&'static Encoding>) -> Option<Foreign> {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Some(Foreign::Kind(kind));
    }
    if named.is_some_and(|named| named == UTF_16LE || named == UTF_16BE) || Encoding::for_bom(first).is_some()
    {
        return None;
    }
    utf_16_without_mark(first).map(Foreign::Utf16)
}

/// A header is ASCII text: in UTF-16 every other byte of it is a NUL.
fn utf_16_without_mark(first: &[u8]) -> Option<&'static str> {
    let pairs: Vec<(u8, u8)> = first
        .chunks_exact(2)
        .take(TELLING_BYTES / 2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .collect();
    if pairs.len() < 2 {
        return None;
    }
    if pairs.iter().all(|(low, high)| *low != 0 && *high == 0) {
        Some("utf-16le")
    } else if pairs.iter().all(|(high, low)| *high == 0 && *low != 0) {
        Some("utf-16be")
    } else {
        None
    }
}
