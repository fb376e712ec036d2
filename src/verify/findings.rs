//! What checks find: which comparisons were made, which could not be, and what differs.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{
    nothing::Nothing,
    table::{CHECKS, CheckId},
};
use crate::{
    domain::{AttemptId, Decimal, form::AlteredColumn},
    ports::{Cell, Table},
};

/// How a stored row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A row that stands holds another value: the application may have changed it after the run.
    Changed,
    /// The same, and the row was written again after the run's commit: `changed_after`.
    ChangedAfter,
    /// A row is absent.
    Absent,
    /// A row stands that should not.
    Surplus,
    /// A row stands beside those of a submission, that this run did not write: the application may have added it since.
    Added,
    /// Not about a stored row: outcomes, inputs or warehouse.
    Other,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The check that found it.
    pub check: CheckId,
    /// How it differs.
    pub kind: Kind,
    /// What differs, without values.
    pub issue: String,
    /// Expected and stored value; may be personal data.
    pub values: Option<(String, String)>,
}

/// Why a comparison cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// The input row is not there.
    Inputs,
    /// The warehouse's values are not there, or cannot be read.
    Warehouse,
    /// The catalogue (assessments, sections, levels, users) cannot be read.
    Catalogue,
    /// This role may not read the table.
    Table(Table),
    /// The outcome keeps no digest.
    Digest,
    /// The run is INCOMPLETE: its receipts are of the rows that it had then.
    Incomplete,
    /// The target container cannot be listed.
    Blobs,
    /// The container of the source file cannot be listed.
    Sources,
    /// The source file is not there any more, or cannot be read.
    SourceFile,
    /// The blob is there, and its bytes cannot be read.
    Bytes,
    /// No file says who wrote a submission, and it was not made while this run was at work.
    Writer,
    /// The manifest has no line for the file.
    Manifest,
    /// More statuses of Turnitin may have stood when the receipt was made than can be tried.
    Statuses,
    /// The row that holds the value is absent, which another check reports.
    Row,
}

impl Lack {
    /// Whether it may be new at a second look: what a process reads once, and what outcomes keep, is the same at both.
    pub fn may_come(self) -> bool {
        match self {
            Self::Warehouse
            | Self::Blobs
            | Self::Sources
            | Self::SourceFile
            | Self::Bytes
            | Self::Writer
            | Self::Statuses => true,
            Self::Inputs
            | Self::Catalogue
            | Self::Table(_)
            | Self::Digest
            | Self::Incomplete
            | Self::Manifest
            | Self::Row => false,
        }
    }
}

/// The findings about one row.
#[derive(Debug, Clone)]
pub struct Findings {
    compared: [bool; CHECKS.len()],
    lacks: BTreeMap<CheckId, Lack>,
    nothing: BTreeMap<CheckId, Nothing>,
    /// In the order in which they were found.
    pub differences: Vec<Difference>,
}

impl Default for Findings {
    fn default() -> Self {
        let (lacks, nothing) = (BTreeMap::new(), BTreeMap::new());
        Self { compared: [false; CHECKS.len()], lacks, nothing, differences: Vec::new() }
    }
}

impl Findings {
    /// Records that the check compared something.
    pub fn compared(&mut self, check: CheckId) {
        if let Some(compared) = self.compared.get_mut(check.index()) {
            *compared = true;
        }
    }

    /// Records that the check could not compare everything; the first reason stands.
    pub fn lacking(&mut self, check: CheckId, lack: Lack) {
        if lack != Lack::Row {
            self.lacks.entry(check).or_insert(lack);
        }
    }

    /// Records that the check had nothing to compare with.
    pub fn nothing(&mut self, check: CheckId, nothing: Nothing) {
        self.nothing.insert(check, nothing);
    }

    /// Records a comparison, and the difference if there is one.
    pub fn holds(&mut self, check: CheckId, holds: bool, kind: Kind, issue: impl FnOnce() -> String) {
        self.compared(check);
        if !holds {
            self.differences.push(Difference { check, kind, issue: issue(), values: None });
        }
    }

    /// Compares a stored value with the expected one.
    pub fn value(&mut self, check: CheckId, place: &Place<'_>, want: Want<'_>, stored: &Cell) {
        let want = match want {
            Want::Unknown(lack) => return self.lacking(check, lack),
            Want::Anything => return,
            want => want,
        };
        self.compared(check);
        if !want.is(stored) {
            self.differences.push(Difference {
                check,
                kind: Kind::Changed,
                issue: format!("{place} differs"),
                values: Some((want.shown(), shown(stored))),
            });
        }
    }

    /// Forgets what differs in columns that a trigger of the target is known to alter: the run did not decide what they hold.
    pub fn leave_out<'c>(&mut self, columns: impl Iterator<Item = &'c AlteredColumn>) {
        for column in columns.map(ToString::to_string) {
            let is_of_it =
                |issue: &str| issue.strip_prefix(&column).is_some_and(|rest| rest.starts_with([' ', ':']));
            self.differences.retain(|difference| !is_of_it(&difference.issue));
        }
    }

    /// The checks that compared something.
    pub fn all_compared(&self) -> impl Iterator<Item = CheckId> {
        CHECKS.iter().map(|check| check.id).filter(|id| self.compared.get(id.index()) == Some(&true))
    }

    /// The checks that had nothing to compare with, and why.
    pub fn all_nothing(&self) -> impl Iterator<Item = (CheckId, Nothing)> {
        self.nothing.iter().map(|(check, nothing)| (*check, *nothing))
    }

    /// The checks that could not compare everything, and why.
    pub fn all_lacking(&self) -> impl Iterator<Item = (CheckId, Lack)> {
        self.lacks.iter().map(|(check, lack)| (*check, *lack))
    }
}

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
    fn is(&self, stored: &Cell) -> bool {
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

    fn shown(&self) -> String {
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

fn shown(cell: &Cell) -> String {
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

/// A difference and the row that it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Number of the CSV's data row; `None` for a stored row that belongs to none.
    pub row: Option<u64>,
    /// The attempt, if one is known.
    pub attempt: Option<AttemptId>,
    /// What differs there.
    pub difference: Difference,
}
