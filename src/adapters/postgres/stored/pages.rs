//! Whole tables, a page at a time: each page is a statement that looks at a bounded number of rows, however few of them
//! are asked for, so that it ends beside an application of any size.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row, ValueRef, postgres::PgRow};

use super::{Pool, odd};
use crate::ports::Fault;

/// For a statement that reads a page or a whole table: less than the five minutes that a snapshot may last.
const LIMIT: Duration = Duration::from_secs(290);
const BEGIN: &str = "begin read only; set local statement_timeout = '280s'";

/// Rows that a page looks at.
const PAGE: usize = 20_000;

/// Reads in a transaction of its own, in which a statement may take longer than the session allows.
pub(super) async fn read_long<T>(
    pool: &Pool,
    asking: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, Fault> {
    let asking = async |connection: &mut PgConnection| {
        connection.execute(BEGIN).await?;
        let found = asking(connection).await?;
        connection.execute("commit").await?;
        Ok(found)
    };
    pool.read(LIMIT, asking).await
}

/// What is read of a table.
pub(super) struct Pages<'a> {
    /// Columns, each with a name of its own.
    pub columns: &'a str,
    /// The table as `r`, whose ids are text, with what is joined to its rows.
    pub from: &'a str,
    /// A column or expression of it; null counts as empty.
    pub key: &'a str,
    /// Only rows whose key begins so.
    pub prefix: &'a str,
}

impl Pages<'_> {
    /// Hands over what `read` makes of the rows, a page at a time, by their ids.
    pub(super) async fn each<T>(
        &self,
        pool: &Pool,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
        each: &mut (dyn FnMut(Vec<T>) + Send),
    ) -> Result<(), Fault> {
        let sql = self.sql();
        let mut after = String::new();
        loop {
            let asking = async |connection: &mut PgConnection| {
                let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(&after).bind(self.prefix);
                query.fetch_all(connection).await
            };
            let rows = read_long(pool, asking).await?;
            // A page in which nothing is shown is one row that says where it ends; one without rows has no end.
            let end = rows.first().map(|row| row.try_get::<Option<String>, _>("page_end")).transpose();
            let Some(end) = end.map_err(odd)?.flatten() else { return Ok(()) };
            let shown = rows.iter().filter(|row| row.try_get_raw("page_id").is_ok_and(|id| !id.is_null()));
            each(shown.map(&read).collect::<Result<_, _>>().map_err(odd)?);
            after = end;
        }
    }

    fn sql(&self) -> String {
        let Self { columns, from, key, .. } = self;
        format!(
            "with page as materialized (
                select {columns}, r.id as page_id, coalesce({key}, '') as page_key
                from {from} where r.id > $1 order by r.id limit {PAGE})
            select shown.*, whole.page_end from (select max(page_id) as page_end from page) whole
            left join (select * from page where starts_with(page_key, $2)) shown on true order by shown.page_id"
        )
    }
}
