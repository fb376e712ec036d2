//! One CSV as a stream of records: decoded, hashed and checked in the same pass.

use super::{
    Format, InputError, InputSource, Layout, Problem, Record, Role, header,
    lexer::Lexer,
    source::Fingerprint,
    text::{Refill, Text},
    watch::{self, Refusal, Watch},
};
use crate::domain::{
    InputDigest,
    encoding::Foreign,
    text::{equal_key, trim},
};

/// A CSV being read.
pub struct CsvReader {
    location: String,
    /// The location as a plan records it.
    recorded: String,
    format: Format,
    /// As it came.
    header: Vec<String>,
    /// The names in the header, trimmed.
    names: Vec<String>,
    lexer: Lexer,
    text: Text,
    rows: u64,
    watch: Option<Watch>,
}

impl CsvReader {
    /// Opens the file and reads its header. A byte order mark says the encoding, else the format does.
    pub async fn open(source: &InputSource, format: &Format) -> Result<Self, InputError> {
        let text = Text::new(source.open().await?, format.encoding);
        let lexer =
            if format.backslash_escapes() { Lexer::with_backslash_escapes() } else { Lexer::default() };
        let mut reader = Self {
            location: source.location(),
            recorded: source.recorded(),
            format: format.clone(),
            header: Vec::new(),
            names: Vec::new(),
            lexer,
            text,
            rows: 0,
            watch: None,
        };
        if !reader.advance().await? {
            return Err(reader.refuse_header("the file is empty; export it again, with its header"));
        }
        if let Some(reason) = header::strange_start(reader.lexer.record().get(0)) {
            return Err(reader.refuse_header(reason));
        }
        reader.header = reader.lexer.record().iter().map(str::to_owned).collect();
        reader.names = reader.header.iter().map(|name| trim(name).to_owned()).collect();
        reader.lexer.expect_columns(reader.names.len());
        Ok(reader)
    }

    /// Where it is read, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// How it is read.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The names of its columns as they came, in order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Data rows read so far: after [`Self::next`], the number of its row.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// From now on every row is looked at for what exports spoil, and may lack empty cells at its end in columns that
    /// are not used.
    pub fn expect(&mut self, layout: Layout) {
        let needed = layout.used.iter().map(|index| index + 1).max().unwrap_or_default();
        self.lexer.need_columns(needed);
        self.watch = Some(Watch::new(layout));
    }

