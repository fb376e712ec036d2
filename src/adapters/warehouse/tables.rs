//! The two tables as they are in this warehouse, and the statements that fit them.
//!
//! Statements are plain batches with integer literals: Synapse refuses the driver's parameters.

use std::fmt::Write as _;

use super::{
    catalogue::{Catalogue, Engine},
    column::{Column, Form, quoted},
    rows::Which,
};
use crate::{
    domain::{AttemptId, REPORT_COLUMNS, REPORT_TABLE, SCORE_COLUMNS, SCORE_TABLE},
    ports::{Fault, FaultKind, Service},
};

/// The column of the attempt in both tables.
pub(super) const ATTEMPT: &str = "AttemptId";
/// Time of a row's last change. Both tables have it, but only the value of the reports is a fact.
const MODIFIED: &str = "DateModified";
/// Ids that cannot be read, named as examples.
const EXAMPLES: u8 = 5;

/// Either of these may be absent, not both.
pub(super) const MARKS: [&str; 2] = ["MarksAchieved", "MarksAwarded"];

/// The reports table and the scores table.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) engine: Engine,
    pub(super) reports: Table,
    pub(super) scores: Table,
}

impl Tables {
    pub(super) fn of(&self, which: Which) -> &Table {
        match which {
            Which::Reports => &self.reports,
            Which::Scores => &self.scores,
        }
    }

    /// Checks that every column is there and of a type that can be read; names all that are not.
    pub(super) fn from_catalogue(catalogue: &Catalogue, place: &str) -> Result<Self, Fault> {
        let mut problems = Vec::new();
        let reports = Table::find(catalogue, REPORT_TABLE, &REPORT_COLUMNS, &mut problems);
        let scores = Table::find(catalogue, SCORE_TABLE, &SCORE_COLUMNS, &mut problems);
        let engine = match catalogue.edition {
            5 => Engine::AzureSqlDatabase,
            6 => Engine::SynapseDedicated,
            11 => Engine::SynapseServerless,
            _ => Engine::SqlServer,
        };
        match (reports, scores) {
            (Some(reports), Some(scores)) if problems.is_empty() => Ok(Self { engine, reports, scores }),
            _ => Err(Fault::new(
                Service::Warehouse,
                FaultKind::NotFound,
                format!("{place}: {}", problems.join("; ")),
            )),
        }
    }
}

/// One warehouse table: its name and the columns that are read.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    attempt: Column,
    /// In the domain's order; `None` if the column is absent.
    columns: Vec<Option<Column>>,
    absent: &'static [&'static str],
    /// `DateModified`, if the table has it as a date or a text.
    modified: Option<Column>,
    has_index: bool,
}

/// The columns that the table must have and lacks, as `column <name>`: of [`MARKS`] one is enough.
fn absent(names: &[&str], columns: &[Option<Column>], attempt: Option<&Column>) -> Vec<String> {
    let lacks =
        |wanted: &str| names.iter().zip(columns).any(|(name, column)| *name == wanted && column.is_none());
    let lacks_both_marks = MARKS.iter().all(|name| lacks(name));
    let is_needed = |name: &&str| lacks_both_marks || !MARKS.contains(name);
    let lacking = names.iter().copied().filter(|name| lacks(name)).filter(is_needed);
    attempt
        .is_none()
        .then_some(ATTEMPT)
        .into_iter()
        .chain(lacking)
        .map(|name| format!("column {name}"))
        .collect()
}

