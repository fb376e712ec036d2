//! Why a text is not RFC 4180, as the end of a sentence that names the place.

/// Why the text is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The end of the file came first.
    #[error(
        "a quote opens the cell and the file ends before one closes it; the file is cut, or a quote is missing"
    )]
    Unclosed,
    /// `"a"b`.
    #[error(
        "text follows the cell's closing quote; write a quote inside a cell twice, and look for a missing quote"
    )]
    TextAfterQuote,
    /// `"a";"b"`.
    #[error("{} stands between cells; export the file again with commas between cells", delimiter_name(*.0))]
    Delimiter(u8),
    /// `"a\"b"` or `a\"b`.
    #[error(
        "a backslash stands before a quote inside the cell: the export uses the backslash as escape character"
    )]
    BackslashBeforeQuote,
    /// `"a\b"` if the backslash is the escape character.
    #[error(
        "a backslash stands before a character that needs none, so the backslash is not (only) this export's escape \
         character"
    )]
    IdleBackslash,
    /// `a"b`.
    #[error("a quote stands inside a cell that is not quoted; quote the cell and write its quotes twice")]
    StrayQuote,
    /// Neither LF nor CRLF.
    #[error("a carriage return stands outside quotes without a line feed; end lines with LF or CRLF")]
    LoneReturn,
    /// A record longer than [`super::MAX_RECORD_BYTES`].
    #[error("the record is larger than 16 MiB; look for a missing quote")]
    TooLong,
    /// Fewer cells than the header.
    #[error(
        "the row has {found} cells where the header has {expected}; look for a missing or unquoted comma"
    )]
    TooFew {
        /// Number of cells in the row.
        found: usize,
        /// Number of cells in the header.
        expected: usize,
    },
    /// More cells than the header.
    #[error("the row has more cells than the header's {expected}; look for an unquoted comma")]
    TooMany {
        /// Number of cells in the header.
        expected: usize,
    },
}

/// Readable name of a delimiter character.
pub(super) fn delimiter_name(byte: u8) -> &'static str {
    match byte {
        b';' => "a semicolon",
        b'\t' => "a tab",
        _ => "a vertical bar",
    }
}
