//! The load of the target as its own statistics show it, with the rights of an ordinary role.

use std::time::Duration;

use sqlx::{FromRow, Row, postgres::PgRow};

use super::pool::Pool;
use crate::ports::{Fault, TargetLoad};

/// For the answer: longer than the statement may take.
const LIMIT: Duration = Duration::from_secs(8);

/// One round trip, without parameters or prepared statements, so that a pooler in transaction mode may stand between.
///
/// - Sessions are of this run if their application name begins as this session's does: `run/`. Of sessions of other
///   roles an ordinary role sees neither the name nor the transaction, but pid, user and locks. Autovacuum has no user.
/// - A wait for an advisory lock counts only if this run holds it: applications wait for such locks for hours, to take
///   over when another instance ends.
/// - `waitstart` is of PostgreSQL 14; before, a wait that is met counts as one of a second.
/// - The lag is that of replaying; it is null while nothing is replayed.
const SQL: &str = "begin read only;
set local statement_timeout = '5s';
with sessions as materialized (
    select pid, xact_start, backend_type, query = '<insufficient privilege>' as is_hidden,
        coalesce(starts_with(application_name, split_part(current_setting('application_name'), '/', 1) || '/'), false)
            or pid = pg_backend_pid() as is_ours
    from pg_stat_activity
    where datid = (select oid from pg_database where datname = current_database()) and usesysid is not null
), others as materialized (
    select * from sessions where not is_ours and coalesce(backend_type, 'client backend') = 'client backend'
), waiting as materialized (
    select locks.pid, bool_and(locks.locktype = 'advisory') as is_advisory,
        max(case when to_jsonb(locks) ? 'waitstart'
            then coalesce(extract(epoch from clock_timestamp() - (to_jsonb(locks) ->> 'waitstart')::timestamptz), 0)
            else 1 end)::float8 as seconds,
        pg_blocking_pids(locks.pid) && array(select pid from sessions where is_ours) as is_for_us
    from pg_locks as locks join others on others.pid = locks.pid
    where not locks.granted group by locks.pid
), counted as (
    select * from waiting where not is_advisory or is_for_us
)
select (select count(*) from counted) as waiting,
    (select count(*) from counted where is_for_us) as waiting_for_us,
    (select coalesce(max(seconds), 0) from counted) as longest_wait_s,
    (select max(extract(epoch from clock_timestamp() - xact_start))::float8 from others) as longest_transaction_s,
    (select max(extract(epoch from replay_lag))::float8 from pg_stat_replication
        where state = 'streaming') as replication_lag_s,
    (select count(*) from others where is_hidden) as hidden_sessions,
    (select count(*) from pg_stat_replication where state is null) as hidden_replicas;
commit";

#[derive(FromRow)]
struct Seen {
    waiting: i64,
    waiting_for_us: i64,
    longest_wait_s: f64,
    longest_transaction_s: Option<f64>,
    replication_lag_s: Option<f64>,
    hidden_sessions: i64,
    hidden_replicas: i64,
}

/// Twenty sleeps of 1 ms: some 2, because PostgreSQL sleeps for whole milliseconds and a part. The items of a row are computed
/// from the left to the right.
const WAKE_UPS: &str = "select array_agg(extract(epoch from ended - began)::float8 - 0.001) from (
    select clock_timestamp() as began, pg_sleep(0.001 + 0 * number), clock_timestamp() as ended
    from generate_series(1, 20) as number offset 0
) as slept";

pub(super) async fn wake_ups(pool: &Pool) -> Result<Vec<Duration>, Fault> {
    let asking = async |connection: &mut _| {
        let row: PgRow = sqlx::raw_sql(WAKE_UPS).fetch_one(connection).await?;
        row.try_get::<Vec<f64>, _>(0)
    };
    let late = pool.look(LIMIT, asking).await?;
    Ok(late.into_iter().map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()).collect())
}

pub(super) async fn load(pool: &Pool) -> Result<TargetLoad, Fault> {
    let asking = async |connection: &mut _| {
        let rows = sqlx::raw_sql(SQL).fetch_all(connection).await?;
        Seen::from_row(rows.first().ok_or(sqlx::Error::RowNotFound)?)
    };
    let seen = pool.look(LIMIT, asking).await?;
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(TargetLoad {
        waiting: count(seen.waiting),
        waiting_for_us: count(seen.waiting_for_us),
        longest_wait: time(seen.longest_wait_s),
        longest_transaction: seen.longest_transaction_s.map(time),
        replication_lag: seen.replication_lag_s.map(time),
        hidden_sessions: count(seen.hidden_sessions),
        hidden_replicas: count(seen.hidden_replicas),
    })
}
