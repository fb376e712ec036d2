//! What a run needs of the target's tables: every column that it reads or writes, with the right it
//! needs there. Other columns are the application's own business.

use std::sync::LazyLock;

use Type::{Bool, Enum, Int, Real, Text, Time};

use crate::domain::form::{self, ColumnKind, ENFORCEMENT, TableForm};

/// What a column must be able to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Real,
    Bool,
    Time,
    /// One of the application's enums, with these labels among its own.
    Enum(&'static [&'static str]),
}

/// One table of the target.
pub(super) struct Table {
    pub name: &'static str,
    /// Rights that a run needs: some of `select`, `insert`, `update`.
    pub rights: &'static [&'static str],
    /// Columns that a run reads or writes.
    pub columns: Vec<(&'static str, Type)>,
    /// The column whose unique key prevents a second row.
    pub unique: Option<&'static str>,
}

impl Type {
    /// The type's name in a schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Text => "text",
            Int => "integer",
            Real => "real",
            Bool => "boolean",
            Time => "timestamp with time zone",
            Enum(_) => "an enum",
        }
    }

    /// Whether a column of this type (`format_type` without a length) can be used.
    pub(super) fn accepts(self, actual: &str) -> bool {
        match self {
            Text => matches!(actual, "text" | "character varying"),
            Int => matches!(actual, "integer" | "bigint"),
            Real => matches!(actual, "real" | "double precision" | "numeric"),
            Bool => actual == "boolean",
            Time => actual == "timestamp with time zone",
            // An enum's labels are compared, not its name.
            Enum(_) => true,
        }
    }
}

/// The twelve tables that the program reads or writes.
pub(super) static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let written = form::TABLES.iter().map(written).chain([enforcements()]);
    read().into_iter().chain(written).collect()
});

/// Columns that are the application's enums, with the labels that a run writes.
const LABELS: [(&str, &[&str]); 2] =
    [("submission_file_type", &["submission", "feedback"]), ("marking_status", &["released"])];

/// A table that a run writes: its columns are those of the receipt.
fn written(table: &'static TableForm) -> Table {
    let column = |(name, kind): &(&'static str, ColumnKind)| {
        let labels = LABELS.iter().find(|(labelled, _)| labelled == name);
        let holds = match kind {
            ColumnKind::Text => labels.map_or(Text, |(_, labels)| Enum(labels)),
            ColumnKind::Int => Int,
            ColumnKind::Number => Real,
            ColumnKind::Bool => Bool,
            ColumnKind::Time => Time,
        };
        (*name, holds)
    };
    let unique = match table.name {
        "lti_launch_sessions" | "lti_session_records" => Some("launch_id"),
        "submission_grades" => Some("submission_id"),
        _ => None,
    };
    Table {
        name: table.name,
        rights: &["select", "insert"],
        columns: table.columns.iter().map(column).collect(),
        unique,
    }
}

fn enforcements() -> Table {
    let Table { name, mut columns, .. } = written(&ENFORCEMENT);
    columns.insert(0, ("id", Text));
    columns.extend([("rule_applied_at", Time), ("updated_at", Time)]);
    Table { name, rights: &["select", "insert", "update"], columns, unique: None }
}

/// The tables that a run only reads.
fn read() -> [Table; 4] {
    [
        Table {
            name: "users",
            rights: &["select"],
            columns: vec![("id", Text), ("username", Text), ("role", Enum(&["admin"])), ("created_at", Time)],
            unique: None,
        },
        Table {
            name: "assessments",
            rights: &["select"],
            columns: vec![("id", Text), ("name", Text), ("code", Text)],
            unique: None,
        },
        Table {
            name: "assessment_sections",
            rights: &["select"],
            columns: vec![("id", Text), ("assessment_id", Text), ("question_text", Text), ("order", Int)],
            unique: None,
        },
        Table {
            name: "malpractice_levels",
            rights: &["select"],
            columns: vec![("id", Text), ("level_text", Text), ("sort_order", Int), ("is_active", Text)],
            unique: None,
        },
    ]
}