    /// The next data row, its cells as they came, as many as the header has; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<&Record>, InputError> {
        if !self.advance().await? {
            let refused = self.watch.as_ref().map(|watch| watch.end(&self.names, &self.format));
            return match refused {
                Some(Err(reason)) => Err(self.refuse_habit(String::new(), reason)),
                _ => Ok(None),
            };
        }
        self.rows += 1;
        if let Some(watch) = &mut self.watch {
            let looked = watch.row(self.rows, self.lexer.record(), &self.names, &self.format);
            looked.map_err(|refusal| self.refuse_row(refusal))?;
        }
        Ok(Some(self.lexer.record()))
    }

    /// Digest of all the file's bytes, once [`Self::next`] has reached the end.
    pub fn digest(&self) -> InputDigest {
        let Fingerprint { sha256, size_bytes } = self.text.fingerprint();
        InputDigest { location: self.recorded.clone(), sha256, size_bytes, rows: self.rows }
    }

    /// Index of each of `required`; an error names all that are missing, or stand twice.
    pub fn require<const N: usize>(&self, required: &[&'static str; N]) -> Result<[usize; N], InputError> {
        let list = |names: Vec<&str>| {
            names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let count = |name: &str| self.places(name).count();
        let missing: Vec<&str> = required.iter().copied().filter(|name| count(name) == 0).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "column is" } else { "columns are" };
            let hint = self.hint(&missing, required);
            return Err(self.refuse_header(&format!("required {plural} missing: {}; {hint}", list(missing))));
        }
        let doubled: Vec<&str> = required.iter().copied().filter(|name| count(name) > 1).collect();
        if !doubled.is_empty() {
            let reason =
                format!("columns stand more than once: {}; leave the one that is meant", list(doubled));
            return Err(self.refuse_header(&reason));
        }
        Ok(required.map(|name| self.places(name).next().unwrap_or_default()))
    }

    /// Indices of the columns of this name.
    pub fn places<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + use<'a> {
        let columns = self.names.iter().enumerate();
        columns.filter(move |(_, column)| self.is_named(column, name)).map(|(index, _)| index)
    }

    /// Why those of the `expected` columns that are `missing` may be missing, and what to do: the end of a sentence.
    pub fn hint(&self, missing: &[&str], expected: &[&str]) -> String {
        header::hint(&self.names, missing, expected)
    }

    fn is_named(&self, column: &str, name: &str) -> bool {
        match self.format.role {
            Role::Input => equal_key(column) == name,
            Role::WarehouseTable => equal_key(column).eq_ignore_ascii_case(name),
        }
    }

    async fn advance(&mut self) -> Result<bool, InputError> {
        loop {
            match self.lexer.read(self.text.rest()) {
                Ok((taken, complete)) => {
                    self.text.take(taken);
                    if complete {
                        return Ok(true);
                    }
                }
                Err(problem) => return Err(self.refuse(problem)),
            }
            match self.text.refill().await.map_err(InputError::Fault)? {
                Refill::More => {}
                Refill::End => return self.lexer.end().map_err(|problem| self.refuse(problem)),
                Refill::Foreign(foreign) => return Err(self.refuse_header(&self.foreign(foreign))),
                Refill::Malformed => {
                    let (line, column) = self.position();
                    return Err(InputError::Encoding {
                        location: self.location.clone(),
                        line,
                        column,
                        encoding: self.text.encoding(),
                        remedy: match self.format.role {
                            Role::Input => {
                                "name the file's encoding with --encoding (for example --encoding windows-1252)"
                            }
                            Role::WarehouseTable => {
                                "export the table as UTF-8, or as UTF-16 with a byte order mark"
                            }
                        },
                    });
                }
            }
        }
    }

    fn foreign(&self, foreign: Foreign) -> String {
        match (foreign, self.format.role) {
            (Foreign::Kind(kind), _) => {
                format!("the file is {kind}, not a CSV; unpack it, or export it as CSV")
            }
            (Foreign::Utf16(name), Role::Input) => {
                format!(
                    "the text is UTF-16 without a byte order mark: say --encoding {name}, or export it as UTF-8"
                )
            }
            (Foreign::Utf16(_), Role::WarehouseTable) => {
                "the text is UTF-16 without a byte order mark: export the table as UTF-8, or with the mark"
                    .into()
            }
        }
    }

    fn refuse(&self, problem: Problem) -> InputError {
        if matches!(problem, Problem::TooFew { .. })
            && let Some(what) = header::strange_row(self.lexer.record().iter())
        {
            let (line, _) = self.lexer.position();
            return self.refuse_habit(format!(", line {line}"), watch::sqlcmd(what));
        }
        let (line, column) = self.position();
        if problem == Problem::BackslashBeforeQuote {
            let reason = format!("{problem}; {}", watch::escape_remedy(self.format.role));
            return self.refuse_habit(format!(", line {line}, {column}"), reason);
        }
        InputError::Malformed { location: self.location.clone(), line, column, problem }
    }

    fn refuse_row(&self, refusal: Refusal) -> InputError {
        match refusal {
            Refusal::Malformed(problem) => self.refuse(problem),
            Refusal::Here(column, reason) => {
                let record = self.lexer.record();
                let line = record.line(column.unwrap_or_default());
                let named = column.and_then(|index| self.names.get(index));
                let named = named.map(|name| format!(", column \"{name}\"")).unwrap_or_default();
                self.refuse_habit(format!(", line {line}{named}"), reason)
            }
        }
    }

    fn refuse_habit(&self, place: String, reason: String) -> InputError {
        InputError::Habit { location: self.location.clone(), place, reason }
    }

    fn refuse_header(&self, reason: &str) -> InputError {
        InputError::Header { location: self.location.clone(), reason: reason.to_owned() }
    }

    fn position(&self) -> (u64, String) {
        let (line, index) = self.lexer.position();
        let last = self.names.len().saturating_sub(1);
        let name = self.names.get(index.min(last)).map(|name| format!("column \"{name}\""));
        (line, name.unwrap_or_else(|| format!("column {}", index + 1)))
    }
}
