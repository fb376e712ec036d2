//! Checks, before a run begins, for everything in the database that would stop it.

mod connections;
mod inspect;
mod rewrites;

use std::{collections::BTreeMap, time::Duration};

use sqlx::FromRow;

use super::{
    commit::CHANGED,
    connect::Connector,
    pool::Pool,
    schema::{TABLES, Table, Type},
};
use crate::ports::{Fault, Finding};

pub(super) use inspect::inspect;

const LIMIT: Duration = Duration::from_secs(45);

/// The first version that has `gen_random_uuid()`, the default of the tables' ids, built in.
const OLDEST_SERVER: i32 = 130_000;

/// What every process checks again before it writes, because a changed secret may lead to another server: sessions that
/// are not shared, a server that can be written, the unique keys that prevent a second row.
pub(super) async fn session(connector: &Connector, pool: &Pool) -> Result<Vec<String>, Fault> {
    let mut findings = match connections::server(connector, pool).await? {
        Ok(server) => server.findings(),
        Err(pooler) => return Ok(vec![pooler]),
    };
    let tables = tables(pool).await?;
    findings.extend(tables.missing.into_iter().map(|finding| finding.says));
    findings.extend(tables.unguarded);
    Ok(findings)
}

/// Sessions of its own, and a server that can be written: what a process needs that inserts nothing.
pub(super) async fn server_alone(connector: &Connector, pool: &Pool) -> Result<Vec<String>, Fault> {
    Ok(match connections::server(connector, pool).await? {
        Ok(server) => server.findings(),
        Err(pooler) => vec![pooler],
    })
}

const SERVER: &str = "select pg_backend_pid() as process,
    current_setting('server_version_num')::integer as version,
    current_setting('server_version') as version_text, current_setting('server_encoding') as encoding,
    pg_is_in_recovery() as is_standby,
    current_setting('default_transaction_read_only')::boolean as is_read_only,
    current_setting('session_replication_role') = 'replica' as checks_nothing";

/// A row of [`SERVER`].
#[derive(FromRow)]
struct Server {
    /// The server process that answered.
    process: i32,
    version: i32,
    version_text: String,
    encoding: String,
    is_standby: bool,
    is_read_only: bool,
    /// Neither foreign keys nor triggers run.
    checks_nothing: bool,
}

impl Server {
    /// A sentence for each thing because of which it cannot be written.
    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        if self.version < OLDEST_SERVER {
            findings.push(format!("PostgreSQL {} is too old; 13 or newer is needed", self.version_text));
        }
        if self.encoding != "UTF8" {
            findings.push(format!("the database's encoding is {}; UTF8 is needed", self.encoding));
        }
        if self.is_standby {
            findings.push("the server is a read-only replica; point DATABASE_URL to the primary".into());
        } else if self.is_read_only {
            findings.push(
                "default_transaction_read_only is on for this user or database; switch it off, or use another user"
                    .into(),
            );
        }
        if self.checks_nothing {
            findings.push(
                "session_replication_role is replica for this user or database: no foreign key and no trigger would be checked; \
                 reset it, or use another user"
                    .into(),
            );
        }
        findings
    }
}

/// The tables that a run needs.
struct Tables {
    /// Oid by name, of those that are there.
    oids: BTreeMap<String, i64>,
    /// Each that is missing, not granted, or hides rows.
    missing: Vec<Finding>,
    /// A sentence for each without a valid unique key over all rows on exactly its guarding column.
    unguarded: Vec<String>,
}

#[derive(FromRow)]
struct Found {
    name: String,
    oid: i64,
    lacking: Vec<String>,
    hides_rows: bool,
    is_guarded: bool,
}

async fn tables(pool: &Pool) -> Result<Tables, Fault> {
    // Rights may be granted for single columns. `update` is needed only for the columns that a changed rule writes.
    const SQL: &str = "select wanted.name, found.oid::bigint as oid,
            array(select case when lacking.columns = lacking.wanted then lacking.wish
                    else lacking.wish || ' (' || lacking.names || ')' end
                from (select wish, count(*) as wanted,
                        count(*) filter (where not granted) as columns,
                        string_agg(attname, ', ' order by attnum) filter (where not granted) as names
                    from unnest(string_to_array(wanted.rights, ',')) wish, lateral (
                        select attname, attnum, has_column_privilege(found.oid, attnum, wish) as granted
                        from pg_attribute where attrelid = found.oid and attnum > 0 and not attisdropped
                            and attname = any(string_to_array(wanted.columns, ','))
                            and (wish <> 'update' or attname = any($4::text[]))
                    ) as written
                    group by wish) as lacking
                where lacking.columns > 0 order by array_position(array['select', 'insert', 'update'], wish)
            ) as lacking,
            row_security_active(found.oid) as hides_rows,
            wanted.key is null or exists (select from pg_index join pg_attribute
                on attrelid = indrelid and attnum = indkey[0]
                where indrelid = found.oid and attname = wanted.key and indisunique and indisvalid
                    and indimmediate and indnkeyatts = 1 and indpred is null
            ) as is_guarded
        from unnest($1::text[], $2::text[], $3::text[], $5::text[]) as wanted (name, rights, columns, key)
        join pg_class found on found.oid = to_regclass(wanted.name)";
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let rights: Vec<String> = TABLES.iter().map(|table| table.rights.join(",")).collect();
    let columns_of =
        |table: &Table| table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    let columns: Vec<String> = TABLES.iter().map(columns_of).collect();
    let keys: Vec<Option<&str>> = TABLES.iter().map(|table| table.unique).collect();
    let asking = async |connection: &mut _| {
        sqlx::query_as(SQL)
            .bind(&names)
            .bind(&rights)
            .bind(&columns)
            .bind(CHANGED.as_slice())
            .bind(&keys)
            .fetch_all(connection)
            .await
    };
    Ok(judged(pool.read(LIMIT, asking).await?))
}

