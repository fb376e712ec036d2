//! The canonical form of a submission's stored rows, version 1: what a receipt is the SHA-256 of. Two programs that
//! read the same rows come to the same bytes, whatever `TimeZone`, `DateStyle` or driver they use.
//!
//! ```text
//! form   = header, then for each table of `TABLES` in order: number of its rows (i32), its rows sorted by their bytes
//! header = SHA-256 of "rogo-migrate rows 1\n" and, for each table, "<table>(<column>,<column>,…)\n"
//! row    = number of columns (i32), then for each column: type (u32), length in bytes (i32), value
//! ```
//!
//! Integers are big-endian. A row is exactly what PostgreSQL's `record_send(row(…))` makes. A null has the length -1 and
//! no value.
//!
//! | kind of column | type | value |
//! | --- | --- | --- |
//! | text, varchar, enum | 25 | its characters in UTF-8 |
//! | integer, bigint | 20 | i64 (`int8send`) |
//! | boolean | 16 | one byte, 0 or 1 |
//! | timestamp with time zone | 1184 | microseconds since 2000-01-01 UTC, i64 (`timestamptz_send`) |
//! | real | 700 | IEEE 754, 4 bytes (`float4send`) |
//! | double precision | 701 | IEEE 754, 8 bytes (`float8send`) |
//! | numeric | 25 | its decimal digits without trailing zeros (`trim_scale(…)::text`) |
//!
//! What enters: the columns that a run writes ([`TABLES`]), without those that `--target-alters` names. What does not:
//! - columns left to their defaults: `turnitin_status` of a file that is no learner's (`submission_file_type` other than
//!   `submission`) enters as null;
//! - the writer's segment, which is random: in `azure_blob_name`, `file_url` and `azure_blob_url` every
//!   `/<second segment of azure_blob_name>/` is replaced by `//`;
//! - `malpractice_enforcements`, which newer attempts rewrite: its row has a receipt of its own, in the same form with
//!   the one table [`ENFORCEMENT`], without its id (a row that is changed keeps the id it has).

mod row;
mod tables;
mod value;

use std::{collections::BTreeSet, fmt, fmt::Write as _, str::FromStr};

pub use row::*;
pub use tables::*;
pub use value::*;

use super::Digest;

/// A table and its columns that enter a receipt, in this order.
#[derive(Debug, PartialEq, Eq)]
pub struct TableForm {
    /// The table's name.
    pub name: &'static str,
    /// Columns of the table, with their types.
    pub columns: &'static [(&'static str, ColumnKind)],
}

const NAMES_SUBMISSION: &str = "says to which submission the row belongs";
const KEY_OF_RULE: &str = "is of the key under which a learner's rule of malpractice is looked for";

/// Columns by which rows are recognised or told from each other, and what each of them says. If they are altered, neither a run
/// nor a verification knows whose row it is.
const KEYS: [(&str, &str, &str); 12] = [
    ("assignment_submissions", "lti_launch_id", "says of which attempt the submission is"),
    ("assignment_submissions", "created_at", "says which of several rules of malpractice is the newest"),
    ("submission_files", "submission_id", NAMES_SUBMISSION),
    ("submission_files", "submission_file_type", "says whether the file is the learner's or a marker's"),
    ("submission_marking_assignments", "submission_id", NAMES_SUBMISSION),
    ("submission_section_marks", "submission_id", NAMES_SUBMISSION),
    ("submission_section_marks", "section_id", "says of which section the mark is"),
    ("submission_grades", "submission_id", NAMES_SUBMISSION),
    ("malpractice_enforcements", "lms_user_id", KEY_OF_RULE),
    ("malpractice_enforcements", "custom_assessment_code", KEY_OF_RULE),
    ("malpractice_enforcements", "context_id", KEY_OF_RULE),
    ("malpractice_enforcements", "submission_id", NAMES_SUBMISSION),
];

/// A column that a trigger of the target is known to change (`--target-alters`): it enters no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlteredColumn {
    table: &'static str,
    column: &'static str,
}

impl AlteredColumn {
    /// Whether it is this column.
    pub fn is(&self, table: &str, column: &str) -> bool {
        (self.table, self.column) == (table, column)
    }

