//! Rows of an answer as the domain knows them.

use std::collections::HashMap;

use tiberius::{ColumnData, Row};

use super::values;
use crate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts, REPORT_TABLE, SCORE_TABLE, Value},
    ports::{Fault, FaultKind, Service},
};

/// Which table a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Reports,
    Scores,
}

impl Which {
    pub(super) fn of_select(select: usize) -> Self {
        if select == 0 { Self::Reports } else { Self::Scores }
    }

    /// The table of a row.
    pub(super) fn of(row: &FactRow) -> Self {
        match row {
            FactRow::Report(..) => Self::Reports,
            FactRow::Score(..) => Self::Scores,
        }
    }

    /// What a row of it is called.
    pub(super) fn row(self) -> &'static str {
        match self {
            Self::Reports => "report",
            Self::Scores => "score",
        }
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Reports => REPORT_TABLE,
            Self::Scores => SCORE_TABLE,
        }
    }
}

/// Converts a row to the domain's type. A row without a valid attempt id is a fault, because the pre-flight found none.
pub(super) fn fact(which: Which, row: &Row) -> Result<FactRow, Fault> {
    let mut cells = row.cells().map(|(_, cell)| values::value(cell));
    let Some(id) = cells.next().as_ref().and_then(values::attempt) else {
        return Err(Fault::new(
            Service::Warehouse,
            FaultKind::Misconfigured,
            format!(
                "a row of dbo.{} has no valid attempt id, and there was no such row when the run was planned; correct \
                 the row or give the run another name",
                which.table()
            ),
        ));
    };
    let cells = cells.collect();
    let fact = match which {
        Which::Reports => values::report(cells).map(|report| FactRow::Report(id, report)),
        Which::Scores => values::score(cells).map(|score| FactRow::Score(id, score)),
    };
    fact.ok_or_else(|| unreadable("a row"))
}

/// Whether a text holds U+FFFD, which may replace bytes that are not valid text.
pub(super) fn is_damaged(row: &FactRow) -> bool {
    let damaged = |value: &Value| matches!(value, Value::Text(text) if text.contains('\u{fffd}'));
    match row {
        FactRow::Report(_, report) => report.values().into_iter().any(damaged),
        FactRow::Score(_, score) => score.values().into_iter().any(damaged),
    }
}

pub(super) fn attempt_of(row: &FactRow) -> AttemptId {
    match row {
        FactRow::Report(id, _) | FactRow::Score(id, _) => *id,
    }
}

/// The cells of a row as whole numbers.
pub(super) fn integers(row: &Row) -> impl Iterator<Item = Option<i64>> {
    row.cells().map(|(_, cell)| match cell {
        ColumnData::F32(_) | ColumnData::F64(_) | ColumnData::Numeric(_) => {
            values::attempt(&values::value(cell)).map(|id| id.get().into())
        }
        cell => values::integer(cell),
    })
}

pub(super) fn gather(facts: &mut HashMap<AttemptId, Facts>, row: FactRow) {
    let of_attempt = facts.entry(attempt_of(&row)).or_default();
    match row {
        FactRow::Report(_, report) => of_attempt.reports.push(report),
        FactRow::Score(_, score) => of_attempt.scores.push(score),
    }
}

/// The facts of each attempt, in this order; empty ones of an attempt that has no row.
pub(super) fn answers(attempts: &[AttemptId], facts: &HashMap<AttemptId, Facts>) -> Vec<AttemptFacts> {
    let of = |attempt: &AttemptId| AttemptFacts {
        attempt: *attempt,
        facts: facts.get(attempt).cloned().unwrap_or_default(),
    };
    attempts.iter().map(of).collect()
}

pub(super) fn unreadable(what: &str) -> Fault {
    Fault::new(
        Service::Warehouse,
        FaultKind::Misconfigured,
        format!("the warehouse answered with {what} in a form that is not understood; please report it"),
    )
}
