//! Turns a file's bytes into text: detects files that are not text, decodes and hashes the rest.

use bytes::{Buf, Bytes, BytesMut};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use futures_util::stream::BoxStream;

use super::{ahead::Ahead, source::Fingerprint};
use crate::{
    domain::encoding::{Foreign, TELLING_BYTES, foreign},
    ports::Fault,
};

/// Bytes of text decoded at a time.
const TEXT_BYTES: usize = 64 * 1024;

/// The text of a file, piece by piece.
pub(super) struct Text {
    bytes: Ahead,
    /// Whether the first bytes have been asked for.
    begun: bool,
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

impl Text {
    pub(super) fn new(
        bytes: BoxStream<'static, Result<Bytes, Fault>>,
        encoding: Option<&'static Encoding>,
    ) -> Self {
        Self {
            bytes: Ahead::of(bytes),
            begun: false,
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

    /// What pins all bytes, once they are read.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.bytes.fingerprint()
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
        if !std::mem::replace(&mut self.begun, true) {
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
        let piece = self.bytes.next().await?;
        self.last |= piece.is_none();
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
