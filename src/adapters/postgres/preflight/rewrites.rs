//! Checks for triggers and rules of the schema that change rows written to the eight tables.

use std::collections::BTreeMap;

use super::{LIMIT, present};
use crate::{adapters::postgres::pool::Pool, ports::Fault};

/// A sentence for each rule that rewrites statements on the tables: the commit's count of rows would be wrong, and
/// PostgreSQL refuses `on conflict` on a table with such a rule.
pub(super) async fn rules(pool: &Pool, tables: &BTreeMap<String, i64>) -> Result<Vec<String>, Fault> {
    const SQL: &str = "select rulename::text, relname::text from pg_rewrite
        join pg_class on pg_class.oid = ev_class
        where ev_class::bigint = any($1) and ev_type in ('2', '3', '4') and ev_enabled <> 'D' order by 2, 1";
    let oids = written(tables);
    let asking = async |connection: &mut _| sqlx::query_as(SQL).bind(&oids).fetch_all(connection).await;
    let found: Vec<(String, String)> = pool.read(LIMIT, asking).await?;
    Ok(found
        .into_iter()
        .map(|(rule, table)| {
            format!(
                "the rule {rule} rewrites what is written to {table}; disable it for the run: alter table {table} \
                 disable rule {rule}"
            )
        })
        .collect())
}

/// Names the triggers that run with every row; they may alter or refuse it. What they alter is found at each commit.
pub(super) async fn triggers(pool: &Pool, tables: &BTreeMap<String, i64>) -> Result<Option<String>, Fault> {
    // Bits of tgtype: 2 before, 4 insert, 16 update, 64 instead of.
    const SQL: &str = "select tgname || ' on ' || relname || case
            when tginitdeferred then ' (deferred)' when tgtype & 66 = 0 then ' (after)' else ' (before)' end
        from pg_trigger
        join pg_class on pg_class.oid = tgrelid
        where tgrelid::bigint = any($1) and not tgisinternal and tgenabled not in ('D', 'R')
            and tgtype & 20 <> 0 order by 1";
    let oids = written(tables);
    let asking = async |connection: &mut _| sqlx::query_scalar(SQL).bind(&oids).fetch_all(connection).await;
    let found: Vec<String> = pool.read(LIMIT, asking).await?;
    Ok((!found.is_empty()).then(|| {
        format!(
            "triggers run with every row that is written: {}; a row that one of them alters fails with target_altered, \
             unless --target-alters names the column, which verify then does not compare: where a check compares no other one, as \
             grade_final, it ends IN PART (69), and its Job as Failed",
            found.join(", ")
        )
    }))
}

/// The tables that a run writes.
fn written(tables: &BTreeMap<String, i64>) -> Vec<i64> {
    present(tables).filter(|(table, _)| table.rights.contains(&"insert")).map(|(_, oid)| oid).collect()
}
