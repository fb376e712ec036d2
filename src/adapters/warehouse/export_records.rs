//! The exported CSV as it streams in: decoded, its quoting checked, cut at the ends of records.
//!
//! The csv crate takes a stray quote for text and can swallow every later row into one field, so the
//! quoting is checked on the same characters first.

use encoding_rs::{Decoder, DecoderResult, UTF_8};

/// A record of a file that is not cut yet may be so long.
const LONGEST_RECORD: usize = 16 << 20;

/// What is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Malformed {
    pub(super) line: u64,
    pub(super) what: String,
}

/// Where in a field the next character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    AfterQuote,
}

/// Cuts text into whole records.
pub(super) struct Records {
    decoder: Decoder,
    text: String,
    /// Bytes of `text` that are checked.
    checked: usize,
    state: State,
    line: u64,
    /// Where the field began that is being read.
    field_line: u64,
    /// Where the record began that `text` begins with.
    record_line: u64,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            // Looks for a byte order mark itself: UTF-8, UTF-16LE, UTF-16BE.
            decoder: UTF_8.new_decoder(),
            text: String::new(),
            checked: 0,
            state: State::Start,
            line: 1,
            field_line: 1,
            record_line: 1,
        }
    }

    /// Takes more bytes (none at the end) and gives the whole records so far, with the line they begin on.
    pub(super) fn push(&mut self, bytes: &[u8], at_end: bool) -> Result<(u64, String), Malformed> {
        self.decode(bytes, at_end)?;
        let (mut whole, mut next_record) = (0, self.record_line);
        let fresh = self.text.get(self.checked..).unwrap_or_default();
        let (mut state, mut line, mut field_line) = (self.state, self.line, self.field_line);
        for (at, c) in fresh.char_indices() {
            state = next(state, c).map_err(|what| Malformed { line, what: what.into() })?;
            if c == '\n' {
                line += 1;
                if state == State::Start {
                    whole = self.checked + at + 1;
                    next_record = line;
                }
            }
            if state == State::Start {
                field_line = line;
            }
        }
        (self.state, self.line, self.field_line) = (state, line, field_line);
        self.checked = self.text.len();
        if at_end {
            if state == State::Quoted {
                return Err(self.malformed("the file ends inside quotes that were opened here"));
            }
            whole = self.text.len();
        } else if self.text.len() - whole > LONGEST_RECORD {
            return Err(self.malformed("a record is over 16 MiB; is a closing quote missing?"));
        }
        let rest = self.text.split_off(whole);
        self.checked -= whole;
        let first_line = std::mem::replace(&mut self.record_line, next_record);
        Ok((first_line, std::mem::replace(&mut self.text, rest)))
    }

    fn decode(&mut self, mut bytes: &[u8], at_end: bool) -> Result<(), Malformed> {
        loop {
            let needed =
                self.decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
            self.text.reserve(needed);
            let (result, read) =
                self.decoder.decode_to_string_without_replacement(bytes, &mut self.text, at_end);
            bytes = bytes.get(read..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let line = self.line + count_lines(self.text.get(self.checked..).unwrap_or_default());
                    return Err(Malformed {
                        line,
                        what: "bytes that are neither UTF-8 nor, with a byte order mark, UTF-16; export it as UTF-8".into(),
                    });
                }
            }
        }
    }

    fn malformed(&self, what: &str) -> Malformed {
        Malformed { line: self.field_line, what: what.into() }
    }
}

fn count_lines(text: &str) -> u64 {
    text.bytes().map(|byte| u64::from(byte == b'\n')).sum()
}

fn next(state: State, c: char) -> Result<State, &'static str> {
    Ok(match (state, c) {
        // Also the first half of a doubled quote.
        (State::Quoted, '"') | (State::AfterQuote, '\r') => State::AfterQuote,
        (State::Quoted, _) | (State::Start | State::AfterQuote, '"') => State::Quoted,
        (State::Plain, '"') => return Err("a quote inside a field that does not begin with one"),
        (_, ',' | '\n') => State::Start,
        (State::AfterQuote, _) => return Err("text after a closing quote"),
        (State::Start | State::Plain, _) => State::Plain,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out when the bytes arrive in pieces of this size.
    fn cut(bytes: &[u8], size: usize) -> Result<String, Malformed> {
        let mut records = Records::new();
        let mut whole = String::new();
        for piece in bytes.chunks(size) {
            whole += &records.push(piece, false)?.1;
        }
        Ok(whole + &records.push(&[], true)?.1)
    }

    #[test]
    fn a_piece_ends_where_a_record_ends() {
        let mut records = Records::new();
        assert_eq!(records.push(b"a,\"b\nc\"\nd,\"", false).unwrap(), (1, "a,\"b\nc\"\n".into()));
        assert_eq!(records.push(b"e\n", false).unwrap(), (3, String::new()));
        assert_eq!(records.push(b"\"\nf,\"\n\"", false).unwrap(), (3, "d,\"e\n\"\n".into()));
        assert_eq!(records.push(b"", true).unwrap(), (5, "f,\"\n\"".into()));
    }

    proptest! {
        #[test]
        fn whatever_the_pieces_everything_comes_out_or_all_is_refused(
            text in "[a\",\r\n🎓]{0,40}",
            size in 1_usize..9,
        ) {
            let at_once = cut(text.as_bytes(), 1_000);
            let piecewise = cut(text.as_bytes(), size);
            match (at_once, piecewise) {
                (Ok(whole), Ok(again)) => {
                    prop_assert_eq!(&whole, &text);
                    prop_assert_eq!(&again, &text);
                }
                (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
                (one, other) => prop_assert!(false, "{one:?} {other:?}"),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), size in 1_usize..9) {
            let _ = cut(&bytes, size);
        }
    }
}
