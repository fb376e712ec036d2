//! Turns a file's bytes into text: detects files that are not text, decodes and hashes the rest.

use bytes::{Buf, Bytes, BytesMut};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use futures_util::{TryStreamExt, stream::BoxStream};

use super::source::{Fingerprint, Hasher};
use crate::ports::Fault;

/// Bytes of text decoded at a time.
const TEXT_BYTES: usize = 64 * 1024;

/// Bytes that tell what kind of file it is.
const TELLING_BYTES: usize = 64;

/// The text of a file, piece by piece.
pub(super) struct Text {
    bytes: BoxStream<'static, Result<Bytes, Fault>>,
    hasher: Hasher,
    raw: Bytes,
    last: bool,
    named: Option<&'static Encoding>,
    decoder: Decoder,
    state: State,
    decoded: String,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No character has come yet but byte order marks.
    Start,
    Middle,
    /// The next bytes are no text.
    Malformed,
    End,
}

/// What came of asking for more text.
pub(super) enum Refill {
    More,
    End,
    Malformed,
    /// Not a text file, or not in the encoding that it is read in.
    Foreign(Foreign),
}

/// Kinds of files, detected by their first bytes, that cannot be read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// A kind of file.
    Kind(&'static str),
    /// UTF-16 of this name without a byte order mark.
    Utf16(&'static str),
}

impl Text {
    pub(super) fn new(
        bytes: BoxStream<'static, Result<Bytes, Fault>>,
        encoding: Option<&'static Encoding>,
    ) -> Self {
        Self {
            bytes,
            hasher: Hasher::default(),
            raw: Bytes::new(),
            last: false,
            named: encoding,
            decoder: encoding.unwrap_or(UTF_8).new_decoder(),
            state: State::Start,
            decoded: String::with_capacity(TEXT_BYTES),
            at: 0,
        }
    }

    /// Text that is not read yet.
    pub(super) fn rest(&self) -> &str {
        self.decoded.get(self.at..).unwrap_or_default()
    }

    /// So many bytes of [`Self::rest`] are read.
    pub(super) fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What pins the bytes that have come so far.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.hasher.clone().finish()
    }

    /// The name of the encoding that is read.
    pub(super) fn encoding(&self) -> &'static str {
        self.decoder.encoding().name()
    }

    /// Decodes more, once everything is read. What stands before malformed bytes is read first, so
    /// that the error names their place.
    pub(super) async fn refill(&mut self) -> Result<Refill, Fault> {
        self.decoded.clear();
        self.at = 0;
        match self.state {
            State::Malformed => return Ok(Refill::Malformed),
            State::End => return Ok(Refill::End),
            State::Start | State::Middle => {}
        }
        if self.state == State::Start && self.raw.is_empty() && self.hasher.is_empty() {
            self.raw = self.first_bytes().await?;
            if let Some(foreign) = foreign(&self.raw, self.named) {
                return Ok(Refill::Foreign(foreign));
            }
        }
        loop {
            if self.raw.is_empty() && !self.last {
                self.raw = self.piece().await?.unwrap_or_default();
            }
            let (result, read) =
                self.decoder.decode_to_string_without_replacement(&self.raw, &mut self.decoded, self.last);
            self.raw.advance(read);
            self.skip_marks();
            match result {
                DecoderResult::Malformed(..) => {
                    self.state = State::Malformed;
                    return Ok(Refill::More);
                }
                DecoderResult::OutputFull => return Ok(Refill::More),
                DecoderResult::InputEmpty => {
                    if self.last {
                        self.state = State::End;
                    }
                    if self.last || !self.decoded.is_empty() {
                        return Ok(Refill::More);
                    }
                }
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        let piece = self.bytes.try_next().await?;
        match &piece {
            Some(piece) => self.hasher.update(piece),
            None => self.last = true,
        }
        Ok(piece)
    }

    async fn first_bytes(&mut self) -> Result<Bytes, Fault> {
        let mut first = BytesMut::new();
        while first.len() < TELLING_BYTES
            && let Some(piece) = self.piece().await?
        {
            if first.is_empty() && piece.len() >= TELLING_BYTES {
                return Ok(piece);
            }
            first.extend_from_slice(&piece);
        }
        Ok(first.freeze())
    }

    /// The decoder takes one byte order mark; some tools write one more.
    fn skip_marks(&mut self) {
        if self.state == State::Start && !self.decoded.is_empty() {
            let text = self.decoded.trim_start_matches('\u{feff}');
            self.at = self.decoded.len() - text.len();
            if !text.is_empty() {
                self.state = State::Middle;
            }
        }
    }
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

pub(super) fn foreign(first: &[u8], named: Option<&'static Encoding>) -> Option<Foreign> {
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
