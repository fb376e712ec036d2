//! What checks find: which comparisons were made, which could not be, and what differs.

mod want;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use want::shown;
pub use want::{Place, Want};

use super::{
    nothing::Nothing,
    table::{CHECKS, CheckId},
};
use crate::{
    domain::{
        AttemptId,
        form::{AlteredColumn, Layout},
    },
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
    /// The account of the source file gave no answer while files were read.
    SourceSilent,
    /// The blob is there, and its bytes cannot be read.
    Bytes,
    /// No file says who wrote a submission, and it was not made while this run was at work.
    Writer,
    /// The manifest has no line for the file.
    Manifest,
    /// More statuses of Turnitin may have stood when the receipt was made than can be tried.
    Statuses,
    /// What the value has to be follows from a column that `--target-alters` leaves out.
    Altered,
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
            | Self::SourceSilent
            | Self::Bytes
            | Self::Writer
            | Self::Statuses => true,
            Self::Inputs
            | Self::Catalogue
            | Self::Table(_)
            | Self::Digest
            | Self::Incomplete
            | Self::Manifest
            | Self::Altered
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
    /// Columns that a trigger of the target is known to alter: the run did not decide what they hold.
    left_out: Vec<AlteredColumn>,
    /// In the order in which they were found.
    pub differences: Vec<Difference>,
}

impl Default for Findings {
    fn default() -> Self {
        let (lacks, nothing) = (BTreeMap::new(), BTreeMap::new());
        let (left_out, differences) = (Vec::new(), Vec::new());
        Self { compared: [false; CHECKS.len()], lacks, nothing, left_out, differences }
    }
}

impl Findings {
    /// Nothing yet, of rows in which the columns that `--target-alters` names are not compared.
    pub fn of_rows(layout: &Layout) -> Self {
        Self { left_out: layout.left_out().copied().collect(), ..Self::default() }
    }

    /// Whether `--target-alters` names the column.
    pub fn leaves_out(&self, table: Table, column: &str) -> bool {
        self.left_out.iter().any(|left_out| left_out.is(table.name(), column))
    }

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

    /// Records a comparison of what a column holds, and the difference if there is one.
    pub fn column_holds(
        &mut self,
        check: CheckId,
        (table, column): (Table, &str),
        holds: bool,
        issue: impl FnOnce() -> String,
    ) {
        if self.leaves_out(table, column) {
            return self.nothing(check, Nothing::TargetAlters);
        }
        self.holds(check, holds, Kind::Changed, issue);
    }

    /// Compares a stored value with the expected one.
    pub fn value(&mut self, check: CheckId, place: &Place<'_>, want: Want<'_>, stored: &Cell) {
        let want = match want {
            Want::Anything => return,
            _ if self.leaves_out(place.table, place.column) => {
                return self.nothing(check, Nothing::TargetAlters);
            }
            Want::Unknown(lack) => return self.lacking(check, lack),
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