    /// What the column says of a row, if rows are recognised by it. No run is planned that leaves it out, and none that was can be
    /// verified.
    pub fn key(&self) -> Option<&'static str> {
        KEYS.iter().find(|(table, column, _)| self.is(table, column)).map(|(_, _, says)| *says)
    }
}

impl FromStr for AlteredColumn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.split_once('.');
        let found = TABLES.iter().chain([&ENFORCEMENT]).find_map(|table| {
            let (column, _) =
                table.columns.iter().find(|(column, _)| wanted == Some((table.name, column)))?;
            Some(Self { table: table.name, column })
        });
        let found = found.ok_or_else(|| {
            "a column that a run writes is expected, as TABLE.COLUMN, for example submission_files.file_name".to_owned()
        })?;
        if matches!(found.column, "id" | "launch_id") {
            return Err(format!("{text} guards against a second migration, so that it must not be altered"));
        }
        Ok(found)
    }
}

impl fmt::Display for AlteredColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// Which columns enter, and the types of the columns of marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    left_out: BTreeSet<AlteredColumn>,
    numbers: Vec<(AlteredColumn, NumberType)>,
    submission: Digest,
    enforcement: Digest,
}

/// A part of a submission with a receipt of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The rows of the seven tables.
    Submission,
    /// The enforcement row.
    Enforcement,
}

impl Part {
    /// Its tables, in the order of the form.
    pub fn tables(self) -> &'static [TableForm] {
        match self {
            Self::Submission => &TABLES,
            Self::Enforcement => std::slice::from_ref(&ENFORCEMENT),
        }
    }
}

impl Layout {
    /// `number_type` of table and column, for columns of marks.
    pub fn new(left_out: &[AlteredColumn], number_type: impl Fn(&str, &str) -> NumberType) -> Self {
        let left_out: BTreeSet<AlteredColumn> = left_out.iter().copied().collect();
        let numbers = TABLES.iter().flat_map(|table| {
            let of_marks = table.columns.iter().filter(|(_, kind)| *kind == ColumnKind::Number);
            of_marks.map(|(column, _)| AlteredColumn { table: table.name, column })
        });
        let numbers = numbers.map(|column| (column, number_type(column.table, column.column))).collect();
        let zero = Digest::from([0; 32]);
        let mut layout = Self { left_out, numbers, submission: zero, enforcement: zero };
        layout.submission = layout.header_of(Part::Submission);
        layout.enforcement = layout.header_of(Part::Enforcement);
        layout
    }

    /// The columns that a trigger is known to alter.
    pub fn left_out(&self) -> impl Iterator<Item = &AlteredColumn> {
        self.left_out.iter()
    }

    /// Whether a trigger is known to alter the column.
    pub fn leaves_out(&self, table: &str, column: &str) -> bool {
        self.left_out.iter().any(|left_out| left_out.is(table, column))
    }

    /// The columns of the table that enter.
    pub fn columns(&self, table: &TableForm) -> impl Iterator<Item = (&'static str, ColumnKind)> {
        let name = table.name;
        let enters = move |(column, _): &(&'static str, ColumnKind)| {
            self.left_out.is_empty() || !self.left_out.contains(&AlteredColumn { table: name, column })
        };
        table.columns.iter().copied().filter(enters)
    }

    /// Type of a column of marks.
    pub fn number_type(&self, table: &str, column: &str) -> NumberType {
        let found = self.numbers.iter().find(|(of, _)| (of.table, of.column) == (table, column));
        found.map(|(_, number)| *number).unwrap_or_default()
    }

    /// What the form of this part begins with.
    pub fn header(&self, part: Part) -> &Digest {
        match part {
            Part::Submission => &self.submission,
            Part::Enforcement => &self.enforcement,
        }
    }

    fn header_of(&self, part: Part) -> Digest {
        let mut text = "rogo-migrate rows 1\n".to_owned();
        for table in part.tables() {
            let columns: Vec<&str> = self.columns(table).map(|(column, _)| column).collect();
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{}({})", table.name, columns.join(","));
        }
        Digest::of(text.as_bytes())
    }
}
