//! Reads rows as they are stored, for `verify`: the right to select is enough, and no snapshot lasts longer than one
//! batch.

mod pages;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Column, Executor, PgConnection, Row, TypeInfo, ValueRef,
    postgres::{PgRow, types::Oid},
};

use self::pages::{Pages, read_long};
use super::{PostgresTarget, catalogue::rule_owner, pool::Pool, receipt::target_form};
use crate::{
    domain::form::{AlteredColumn, ColumnKind, Layout, TABLES},
    ports::{
        Cell, ControlSums, Fault, FaultKind, Link, Lookup, ReaderRole, StoredCatalogue, StoredRow,
        StoredTarget, Table, Unreadable,
    },
};

/// For one statement: less than the five minutes that a snapshot may last.
const LIMIT: Duration = Duration::from_secs(45);

/// Tables that submissions refer to, with the columns that are read.
const CATALOGUE: [(&str, &[&str]); 4] = [
    ("assessments", &["id", "name", "code"]),
    ("assessment_sections", &["id", "assessment_id", "question_text"]),
    ("malpractice_levels", &["id", "level_text"]),
    ("users", &["id", "username", "role", "created_at"]),
];

#[async_trait::async_trait]
impl<Side: Send + Sync> StoredTarget for PostgresTarget<Side> {
    async fn unreadable(&self) -> Result<Vec<Unreadable>, Fault> {
        unreadable(&self.pool).await
    }

    async fn role(&self) -> Result<ReaderRole, Fault> {
        role(&self.pool).await
    }

    async fn layout(&self, left_out: &[AlteredColumn]) -> Result<Layout, Fault> {
        let asking = async |connection: &mut PgConnection| target_form(connection, left_out).await;
        Ok(self.pool.read(LIMIT, asking).await??.layout)
    }

    async fn stored_catalogue(&self, unreadable: &[Unreadable]) -> Result<StoredCatalogue, Fault> {
        catalogue(&self.pool, self.rule_owner.as_deref(), unreadable).await
    }

    async fn rows(&self, lookups: &[Lookup]) -> Result<Vec<Vec<StoredRow>>, Fault> {
        let asking = async |connection: &mut PgConnection| {
            connection.execute("begin isolation level repeatable read read only").await?;
            let mut found = Vec::with_capacity(lookups.len());
            for lookup in lookups {
                found.push(look_up(connection, lookup).await?);
            }
            connection.execute("commit").await?;
            Ok(found)
        };
        self.pool.read(LIMIT, asking).await
    }

    async fn enforcements(
        &self,
        learners: &str,
        each: &mut (dyn FnMut(Vec<(StoredRow, Option<DateTime<Utc>>)>) + Send),
    ) -> Result<(), Fault> {
        let table = Table::Enforcements;
        let columns = format!("{}, {} as named_at", columns(table), time("s.created_at"));
        let from = "malpractice_enforcements r left join assignment_submissions s on s.id = r.submission_id";
        let pages = Pages { columns: &columns, from, key: "r.lms_user_id", prefix: learners };
        let standing = |row: &PgRow| Ok((stored(row, table)?, row.try_get("named_at")?));
        pages.each(&self.pool, standing, each).await
    }

    async fn control_sums(&self, writers: &[&str]) -> Result<ControlSums, Fault> {
        let sql = include_str!("controls.sql").replace("{writers}", &writers.join("', '"));
        let asking = async |connection: &mut PgConnection| {
            sqlx::query(AssertSqlSafe(sql.clone())).fetch_all(connection).await
        };
        let found = read_long(&self.pool, asking).await?;
        let cell = |row: &PgRow, column: &str| {
            row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default)
        };
        let cells = |row| ControlSums::COLUMNS.iter().map(|column| cell(row, column)).collect();
        let rows = found.iter().map(cells).collect::<Result<_, _>>().map_err(odd)?;
        Ok(ControlSums { sql, rows })
    }

    async fn links(&self, table: Table, each: &mut (dyn FnMut(Vec<Link>) + Send)) -> Result<(), Fault> {
        let (parent, prefix, blob, created_at) = match table {
            Table::LaunchSessions | Table::SessionRecords => {
                ("r.launch_id", "rogo_", NONE, time("r.created_at"))
            }
            Table::Submissions => ("r.lti_launch_id", "rogo_", NONE, time("r.created_at")),
            Table::Files => ("r.submission_id", "", "r.azure_blob_name", NO_TIME.to_owned()),
            Table::Assignments | Table::Marks | Table::Grades | Table::Enforcements => {
                ("r.submission_id", "", NONE, NO_TIME.to_owned())
            }
        };
        let columns = format!(
            "r.id::text as id, {parent}::text as parent, {blob} as blob, {created_at} as created_at,
             r.xmin::text::oid as xmin_oid"
        );
        let from = format!("{} r", table.name());
        let pages = Pages { columns: &columns, from: &from, key: parent, prefix };
        let link = |row: &PgRow| {
            Ok(Link {
                id: row.try_get("id")?,
                parent: row.try_get("parent")?,
                blob: row.try_get("blob")?,
                created_at: row.try_get("created_at")?,
                transaction: row.try_get::<Oid, _>("xmin_oid")?.0,
            })
        };
        pages.each(&self.pool, link, each).await
    }
}

