//! Promises of the warehouse adapter, kept on the scripted TDS server.

mod export;
mod faults;
mod large;
mod login;
#[cfg(feature = "real-warehouse")]
mod real;
mod reload;
mod shape;
mod tedious;
mod values;

use std::path::PathBuf;

use rogo_migrate::{
    adapters::warehouse::SqlServer,
    domain::{AttemptId, FactRow, Value},
    ports::{Fault, Warehouse},
    settings::Secret,
};

use crate::support::tds::{
    Options, TdsServer,
    cells::{Cell, Type},
    data::{Data, Table},
};

const REPORTS: &str = "Rogo_AssessmentReport";
const SCORES: &str = "Rogo_AssessmentReportScores";

fn ids(ids: impl IntoIterator<Item = i32>) -> Vec<AttemptId> {
    ids.into_iter().map(|id| id.try_into().unwrap()).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The reports' columns in a usual form.
fn report_columns() -> Vec<(&'static str, Type)> {
    vec![
        ("AttemptId", Type::Int),
        ("TIUserId", Type::NVarChar(36)),
        ("TISectionId", Type::NVarChar(36)),
        ("Exercise", Type::NVarChar(400)),
        ("MarksAchieved", Type::Float),
        ("MarksAwarded", Type::Decimal(18, 2)),
        ("MarksAvailable", Type::Int),
        ("GradePercent", Type::Decimal(18, 4)),
        ("Grade", Type::NVarChar(100)),
        ("MarkerNotes", Type::NVarCharMax),
        ("ResultsApproved", Type::DateTime),
        ("DateInserted", Type::DateTime2(7)),
        ("DateModified", Type::DateTime2(3)),
    ]
}

fn score_columns() -> Vec<(&'static str, Type)> {
    vec![
        ("AttemptId", Type::Int),
        ("ScoreLabelCorrected", Type::NVarChar(400)),
        ("Score", Type::Float),
        ("MarkerComment", Type::NVarCharMax),
        ("DateInserted", Type::DateTime2(7)),
        ("DateModified", Type::DateTime2(7)),
    ]
}

/// A report whose exercise names its attempt; null where a test does not look.
fn report(id: i64) -> Vec<Cell> {
    let mut row = vec![Cell::Null; 13];
    (row[0], row[3]) = (Cell::Int(id), Cell::Text(format!("5HR03 PQ Attempt {id}")));
    row
}

fn score(id: i64, label: &str) -> Vec<Cell> {
    vec![Cell::Int(id), Cell::Text(label.into()), Cell::Float(1.5), Cell::Null, Cell::Null, Cell::Null]
}

/// One report and two scores for each attempt.
fn attempts(attempts: impl IntoIterator<Item = i64> + Clone) -> Data {
    let reports = attempts.clone().into_iter().map(report).collect();
    let scores = attempts.into_iter().flat_map(|id| [score(id, "Question 1"), score(id, "Question 2")]);
    tables(reports, scores.collect())
}

fn tables(reports: Vec<Vec<Cell>>, scores: Vec<Vec<Cell>>) -> Data {
    Data::new(Table::new(REPORTS, &report_columns(), reports), Table::new(SCORES, &score_columns(), scores))
}

async fn start(data: Data) -> TdsServer {
    TdsServer::start(data, Options::default()).await.unwrap()
}

fn open(connection_string: String) -> SqlServer {
    SqlServer::open(&Secret::Value(connection_string), 3).unwrap()
}

async fn opened(server: &TdsServer) -> SqlServer {
    open(format!("{};Command Timeout=1", server.connection_string()))
}

/// Everything a scan hands over, as (attempt, is a report, what names it).
async fn scanned(warehouse: &dyn Warehouse) -> Result<Vec<(i32, bool, Value)>, Fault> {
    let mut rows = Vec::new();
    warehouse
        .scan(&mut |batch| {
            rows.extend(batch.into_iter().map(|row| match row {
                FactRow::Report(id, report) => (id.get(), true, report.exercise),
                FactRow::Score(id, score) => (id.get(), false, score.label),
            }));
            Ok(())
        })
        .await?;
    rows.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    Ok(rows)
}

fn temporary_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
