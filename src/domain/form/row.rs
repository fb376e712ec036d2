//! Rows in canonical form, their digest, and where two of them differ.

use super::{ColumnKind, ENFORCEMENT, Layout, NumberType, Part, StoredValue, TABLES, TableForm};
use crate::domain::Digest;

/// One row in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowForm {
    table: &'static str,
    id: String,
    /// Columns of the layout.
    columns: i32,
    /// Type (4 bytes), length (4 bytes, -1: null) and value of each of them.
    values: Vec<u8>,
}

/// Room for the values of most rows.
const USUAL_BYTES: usize = 512;

impl RowForm {
    /// The row whose columns hold what `value_of` says.
    pub fn new<'v>(
        layout: &Layout,
        table: &'static TableForm,
        value_of: impl Fn(&str) -> StoredValue<'v>,
    ) -> Self {
        let has_id = table.columns.iter().any(|(column, _)| *column == "id");
        let id = if has_id { value_of("id").text().unwrap_or_default().to_owned() } else { String::new() };
        let mut row = Self { table: table.name, id, columns: 0, values: Vec::with_capacity(USUAL_BYTES) };
        for (column, kind) in layout.columns(table) {
            let number = match kind {
                ColumnKind::Number => layout.number_type(table.name, column),
                _ => NumberType::Real,
            };
            let value = match (table.name, column) {
                ("submission_files", "azure_blob_name" | "file_url" | "azure_blob_url") => {
                    without_writer(value_of(column), &value_of("azure_blob_name"))
                }
                ("submission_files", "turnitin_status")
                    if value_of("submission_file_type").text() != Some("submission") =>
                {
                    StoredValue::Null
                }
                _ => value_of(column),
            };
            value.encode(kind, number, &mut row.values);
            row.columns += 1;
        }
        row
    }

    /// The row whose columns the database has put into this form one by one: of each column `record_send(row(column))`.
    /// `None` if that is not what these bytes are.
    pub fn of_sent(table: &'static TableForm, id: String, sent: &[Vec<u8>]) -> Option<Self> {
        let values = sent.iter().map(|bytes| bytes.strip_prefix(&1_i32.to_be_bytes()));
        let values = values.collect::<Option<Vec<_>>>()?.concat();
        Some(Self { table: table.name, id, columns: i32::try_from(sent.len()).ok()?, values })
    }

    /// `id` of the row; empty for a table whose id does not enter.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Type, length and value of each column.
    fn each_value(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.values.as_slice();
        std::iter::from_fn(move || {
            let length = i32::from_be_bytes(*rest.get(4..)?.first_chunk()?);
            let (value, others) = rest.split_at_checked(8 + usize::try_from(length).unwrap_or(0))?;
            rest = others;
            Some(value)
        })
    }
}

fn without_writer<'v>(value: StoredValue<'v>, blob_name: &StoredValue<'_>) -> StoredValue<'v> {
    let writer = blob_name.text().and_then(|name| name.split('/').nth(1)).unwrap_or_default();
    match value {
        StoredValue::Text(text) if !writer.is_empty() => {
            StoredValue::Text(text.replace(&format!("/{writer}/"), "//").into())
        }
        value => value,
    }
}

/// The receipt of these rows, in any order; rows of other tables do not enter.
pub fn rows_digest(layout: &Layout, part: Part, rows: &[RowForm]) -> Digest {
    let mut form = layout.header(part).as_bytes().to_vec();
    for table in part.tables() {
        let mut of_table: Vec<&RowForm> = rows.iter().filter(|row| row.table == table.name).collect();
        of_table.sort_unstable_by(|one, other| one.values.cmp(&other.values));
        form.extend(i32::try_from(of_table.len()).unwrap_or(i32::MAX).to_be_bytes());
        for row in of_table {
            form.extend(row.columns.to_be_bytes());
            form.extend_from_slice(&row.values);
        }
    }
    Digest::of(&form)
}

/// Where stored rows differ from the expected ones, in the order of the tables: `table.column`, `table (a row is
/// absent)` or `table (a row more)`. Rows are compared by their ids.
pub fn row_differences(layout: &Layout, expected: &[RowForm], stored: &[RowForm]) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |difference: String| {
        if !found.contains(&difference) {
            found.push(difference);
        }
    };
    for table in TABLES.iter().chain([&ENFORCEMENT]) {
        let of = |rows: &'_ [RowForm], id: &str| {
            rows.iter().position(|row| row.table == table.name && row.id == id)
        };
        for row in expected.iter().filter(|row| row.table == table.name) {
            let Some(other) = of(stored, &row.id).and_then(|place| stored.get(place)) else {
                add(format!("{} (a row is absent)", table.name));
                continue;
            };
            let values = row.each_value().zip(other.each_value());
            for ((column, _), (one, other)) in layout.columns(table).zip(values) {
                if one != other {
                    add(format!("{}.{column}", table.name));
                }
            }
        }
        let is_more = |row: &&RowForm| row.table == table.name && of(expected, &row.id).is_none();
        if stored.iter().any(|row| is_more(&row)) {
            add(format!("{} (a row more)", table.name));
        }
    }
    found
}