/// What a table that has no such column is read as.
const NONE: &str = "null::text";
const NO_TIME: &str = "null::timestamptz";

/// Columns that are no text, with what makes them one of [`Cell`]'s kinds.
fn columns(table: Table) -> String {
    let read = |column: &&str| match *column {
        "submitted_at" | "created_at" | "updated_at" | "uploaded_at" | "status_updated_at"
        | "completed_at" | "expires_at" | "session_expiry" | "rule_applied_at" => {
            format!("{} as {column}", time(&format!("r.{column}")))
        }
        "marking_status" | "submission_file_type" => format!("r.{column}::text as {column}"),
        _ => format!("r.{column}"),
    };
    let digits = numbers(table).map(|column| format!("r.{column}::text as {column}_digits"));
    let columns: Vec<String> = table.columns().iter().map(read).chain(digits).collect();
    format!("r.xmin::text::oid as xmin_oid, {}", columns.join(", "))
}

/// The columns of marks: if one is numeric, its digits are read, because the driver holds no such number.
fn numbers(table: Table) -> impl Iterator<Item = &'static str> {
    let form = TABLES.iter().find(|form| form.name == table.name());
    let columns = form.into_iter().flat_map(|form| form.columns.iter());
    columns.filter(|(_, kind)| *kind == ColumnKind::Number).map(|(column, _)| *column)
}

/// A time as the driver can hold it; others, infinite ones too, read as null.
fn time(column: &str) -> String {
    format!(
        "case when {column} >= '0001-01-01 00:00+00' and {column} < '10000-01-01 00:00+00' then {column} end"
    )
}

async fn look_up(connection: &mut PgConnection, lookup: &Lookup) -> Result<Vec<StoredRow>, sqlx::Error> {
    let Lookup { table, key, values } = lookup;
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("select {} from {} r where r.{key} = any($1)", columns(*table), table.name());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(values).fetch_all(connection).await?;
    rows.iter().map(|row| stored(row, *table)).collect()
}

/// The columns behind `xmin`, each by its type.
fn stored(row: &PgRow, table: Table) -> Result<StoredRow, sqlx::Error> {
    let transaction = row.try_get::<Oid, _>(0)?.0;
    let cells = (1..=table.columns().len()).map(|index| cell(row, index)).collect::<Result<_, _>>()?;
    Ok(StoredRow { cells, transaction })
}

fn cell(row: &PgRow, index: usize) -> Result<Cell, sqlx::Error> {
    if row.try_get_raw(index)?.is_null() {
        return Ok(Cell::Null);
    }
    Ok(match row.column(index).type_info().name() {
        "INT2" => Cell::Int(row.try_get::<i16, _>(index)?.into()),
        "INT4" => Cell::Int(row.try_get::<i32, _>(index)?.into()),
        "INT8" => Cell::Int(row.try_get(index)?),
        "FLOAT4" => Cell::Real(row.try_get(index)?),
        "FLOAT8" => Cell::Double(row.try_get(index)?),
        "BOOL" => Cell::Bool(row.try_get(index)?),
        "TIMESTAMPTZ" => Cell::Time(row.try_get(index)?),
        "NUMERIC" => {
            let digits: String = row.try_get(format!("{}_digits", row.column(index).name()).as_str())?;
            // NaN and infinity are no number that was written.
            digits.parse().map_or(Cell::Text(digits), Cell::Decimal)
        }
        _ => Cell::Text(row.try_get(index)?),
    })
}

fn odd(error: sqlx::Error) -> Fault {
    let what = "a row is not of the shape that the target's schema promises; compare the schema";
    Fault::caused(crate::ports::Service::Database, FaultKind::Misconfigured, what, error)
}

