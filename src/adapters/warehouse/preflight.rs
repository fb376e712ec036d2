//! Checks for causes of wrong answers without an error: rows without a valid attempt id, and masked columns.

use super::{
    catalogue,
    mssql::{COUNT, SqlServer},
    rows::integers,
    tables::{Table, Tables},
    values,
};
use crate::{
    domain::Value,
    ports::{Fault, FaultKind, Finding, Service, WAREHOUSE_CHECKS},
};

/// Refuses the warehouse, naming tables, columns and examples.
pub(super) async fn check(server: &SqlServer, tables: &Tables) -> Result<(), Fault> {
    let [of_ids, of_masks] = WAREHOUSE_CHECKS;
    let found = [(of_ids, ids(server, tables).await?), (of_masks, masked(server, tables).await?)];
    let problems = found.iter().flat_map(|(_, problems)| problems).map(String::as_str).collect::<Vec<_>>();
    if problems.is_empty() {
        return Ok(());
    }
    let place = server.place();
    let what = format!("{place}: {}", problems.join("; "));
    let mut fault = Fault::new(Service::Warehouse, FaultKind::Misconfigured, what);
    fault.findings = found
        .iter()
        .flat_map(|(check, problems)| problems.iter().map(move |problem| (*check, problem)))
        .map(|(check, problem)| Finding::stops(check, format!("{place}: {problem}")))
        .collect();
    Err(fault)
}

/// Rows that no attempt would find.
async fn ids(server: &SqlServer, tables: &Tables) -> Result<Vec<String>, Fault> {
    let tables = [&tables.reports, &tables.scores];
    let answer = server.ask(&tables.map(Table::without_id), COUNT).await?;
    let mut problems = Vec::new();
    for (place, table) in tables.into_iter().enumerate() {
        let rows: Vec<_> = answer.iter().filter(|(select, _)| *select == place).map(|(_, row)| row).collect();
        let Some(count) = rows.first().and_then(|row| integers(row).nth(1)).flatten() else { continue };
        let examples: Vec<String> = rows
            .iter()
            .map(|row| match row.cells().next().map(|(_, cell)| values::value(cell)) {
                Some(Value::Text(id)) => format!("{id:?}"),
                _ => "null".into(),
            })
            .collect();
        problems.push(format!(
            "{count} rows of dbo.{} have an AttemptId that is no whole number from 1 to {}, for example {}; correct or \
             remove them, or make a view of that name without them",
            table.name(),
            i32::MAX,
            examples.join(", ")
        ));
    }
    Ok(problems)
}

/// Columns that would arrive as 0 or xxxx.
async fn masked(server: &SqlServer, tables: &Tables) -> Result<Vec<String>, Fault> {
    let answer = match server.ask(&[catalogue::masked()], COUNT).await {
        // A server that is older than masks.
        Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Vec::new()),
        answer => answer?,
    };
    let mut columns = Vec::new();
    let mut reader = String::new();
    for (_, row) in &answer {
        let cells: Vec<Value> = row.cells().map(|(_, cell)| values::value(cell)).collect();
        if let [Value::Text(table), Value::Text(column), Value::Text(user)] = cells.as_slice()
            && [&tables.reports, &tables.scores]
                .iter()
                .any(|read| read.name().eq_ignore_ascii_case(table) && read.reads(column))
        {
            columns.push(format!("dbo.{table}.{column}"));
            reader.clone_from(user);
        }
    }
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "this login sees masked values (0, xxxx) in place of the real ones in {}; ask for: grant unmask to [{reader}]",
        columns.join(", ")
    )])
}
