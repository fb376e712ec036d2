//! Which rights a removal lacks: `select` and `delete` on the eight tables, `update` on a changed rule's columns, and
//! `select` on tables of the application that refer to them.

use super::{LIMIT, keys::ForeignKey};
use crate::{
    adapters::postgres::{commit::CHANGED, pool::Pool},
    ports::{Fault, OWN_TABLES},
};

const RULES: &str = "malpractice_enforcements";

/// A sentence for each table with what is lacking.
pub(super) async fn lacking(pool: &Pool, keys: &[ForeignKey]) -> Result<Vec<String>, Fault> {
    const TABLES: &str = "select wanted.name, string_agg(wanted.wish, ', ' order by wanted.n),
            to_regclass(wanted.name) is null, coalesce(bool_or(row_security_active(to_regclass(wanted.name)::oid)), false)
        from unnest($1::text[], $2::text[]) with ordinality as wanted (name, wish, n)
        where not coalesce(has_table_privilege(to_regclass(wanted.name), wanted.wish), false)
            or row_security_active(to_regclass(wanted.name)::oid)
        group by 1 order by min(wanted.n)";
    const COLUMNS: &str = "select attname::text from pg_attribute
        where attrelid = to_regclass($1) and attname = any($2)
            and not has_column_privilege(attrelid, attnum, 'update') order by attnum";
    let own = OWN_TABLES.iter().copied().chain([RULES]);
    let mut wanted: Vec<(&str, &str)> =
        own.flat_map(|table| [(table, "select"), (table, "delete")]).collect();
    wanted.extend(keys.iter().filter(|key| !key.is_own()).map(|key| (key.table.as_str(), "select")));
    wanted.dedup();
    let (names, wishes): (Vec<&str>, Vec<&str>) = wanted.into_iter().unzip();
    let asking = async |connection: &mut _| {
        sqlx::query_as(TABLES).bind(&names).bind(&wishes).fetch_all(connection).await
    };
    let tables: Vec<(String, String, bool, bool)> = pool.read(LIMIT, asking).await?;
    let mut findings: Vec<String> = tables
        .into_iter()
        .map(|(table, wishes, is_missing, hides_rows)| match (is_missing, hides_rows) {
            (true, _) => format!(
                "the table {table} is missing, or in a schema that this user's search_path or rights do not reach"
            ),
            (false, true) => format!("row security is active on {table} for this user; grant it bypassrls"),
            (false, false) => format!("this user may not {wishes} {table}; grant it"),
        })
        .collect();
    let asking = async |connection: &mut _| {
        sqlx::query_scalar(COLUMNS).bind(RULES).bind(CHANGED.as_slice()).fetch_all(connection).await
    };
    let columns: Vec<String> = pool.read(LIMIT, asking).await?;
    if !columns.is_empty() {
        findings.push(format!("this user may not update ({}) {RULES}; grant it", columns.join(", ")));
    }
    Ok(findings)
}
