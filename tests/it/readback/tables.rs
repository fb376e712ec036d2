//! Tables as they stand and as they should stand, and the difference between the two, column by column.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use crate::support::postgres::TestDatabase;

/// Rows by table and id, as PostgreSQL writes them in JSON.
pub type Tables = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

/// What a column has to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Text(String),
    Int(i64),
    /// Of PostgreSQL's type real.
    Real(f32),
    Bool(bool),
    At(DateTime<Utc>),
    /// The column's default at insert.
    Now,
    /// A URL whose decoded text is this.
    Url(String),
    /// What stood there before.
    Kept(Value),
}

/// One row, every column of it.
pub type Row = BTreeMap<&'static str, Cell>;

/// Rows that should stand, by table and id.
pub type Rows = BTreeMap<&'static str, BTreeMap<String, Row>>;

/// Text, or null where there is none.
pub fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

/// Null where the trimmed text is empty.
pub fn trimmed(value: &str) -> Cell {
    Some(value.trim()).filter(|text| !text.is_empty()).map_or(Cell::Null, text)
}

/// Every row of every table.
pub async fn tables(database: &TestDatabase) -> Tables {
    const NAMES: &str = "select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r'";
    let names: Vec<String> = sqlx::query_scalar(NAMES).fetch_all(database.pool()).await.unwrap();
    let mut tables = Tables::new();
    for name in names {
        let sql = AssertSqlSafe(format!("select to_jsonb(t)::text from {name} t"));
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(database.pool()).await.unwrap();
        let rows = rows.iter().map(|row| serde_json::from_str::<Map<String, Value>>(row).unwrap());
        let by_id = rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
        tables.insert(name, by_id);
    }
    tables
}

/// The rows of `before` and `written`, as `written` has them where both have one, and nothing else: a
/// sentence for every column, row and table that differs.
pub fn differences(actual: &Tables, before: &Tables, written: &Rows, began: DateTime<Utc>) -> Vec<String> {
    let mut found = Vec::new();
    let none = BTreeMap::new();
    let no_rows = BTreeMap::new();
    for (table, rows) in actual {
        let written = written.get(table.as_str()).unwrap_or(&none);
        let before = before.get(table).unwrap_or(&no_rows);
        for id in written.keys().chain(before.keys()).filter(|id| !rows.contains_key(*id)) {
            found.push(format!("{table} {id} is not there"));
        }
        for (id, row) in rows {
            match (written.get(id), before.get(id)) {
                (Some(expected), _) => found.extend(
                    columns(row, expected, began).into_iter().map(|column| format!("{table} {id}: {column}")),
                ),
                (None, Some(seeded)) if seeded == row => {}
                (None, Some(seeded)) => found.push(format!("{table} {id} was {seeded:?}, is {row:?}")),
                (None, None) => found.push(format!("{table} {id} is nobody's: {row:?}")),
            }
        }
    }
    found
}

fn columns(row: &Map<String, Value>, expected: &Row, began: DateTime<Utc>) -> Vec<String> {
    let unknown = row.keys().filter(|name| !expected.contains_key(name.as_str()));
    let unknown = unknown.map(|name| format!("{name}: no word about this column"));
    let differing = expected.iter().filter_map(|(name, cell)| {
        let value = row.get(*name).unwrap_or_else(|| panic!("there is no column {name}"));
        (!holds(cell, value, began)).then(|| format!("{name} should be {cell:?}, is {value}"))
    });
    unknown.chain(differing).collect()
}

fn holds(cell: &Cell, value: &Value, began: DateTime<Utc>) -> bool {
    let instant = || DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|at| at.to_utc());
    match cell {
        Cell::Null => value.is_null(),
        Cell::Text(text) => value.as_str() == Some(text),
        Cell::Int(number) => value.as_i64() == Some(*number),
        #[expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "real is an f32, to the bit")]
        Cell::Real(number) => value.as_f64().is_some_and(|value| value as f32 == *number),
        Cell::Bool(flag) => value.as_bool() == Some(*flag),
        Cell::At(at) => instant() == Some(*at),
        Cell::Now => instant().is_some_and(|at| began <= at && at <= Utc::now()),
        Cell::Url(plain) => value.as_str().is_some_and(|url| {
            let sound = url::Url::parse(url).is_ok_and(|parsed| parsed.as_str() == url);
            sound && !url.contains(['?', '#']) && percent_decode_str(url).decode_utf8_lossy() == *plain
        }),
        Cell::Kept(before) => value == before,
    }
}