impl Table {
    fn find(
        catalogue: &Catalogue,
        table: &str,
        names: &'static [&'static str],
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        let of_table = || catalogue.columns.iter().filter(|(name, ..)| name.eq_ignore_ascii_case(table));
        let Some((table, ..)) = of_table().next() else {
            problems.push(format!(
                "table dbo.{table} is missing, or the login lacks the right to select from it (a synonym is not \
                 looked through: make a view of that name)"
            ));
            return None;
        };
        let find = |wanted: &str| {
            of_table().find(|(_, name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, name, data_type)| {
                Column { name: name.clone(), data_type: data_type.to_lowercase() }
            })
        };
        let columns: Vec<_> = names.iter().map(|name| find(name)).collect();
        let attempt = find(ATTEMPT);
        let absent = absent(names, &columns, attempt.as_ref());
        if !absent.is_empty() {
            problems.push(format!("dbo.{table} lacks {} (or the login may not see it)", absent.join(", ")));
        }
        for column in columns.iter().flatten().chain(&attempt) {
            if !column.is_readable() {
                problems.push(format!(
                    "dbo.{table}.{} is of type {}, which cannot be read as text, number or date",
                    column.name, column.data_type
                ));
            }
        }
        let attempt = attempt?;
        if !attempt.can_be_an_id() {
            problems.push(format!(
                "dbo.{table}.{} is of type {}, and an attempt id is a number or char, varchar, nchar, nvarchar: make a \
                 view of that name with a column of type int",
                attempt.name, attempt.data_type
            ));
        }
        Some(Self {
            name: table.clone(),
            attempt,
            columns,
            absent: names,
            modified: find(MODIFIED).filter(Column::can_be_a_date),
            has_index: catalogue.indexed.iter().any(|name| name.eq_ignore_ascii_case(table)),
        })
    }

    /// Whether looking up an attempt is a seek. An index over text does not serve a comparison as numbers.
    pub(super) fn is_indexed(&self) -> bool {
        self.has_index && !self.attempt.is_text()
    }

    /// Proves the right to read every column, without a row.
    pub(super) fn probe(&self) -> String {
        format!("select top (0) {} from {}", self.projection(Form::Text), self.from())
    }

    /// SQL that counts the table's rows and finds its newest change.
    pub(super) fn extent(&self) -> String {
        let newest = self.modified.as_ref().map_or_else(String::new, |modified| {
            format!(", max({}) as newest", modified.expression(Form::Text))
        });
        format!("select count_big(*) as n{newest} from {}", self.from())
    }

    /// SQL that counts the rows without a valid attempt id and returns a few examples of their ids.
    pub(super) fn without_id(&self) -> String {
        format!(
            "select top ({EXAMPLES}) convert(nvarchar(60), {}) as id, count_big(*) over () as n from {} where {}",
            quoted(&self.attempt.name),
            self.from(),
            self.attempt.is_no_id()
        )
    }

    /// Whether a column of this table is read, by its name.
    pub(super) fn reads(&self, column: &str) -> bool {
        std::iter::once(&self.attempt)
            .chain(self.columns.iter().flatten())
            .any(|read| read.name.eq_ignore_ascii_case(column))
    }

    /// The table's name as the catalogue spells it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Smallest and largest attempt id, and the number of rows.
    pub(super) fn bounds(&self) -> String {
        let attempt = self.attempt();
        format!(
            "select min({attempt}) as lo, max({attempt}) as hi, count_big(*) as n from {} where {attempt} between 1 \
             and {}",
            self.from(),
            i32::MAX
        )
    }

    /// The rows of these attempts, which are sorted and not empty.
    pub(super) fn of_attempts(&self, ids: &[AttemptId], form: Form) -> String {
        let mut select =
            self.between(ids.first().map_or(1, |id| id.get()), ids.last().map_or(0, |id| id.get()), form);
        let _ = write!(select, " and {} in (", self.attempt());
        for (n, id) in ids.iter().enumerate() {
            let _ = write!(select, "{}{id}", if n == 0 { "" } else { "," });
        }
        select.push(')');
        select
    }

    /// The rows of every attempt from `low` to `high`.
    pub(super) fn between(&self, low: i32, high: i32, form: Form) -> String {
        let (projection, from) = (self.projection(form), self.from());
        format!("select {projection} from {from} where {} between {low} and {high}", self.attempt())
    }

    /// The attempt ids from `low` to `high`, one a row.
    pub(super) fn ids_between(&self, low: i32, high: i32) -> String {
        let (id, from) = (self.attempt.as_id(), self.from());
        format!("select {id} as {ATTEMPT} from {from} where {} between {low} and {high}", self.attempt())
    }

    fn from(&self) -> String {
        format!("dbo.{}", quoted(&self.name))
    }

    /// The attempt id as a number. For an id that is not valid the result is null or another number.
    fn attempt(&self) -> String {
        self.attempt.as_number()
    }

    /// Selects all columns in the domain's order; a column that the table lacks is null.
    fn projection(&self, form: Form) -> String {
        let mut list = format!("{} as {ATTEMPT}", self.attempt.as_id());
        for (column, name) in self.columns.iter().zip(self.absent) {
            let value = column.as_ref().map_or_else(|| "null".into(), |column| column.expression(form));
            let _ = write!(list, ", {value} as {name}");
        }
        list
    }
}