async fn unreadable(pool: &Pool) -> Result<Vec<Unreadable>, Fault> {
    const SQL: &str = "select wanted.name, to_regclass(wanted.name) is null as absent, coalesce((
            select string_agg(one.name, ', ') from unnest(string_to_array(wanted.columns, ' ')) one (name)
            where not coalesce((
                select has_column_privilege(a.attrelid, a.attnum, 'select') from pg_attribute a
                where a.attrelid = to_regclass(wanted.name) and a.attname = one.name and not a.attisdropped
            ), false)), '') as lacking,
            coalesce(row_security_active(to_regclass(wanted.name)::oid), false) as hides_rows
        from unnest($1::text[], $2::text[]) wanted (name, columns)";
    let ours = Table::ALL.iter().map(|table| (table.name(), table.columns().join(" ")));
    let catalogue = CATALOGUE.iter().map(|(name, columns)| (*name, columns.join(" ")));
    let (names, columns): (Vec<&str>, Vec<String>) = ours.chain(catalogue).unzip();
    let asking = async |connection: &mut PgConnection| {
        sqlx::query_as(SQL).bind(&names).bind(&columns).fetch_all(connection).await
    };
    let found: Vec<(String, bool, String, bool)> = pool.read(LIMIT, asking).await?;
    let told = |(table, absent, lacking, hides_rows): (String, bool, String, bool)| {
        let why = match (absent, lacking.as_str(), hides_rows) {
            (true, ..) => format!("the database has no table {table}"),
            // What a policy hides would count as lost, and what is surplus would not show.
            (false, "", true) => {
                format!(
                    "row security is active on {table}: a policy may hide rows from this role; grant it bypassrls"
                )
            }
            (false, "", false) => return None,
            (false, lacking, _) => format!("this role may not read {lacking} of {table}"),
        };
        Some(Unreadable { table, why })
    };
    Ok(found.into_iter().filter_map(told).collect())
}

async fn role(pool: &Pool) -> Result<ReaderRole, Fault> {
    // A role that may take on another one (`set role`) can do what that one may, and the owner may grant itself anything.
    const SQL: &str = "select current_user::text, array(
            select wanted.name from unnest($1::text[]) with ordinality as wanted (name, n)
            join pg_class found on found.oid = to_regclass(wanted.name)
            where pg_has_role(found.relowner, 'member') or exists (
                select from pg_roles taken where pg_has_role(taken.oid, 'member') and (
                    has_table_privilege(taken.oid, found.oid, 'insert, update, delete, truncate')
                    or has_any_column_privilege(taken.oid, found.oid, 'insert, update')))
            order by wanted.n)";
    let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
    let asking =
        async |connection: &mut PgConnection| sqlx::query_as(SQL).bind(&names).fetch_one(connection).await;
    let (name, may_write): (String, Vec<String>) = pool.read(LIMIT, asking).await?;
    Ok(ReaderRole { name, may_write })
}

async fn catalogue(
    pool: &Pool,
    username: Option<&str>,
    unreadable: &[Unreadable],
) -> Result<StoredCatalogue, Fault> {
    const ASSESSMENTS: &str = "select id::text, name, code from assessments";
    const SECTIONS: &str =
        "select assessment_id::text, id::text, coalesce(question_text, '') from assessment_sections
        where assessment_id is not null";
    const LEVELS: &str = "select id::text, level_text from malpractice_levels";
    let may_read = |table: &str| unreadable.iter().all(|one| one.table != table);
    let mut catalogue = StoredCatalogue::default();
    if may_read("assessments") {
        let asking =
            async |connection: &mut PgConnection| sqlx::query_as(ASSESSMENTS).fetch_all(connection).await;
        let found: Vec<(String, String, String)> = pool.read(LIMIT, asking).await?;
        catalogue.assessments = found.into_iter().map(|(id, name, code)| (id, (name, code))).collect();
    }
    if may_read("assessment_sections") {
        let asking =
            async |connection: &mut PgConnection| sqlx::query_as(SECTIONS).fetch_all(connection).await;
        let found: Vec<(String, String, String)> = pool.read(LIMIT, asking).await?;
        for (assessment, id, text) in found {
            catalogue.sections.entry(assessment).or_default().push((id, text));
        }
    }
    if may_read("malpractice_levels") {
        let asking = async |connection: &mut PgConnection| sqlx::query_as(LEVELS).fetch_all(connection).await;
        let found: Vec<(String, String)> = pool.read(LIMIT, asking).await?;
        catalogue.levels = found.into_iter().collect();
    }
    if may_read("users") {
        catalogue.rule_owner = match rule_owner(pool, username).await {
            Ok(owner) => Some(owner),
            Err(fault) if fault.kind == FaultKind::Misconfigured => None,
            Err(fault) => return Err(fault),
        };
    }
    Ok(catalogue)
}
