//! Identifies the target database. The plan pins the result, so that a copy of the database is refused.

use std::time::Duration;

use super::{connect::Connector, pool::Pool};
use crate::{domain::TargetIdentity, ports::Fault};

const LIMIT: Duration = Duration::from_secs(10);

/// Reads host and port from DATABASE_URL, and the server's own identifiers by a query.
pub(super) async fn identity(connector: &Connector, pool: &Pool) -> Result<TargetIdentity, Fault> {
    const DATABASE: &str = "select oid::bigint, datname::text,
            has_function_privilege('pg_control_system()', 'execute')
        from pg_database where datname = current_database()";
    const SYSTEM: &str = "select system_identifier::text from pg_control_system()";
    let (host, port) = connector.server().await?;
    let asking = async |connection: &mut _| sqlx::query_as(DATABASE).fetch_one(connection).await;
    let (database_oid, database, may_ask): (i64, String, bool) = pool.read(LIMIT, asking).await?;
    let system = if may_ask {
        let asking = async |connection: &mut _| sqlx::query_scalar(SYSTEM).fetch_one(connection).await;
        Some(pool.read(LIMIT, asking).await?)
    } else {
        None
    };
    Ok(TargetIdentity { host, port, system, database_oid, database })
}
