//! The two tables: given by a test, or loaded from the exported CSV with the types they have in life.

use std::{collections::BTreeMap, error::Error, path::Path};

use chrono::{DateTime, NaiveDateTime};

use super::cells::{Cell, Type};

/// The warehouse's tables.
#[derive(Default)]
pub struct Data {
    pub tables: Vec<Table>,
}

/// A table; the first column named AttemptId leads its index.
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Vec<Cell>>,
    by_attempt: BTreeMap<i64, Vec<usize>>,
}

impl Table {
    pub fn new(name: &str, columns: &[(&str, Type)], rows: Vec<Vec<Cell>>) -> Self {
        let columns: Vec<_> = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let mut by_attempt: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        let attempt = columns.iter().position(|(name, _)| name.eq_ignore_ascii_case("AttemptId"));
        for (n, row) in rows.iter().enumerate() {
            if let Some(id) = attempt.and_then(|at| whole_number(columns[at].1, &row[at])) {
                by_attempt.entry(id).or_default().push(n);
            }
        }
        Self { name: name.to_owned(), columns, rows, by_attempt }
    }

    /// The same table while it is loaded again.
    fn emptied(&self) -> Self {
        let (name, columns) = (self.name.clone(), self.columns.clone());
        Self { name, columns, rows: Vec::new(), by_attempt: BTreeMap::new() }
    }

    /// The rows with an attempt id from `low` to `high`, by attempt.
    pub fn between(&self, low: i64, high: i64) -> Vec<usize> {
        if low > high {
            return Vec::new();
        }
        self.by_attempt.range(low..=high).flat_map(|(_, rows)| rows).copied().collect()
    }

    /// Smallest and largest attempt id from 1.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let mut ids = self.by_attempt.range(1..).map(|(id, _)| *id);
        let low = ids.next()?;
        Some((low, ids.next_back().unwrap_or(low)))
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column == name)
    }
}

/// The whole number in an id's cell; 987.00 is 987 in any type.
pub fn whole_number(kind: Type, cell: &Cell) -> Option<i64> {
    match (kind, cell) {
        (_, Cell::Int(number)) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "an id of the tests is small")]
        (_, Cell::Float(number)) => (number.fract() == 0.0).then_some(*number as i64),
        (Type::Decimal(_, scale), Cell::Decimal(number)) => {
            let one = 10_i128.pow(scale.into());
            (number % one == 0).then(|| i64::try_from(number / one).unwrap())
        }
        (_, Cell::Text(text)) => {
            let text = text.trim_matches(' ');
            let whole = match text.split_once('.') {
                Some((whole, fraction))
                    if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') =>
                {
                    whole
                }
                _ => text,
            };
            whole.parse::<i32>().ok().map(i64::from)
        }
        _ => None,
    }
}

impl Data {
    pub fn new(reports: Table, scores: Table) -> Self {
        Self { tables: vec![reports, scores] }
    }

    /// The same tables without rows.
    pub fn emptied(&self) -> Self {
        Self { tables: self.tables.iter().map(Table::emptied).collect() }
    }

    /// Both tables from `<table>.csv` in a folder; `\N` or an empty field is null.
    pub fn load(folder: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self::new(load(folder, "Rogo_AssessmentReport")?, load(folder, "Rogo_AssessmentReportScores")?))
    }
}

fn load(folder: &Path, table: &str) -> Result<Table, Box<dyn Error>> {
    let path = folder.join(format!("{table}.csv"));
    let mut reader = csv::Reader::from_path(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let names: Vec<String> =
        reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    let mut cells: Vec<Vec<Cell>> = vec![Vec::with_capacity(names.len()); records.len()];
    for (at, name) in names.iter().enumerate() {
        let values: Vec<Option<&str>> =
            records.iter().map(|record| record.get(at).filter(|text| !matches!(*text, "" | "\\N"))).collect();
        let (kind, converted) = convert(name, &values);
        columns.push((name.as_str(), kind));
        for (row, cell) in cells.iter_mut().zip(converted) {
            row.push(cell);
        }
    }
    Ok(Table::new(table, &columns, cells))
}

/// The first of the column's usual types that holds every value; else text, as it came.
fn convert(column: &str, values: &[Option<&str>]) -> (Type, Vec<Cell>) {
    let candidates: &[Type] = match column {
        "AttemptId" => &[Type::Int],
        "MarksAchieved" | "Score" => &[Type::Float],
        "MarksAwarded" | "MarksAvailable" | "GradePercent" => &[Type::Decimal(18, 4)],
        "ResultsApproved" | "DateInserted" | "DateModified" => &[Type::DateTime2(7), Type::DateTimeOffset(7)],
        "TIUserId" | "TISectionId" => &[Type::NVarChar(36)],
        "Grade" => &[Type::NVarChar(200)],
        "Exercise" | "ScoreLabelCorrected" => &[Type::NVarChar(400)],
        _ => &[],
    };
    let cell = |kind: Type, value: Option<&str>| value.map_or(Some(Cell::Null), |text| parse(kind, text));
    for &kind in candidates {
        if let Some(cells) = values.iter().map(|value| cell(kind, *value)).collect() {
            return (kind, cells);
        }
    }
    let text = |value: Option<&str>| value.map_or(Cell::Null, |text| Cell::Text(text.into()));
    (Type::NVarCharMax, values.iter().copied().map(text).collect())
}

fn parse(kind: Type, text: &str) -> Option<Cell> {
    match kind {
        Type::Int => text.parse::<i32>().ok().map(|number| Cell::Int(number.into())),
        Type::Float => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Cell::Float),
        Type::Decimal(_, scale) => decimal(text, usize::from(scale)),
        Type::DateTime2(_) => ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .map(Cell::Local),
        Type::DateTimeOffset(_) => DateTime::parse_from_rfc3339(text).ok().map(Cell::Instant),
        Type::NVarChar(length) => {
            (text.encode_utf16().count() <= usize::from(length)).then(|| Cell::Text(text.into()))
        }
        _ => None,
    }
}

fn decimal(text: &str, scale: usize) -> Option<Cell> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits.len() > 14 || fraction.len() > scale || !plain(digits) || !plain(fraction)
    {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok().map(Cell::Decimal)
}
