//! One CSV as a stream of records: decoded, hashed and checked in the same pass.

use bytes::{Buf, Bytes};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use futures_util::{TryStreamExt, stream::BoxStream};

use super::{
    InputError, InputSource, Problem, Record,
    lexer::Lexer,
    source::{Fingerprint, Hasher},
};
use crate::{
    domain::{InputDigest, text::trim},
    ports::Fault,
};

/// Bytes of text decoded at a time.
const TEXT_BYTES: usize = 64 * 1024;

/// A CSV being read.
pub struct CsvReader {
    location: String,
    header: Vec<String>,
    lexer: Lexer,
    text: Text,
    rows: u64,
}

impl CsvReader {
    /// Opens the file and reads its header. A BOM says the encoding; else `encoding` does, else it
    /// is UTF-8.
    pub async fn open(source: &InputSource, encoding: Option<&'static Encoding>) -> Result<Self, InputError> {
        let text = Text::new(source.open().await?, encoding.unwrap_or(UTF_8));
        let mut reader =
            Self { location: source.location(), header: Vec::new(), lexer: Lexer::default(), text, rows: 0 };
        if !reader.advance().await? {
            return Err(reader.refuse_header("the file is empty; export it again, with its header"));
        }
        reader.header = reader.lexer.record().iter().map(|name| trim(name).to_owned()).collect();
        reader.lexer.expect_columns(reader.header.len());
        Ok(reader)
    }

    /// Where it is read, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The names of its columns, trimmed, in order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Data rows read so far: after [`Self::next`], the number of its row.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next data row, its cells as they came, as many as the header has; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<&Record>, InputError> {
        if !self.advance().await? {
            return Ok(None);
        }
        self.rows += 1;
        Ok(Some(self.lexer.record()))
    }

    /// What pins the file: all its bytes, once [`Self::next`] has come to the end.
    pub fn digest(&self) -> InputDigest {
        let Fingerprint { sha256, size_bytes } = self.text.hasher.clone().finish();
        InputDigest { location: self.location.clone(), sha256, size_bytes, rows: self.rows }
    }

    /// Index of each of `required`; an error names all that are missing, or stand twice.
    pub fn require<const N: usize>(&self, required: &[&'static str; N]) -> Result<[usize; N], InputError> {
        let count = |name: &str| self.header.iter().filter(|column| *column == name).count();
        let list = |names: Vec<&str>| {
            names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let missing: Vec<&str> = required.iter().copied().filter(|name| count(name) == 0).collect();
        if !missing.is_empty() {
            let hint = if self.header.iter().any(|name| name.contains('\0')) {
                "; the text looks like UTF-16 without a byte order mark: try --encoding utf-16le"
            } else {
                "; correct the header, or export the file again"
            };
            let plural = if missing.len() == 1 { "column is" } else { "columns are" };
            return Err(self.refuse_header(&format!("required {plural} missing: {}{hint}", list(missing))));
        }
        let doubled: Vec<&str> = required.iter().copied().filter(|name| count(name) > 1).collect();
        if !doubled.is_empty() {
            let reason =
                format!("columns stand more than once: {}; leave the one that is meant", list(doubled));
            return Err(self.refuse_header(&reason));
        }
        Ok(required.map(|name| self.header.iter().position(|column| column == name).unwrap_or_default()))
    }

    async fn advance(&mut self) -> Result<bool, InputError> {
        loop {
            match self.lexer.read(self.text.rest()) {
                Ok((taken, complete)) => {
                    self.text.at += taken;
                    if complete {
                        return Ok(true);
                    }
                }
                Err(problem) => return Err(self.refuse(problem)),
            }
            match self.text.refill().await.map_err(InputError::Fault)? {
                Refill::More => {}
                Refill::End => return self.lexer.end().map_err(|problem| self.refuse(problem)),
                Refill::Malformed => {
                    let (line, column) = self.position();
                    let encoding = self.text.decoder.encoding().name();
                    return Err(InputError::Encoding {
                        location: self.location.clone(),
                        line,
                        column,
                        encoding,
                    });
                }
            }
        }
    }

    fn refuse(&self, problem: Problem) -> InputError {
        let (line, column) = self.position();
        InputError::Malformed { location: self.location.clone(), line, column, problem }
    }

    fn refuse_header(&self, reason: &str) -> InputError {
        InputError::Header { location: self.location.clone(), reason: reason.to_owned() }
    }

    fn position(&self) -> (u64, String) {
        let (line, index) = self.lexer.position();
        let last = self.header.len().saturating_sub(1);
        let name = self.header.get(index.min(last)).map(|name| format!("column \"{name}\""));
        (line, name.unwrap_or_else(|| format!("column {}", index + 1)))
    }
}

/// The file's bytes on their way to text.
struct Text {
    bytes: BoxStream<'static, Result<Bytes, Fault>>,
    hasher: Hasher,
    raw: Bytes,
    last: bool,
    decoder: Decoder,
    decoded_all: bool,
    malformed: bool,
    decoded: String,
    at: usize,
}

/// What came of asking for more text.
enum Refill {
    More,
    End,
    Malformed,
}

impl Text {
    fn new(bytes: BoxStream<'static, Result<Bytes, Fault>>, encoding: &'static Encoding) -> Self {
        Self {
            bytes,
            hasher: Hasher::default(),
            raw: Bytes::new(),
            last: false,
            decoder: encoding.new_decoder(),
            decoded_all: false,
            malformed: false,
            decoded: String::with_capacity(TEXT_BYTES),
            at: 0,
        }
    }

    /// Text that is not read yet.
    fn rest(&self) -> &str {
        self.decoded.get(self.at..).unwrap_or_default()
    }

    /// Decodes more, once everything is read. What stands before malformed bytes is read first, so
    /// that the error names their place.
    async fn refill(&mut self) -> Result<Refill, Fault> {
        self.decoded.clear();
        self.at = 0;
        if self.malformed {
            return Ok(Refill::Malformed);
        }
        if self.decoded_all {
            return Ok(Refill::End);
        }
        loop {
            if self.raw.is_empty() && !self.last {
                match self.bytes.try_next().await? {
                    Some(piece) => {
                        self.hasher.update(&piece);
                        self.raw = piece;
                    }
                    None => self.last = true,
                }
            }
            let (result, read) =
                self.decoder.decode_to_string_without_replacement(&self.raw, &mut self.decoded, self.last);
            self.raw.advance(read);
            match result {
                DecoderResult::Malformed(..) => {
                    self.malformed = true;
                    return Ok(Refill::More);
                }
                DecoderResult::OutputFull => return Ok(Refill::More),
                DecoderResult::InputEmpty => {
                    self.decoded_all = self.last;
                    if self.last || !self.decoded.is_empty() {
                        return Ok(Refill::More);
                    }
                }
            }
        }
    }
}