fn judged(found: Vec<Found>) -> Tables {
    let (mut missing, mut unguarded) = (Vec::new(), Vec::new());
    for table in TABLES.iter() {
        let Some(found) = found.iter().find(|found| found.name == table.name) else {
            let says = format!(
                "the table {} is missing, or in a schema that this user's search_path or rights do not reach",
                table.name
            );
            missing.push(Finding::stops(inspect::SCHEMA, says));
            continue;
        };
        if !found.lacking.is_empty() {
            let says = format!("this user may not {} {}; grant it", found.lacking.join(", "), table.name);
            missing.push(Finding::stops(inspect::RIGHTS, says));
        }
        if found.hides_rows {
            let says = format!("row security is active on {} for this user; grant it bypassrls", table.name);
            missing.push(Finding::stops(inspect::RIGHTS, says));
        }
        if let Some(column) = table.unique.filter(|_| !found.is_guarded) {
            let without = "has no unique key; without it a row could be migrated twice";
            unguarded.push(format!("{column} of {} {without}", table.name));
        }
    }
    let oids = found.into_iter().map(|found| (found.name, found.oid)).collect();
    Tables { oids, missing, unguarded }
}

#[derive(FromRow)]
struct Column {
    table_oid: i64,
    name: String,
    type_name: String,
    /// Every insert must give a value.
    is_required: bool,
    /// No insert may give a value.
    is_generated: bool,
}

async fn columns(pool: &Pool, tables: &BTreeMap<String, i64>) -> Result<Vec<String>, Fault> {
    const SQL: &str = "select attrelid::bigint as table_oid, attname::text as name,
            format_type(atttypid, null) as type_name,
            attnotnull and not atthasdef and attidentity = '' as is_required,
            attgenerated <> '' or attidentity = 'a' as is_generated
        from pg_attribute where attrelid::bigint = any($1) and attnum > 0 and not attisdropped";
    let oids: Vec<i64> = tables.values().copied().collect();
    let asking = async |connection: &mut _| sqlx::query_as(SQL).bind(&oids).fetch_all(connection).await;
    let found: Vec<Column> = pool.read(LIMIT, asking).await?;
    Ok(present(tables)
        .flat_map(|(table, oid)| {
            let of_table: Vec<&Column> = found.iter().filter(|column| column.table_oid == oid).collect();
            compare(table, &of_table)
        })
        .collect())
}

fn compare(table: &Table, found: &[&Column]) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, wanted) in &table.columns {
        match found.iter().find(|column| column.name == *name) {
            None => findings.push(format!("the column {name} of {} is missing", table.name)),
            Some(column) if !wanted.accepts(&column.type_name) => findings.push(format!(
                "the column {name} of {} is {}; {} is needed",
                table.name,
                column.type_name,
                wanted.name()
            )),
            Some(column) if column.is_generated && table.rights.contains(&"insert") => {
                findings
                    .push(format!("the column {name} of {} is generated and cannot be written", table.name));
            }
            Some(_) => {}
        }
    }
    let is_ours = |column: &Column| table.columns.iter().any(|(name, _)| *name == column.name);
    for column in found {
        if table.rights.contains(&"insert") && column.is_required && !is_ours(column) {
            findings.push(format!(
                "the column {} of {} requires a value, which this program does not know; give it a default",
                column.name, table.name
            ));
        }
    }
    findings
}

/// A sentence for each label that an enum column lacks.
async fn labels(pool: &Pool, tables: &BTreeMap<String, i64>) -> Result<Vec<String>, Fault> {
    const SQL: &str = "select enumlabel::text from pg_attribute join pg_enum on enumtypid = atttypid
        where attrelid::bigint = $1 and attname = $2";
    let mut findings = Vec::new();
    for (table, oid) in present(tables) {
        for (column, wanted) in &table.columns {
            let Type::Enum(labels) = wanted else { continue };
            let asking = async |connection: &mut _| {
                sqlx::query_scalar(SQL).bind(oid).bind(column).fetch_all(connection).await
            };
            let known: Vec<String> = pool.read(LIMIT, asking).await?;
            for label in labels.iter().filter(|label| !known.iter().any(|known| known == *label)) {
                findings
                    .push(format!("the column {column} of {} does not know the label {label}", table.name));
            }
        }
    }
    Ok(findings)
}

fn present(tables: &BTreeMap<String, i64>) -> impl Iterator<Item = (&'static Table, i64)> {
    TABLES.iter().filter_map(|table| Some((table, *tables.get(table.name)?)))
}
