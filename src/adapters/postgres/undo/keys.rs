//! Foreign keys that lead to a submission's own rows, from the catalogue: the application may have added tables.

use sqlx::FromRow;

use super::LIMIT;
use crate::{
    adapters::postgres::pool::Pool,
    ports::{Fault, OWN_TABLES},
};

/// Tables with fewer rows are read at once.
const SMALL_TABLE_ROWS: f32 = 20_000.0;

/// One foreign key.
#[derive(FromRow)]
pub(in crate::adapters::postgres) struct ForeignKey {
    /// Name of the constraint.
    pub name: String,
    /// The table that refers, as SQL names it.
    #[sqlx(rename = "referring")]
    pub table: String,
    /// The columns that refer.
    columns: String,
    /// The table that is referred to.
    referred: String,
    /// Counts the rows that refer to rows with these ids (`$1`): id, number.
    pub count: String,
    /// No index leads on its first column, and the table is not small.
    is_slow: bool,
}

impl ForeignKey {
    /// Whether the program reads the rows that refer by it anyway, because it writes them.
    pub(super) fn is_own(&self) -> bool {
        let writes = OWN_TABLES.contains(&self.table.as_str()) || self.table == "malpractice_enforcements";
        let column = match self.referred.as_str() {
            "assignment_submissions" => "submission_id",
            "lti_session_records" => "lti_session_record_id",
            _ => return false,
        };
        writes && self.columns == column
    }

    /// What makes removals fast.
    pub(super) fn advice(&self) -> Option<String> {
        let Self { table, columns, .. } = self;
        self.is_slow.then(|| {
            format!(
                "{columns} of {table} has no index, so that each removal reads the whole table; ask the database's owner \
                 for: create index concurrently on {table} ({columns})"
            )
        })
    }
}

pub(super) async fn foreign_keys(pool: &Pool) -> Result<Vec<ForeignKey>, Fault> {
    const SQL: &str = "
        select key.conname::text as name, key.conrelid::regclass::text as referring, named.columns,
            referred.relname::text as referred,
            format('select own.id::text, count(*) from %s own join %s other on %s where own.id = any($1) group by 1',
                key.confrelid::regclass, key.conrelid::regclass, named.condition) as count,
            referring.reltuples >= $2 and not exists (select from pg_index
                where indrelid = key.conrelid and indkey[0] = key.conkey[1] and indpred is null and indisvalid
            ) as is_slow
        from pg_constraint key
        join pg_class referred on referred.oid = key.confrelid
        join pg_class referring on referring.oid = key.conrelid
        cross join lateral (
            select string_agg(format('%I', mine.attname), ', ' order by pair.n) as columns,
                string_agg(format('other.%I = own.%I', mine.attname, theirs.attname), ' and ') as condition
            from unnest(key.conkey, key.confkey) with ordinality as pair (mine, theirs, n)
            join pg_attribute mine on mine.attrelid = key.conrelid and mine.attnum = pair.mine
            join pg_attribute theirs on theirs.attrelid = key.confrelid and theirs.attnum = pair.theirs
        ) named
        where key.contype = 'f' and key.conparentid = 0
            and key.confrelid in (select to_regclass(wanted.name) from unnest($1::text[]) as wanted (name))
        order by 2, 1";
    let asking = async |connection: &mut _| {
        sqlx::query_as(SQL).bind(OWN_TABLES.as_slice()).bind(SMALL_TABLE_ROWS).fetch_all(connection).await
    };
    pool.read(LIMIT, asking).await
}
