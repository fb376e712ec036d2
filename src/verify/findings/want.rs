//! What a stored value has to be, and where it stands.

use std::borrow::Cow;

use super::Lack;
use crate::{
    domain::Decimal,
    ports::{Cell, Table},
};

/// A column of a row, for people: `submission_files.file_name (file 2)`.
pub struct Place<'a> {
    /// Table of the row.
    pub table: Table,
    /// Column of the table.
    pub column: &'a str,
    /// Which of several rows of the submission, from 1; 0 if there is one.
    pub n: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.table.name(), self.column)?;
        if self.n > 0 { write!(f, " (row {})", self.n) } else { Ok(()) }
    }
}

/// What a stored value has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Want<'e> {
    /// It has to be null.
    Null,
    /// It has to be this text.
    Text(Cow<'e, str>),
    /// It has to be this integer.
    Int(i64),
    /// This number, rounded as a column of type numeric rounds it.
    Number(Cow<'e, Decimal>),
    /// It has to be true.
    True,
    /// It has to be this instant.
    Time(chrono::DateTime<chrono::Utc>),
    /// Not compared here.
    Anything,
    /// Cannot be compared.
    Unknown(Lack),
}

impl<'e> Want<'e> {
    /// Exactly this text.
    pub fn text(text: &'e str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// This text, or null.
    pub fn optional(text: Option<&'e str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// A number is stored in the column's own type: compared as that type rounds it, once.
    pub(super) fn is(&self, stored: &Cell) -> bool {
        match (self, stored) {
            (Self::Null, Cell::Null) | (Self::True, Cell::Bool(true)) => true,
            (Self::Text(want), Cell::Text(stored)) => want == stored,
            (Self::Int(want), Cell::Int(stored)) => want == stored,
            (Self::Number(want), Cell::Real(stored)) => want.as_str().parse() == Ok(*stored),
            (Self::Number(want), Cell::Double(stored)) => want.as_str().parse() == Ok(*stored),
            (Self::Number(want), Cell::Decimal(stored)) => want.as_ref() == stored,
            (Self::Time(want), Cell::Time(stored)) => want == stored,
            _ => false,
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => format!("{text:?}"),
            Self::Int(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::True => "true".to_owned(),
            Self::Time(time) => time.to_rfc3339(),
            Self::Anything | Self::Unknown(_) => String::new(),
        }
    }
}

pub(super) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Text(text) => format!("{text:?}"),
        Cell::Int(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Double(number) => number.to_string(),
        Cell::Decimal(number) => number.to_string(),
        Cell::Bool(flag) => flag.to_string(),
        Cell::Time(time) => time.to_rfc3339(),
    }
}
