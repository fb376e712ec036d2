//! The canonical form of stored rows ([`crate::domain::form`]) in SQL, and the reader of stored rows by their ids.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::fault::misconfigured;
use crate::{
    domain::form::{
        AlteredColumn, ColumnKind, ENFORCEMENT, Layout, NumberType, Part, RowForm, TABLES, TableForm,
    },
    ports::Fault,
};

/// What the receipts of a target depend on; looked up once per writer.
pub(super) struct TargetForm {
    pub layout: Layout,
    /// Triggers that run after a row is written: its row is compared again before the commit.
    pub has_after_triggers: bool,
}

/// `record_send` of the row's columns: SQL for one row of the table that `alias` names.
pub(super) fn row_sql(layout: &Layout, table: &TableForm, alias: &str) -> String {
    let columns: Vec<String> =
        layout.columns(table).map(|(column, kind)| column_sql(layout, table, column, kind, alias)).collect();
    format!("record_send(row({}))", columns.join(", "))
}

/// The value of one column in the type that its form has.
fn column_sql(layout: &Layout, table: &TableForm, column: &str, kind: ColumnKind, alias: &str) -> String {
    let value = format!("{alias}.{column}");
    match (table.name, column, kind) {
        ("submission_files", "azure_blob_name" | "file_url" | "azure_blob_url", _) => format!(
            "replace({value}::text, '/' || split_part(coalesce({alias}.azure_blob_name, ''), '/', 2) || '/', '//')"
        ),
        ("submission_files", "turnitin_status", _) => {
            format!("case when {alias}.submission_file_type::text = 'submission' then {value}::text end")
        }
        (_, _, ColumnKind::Text) => format!("{value}::text"),
        (_, _, ColumnKind::Int) => format!("{value}::bigint"),
        (_, _, ColumnKind::Bool | ColumnKind::Time) => value,
        (_, _, ColumnKind::Number) => match layout.number_type(table.name, column) {
            NumberType::Real | NumberType::Double => value,
            NumberType::Numeric(_) => format!("trim_scale({value})::text"),
        },
    }
}

/// What every digest of the part begins with.
pub(super) fn header_sql(layout: &Layout, part: Part) -> String {
    format!("'\\x{}'::bytea", layout.header(part))
}

/// All forms of a relation of this table as one value. Where a submission has one row they are not sorted, which is a tenth of
/// a receipt's CPU; should there be more rows all the same, their number differs, and so does the digest.
fn forms_sql(table: &TableForm) -> &'static str {
    match table.name {
        "submission_files" | "submission_section_marks" => "string_agg(form, ''::bytea order by form)",
        _ => "string_agg(form, ''::bytea)",
    }
}

/// The digest of the part's rows, each table's forms in the column `form` of the relation that `relation_of` names.
pub(super) fn digest_sql(layout: &Layout, part: Part, relation_of: impl Fn(&str) -> &'static str) -> String {
    let mut parts = vec![header_sql(layout, part)];
    parts.extend(part.tables().iter().map(|table| {
        let relation = relation_of(table.name);
        format!(
            "(select int4send(count(*)::integer) || coalesce({}, ''::bytea) from {relation})",
            forms_sql(table)
        )
    }));
    format!("sha256({})", parts.join(" || "))
}

/// Reads the stored rows of these ids, of the seven tables and of `malpractice_enforcements`.
pub(super) async fn stored(
    connection: &mut PgConnection,
    layout: &Layout,
    ids: &[String],
) -> Result<Vec<RowForm>, sqlx::Error> {
    let of_table = |(place, table): (usize, &TableForm)| {
        let each: Vec<String> = layout
            .columns(table)
            .map(|(column, kind)| {
                format!("record_send(row({}))", column_sql(layout, table, column, kind, "t"))
            })
            .collect();
        let id = if table == &ENFORCEMENT { "''::text" } else { "t.id::text" };
        format!(
            "select {place} as place, {id} as id, array[{}]::bytea[] as sent from {} t where t.id = any($1)",
            each.join(", "),
            table.name
        )
    };
    let sql: Vec<String> = TABLES.iter().chain([&ENFORCEMENT]).enumerate().map(of_table).collect();
    let sql = sqlx::AssertSqlSafe(sql.join(" union all "));
    let rows: Vec<(i32, String, Vec<Vec<u8>>)> = sqlx::query_as(sql).bind(ids).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(place, id, sent)| {
            let table =
                usize::try_from(place).ok().and_then(|place| TABLES.get(place)).unwrap_or(&ENFORCEMENT);
            RowForm::of_sent(table, id, &sent)
                .ok_or_else(|| sqlx::Error::Protocol("a row has not the form that was asked for".into()))
        })
        .collect()
}

/// Looks up the types of the columns of marks, and whether triggers run after a row is written.
pub(super) async fn target_form(
    connection: &mut PgConnection,
    left_out: &[AlteredColumn],
) -> Result<Result<TargetForm, Fault>, sqlx::Error> {
    // Bits of tgtype: 2 before, 64 instead of, 4 insert, 16 update.
    const SQL: &str = "select relname::text as table_name, attname::text as column_name,
            format_type(atttypid, atttypmod) as type_name,
            exists (select from pg_trigger where tgrelid in (select to_regclass(unnest($2::text[])))
                and not tgisinternal and tgenabled not in ('D', 'R') and tgtype & 66 = 0 and tgtype & 20 <> 0
            ) as has_after_triggers
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where attrelid in (select to_regclass(unnest($2::text[]))) and attname = any($1) and not attisdropped";

    let tables: Vec<&str> = TABLES.iter().chain([&ENFORCEMENT]).map(|table| table.name).collect();
    let of_marks: Vec<&str> = TABLES
        .iter()
        .flat_map(|table| table.columns)
        .filter(|(_, kind)| *kind == ColumnKind::Number)
        .map(|(column, _)| *column)
        .collect();
    let columns: Vec<(String, String, String, bool)> =
        sqlx::query_as(SQL).bind(&of_marks).bind(&tables).fetch_all(connection).await?;
    let has_after_triggers = columns.iter().any(|(.., has_after_triggers)| *has_after_triggers);
    let mut types = BTreeMap::new();
    for (table_name, column_name, type_name, _) in columns {
        match type_name.parse::<NumberType>() {
            Ok(number) => types.insert((table_name, column_name), number),
            Err(unknown) => {
                return Ok(Err(misconfigured(format!(
                    "the column {column_name} of {table_name}: {unknown}"
                ))));
            }
        };
    }
    let layout = Layout::new(left_out, |table, column| {
        types.get(&(table.to_owned(), column.to_owned())).copied().unwrap_or_default()
    });
    Ok(Ok(TargetForm { layout, has_after_triggers }))
}
