//! Connections that a run needs: sessions of their own, and room for them beside the application's.

use std::time::Instant;

use sqlx::{Connection, FromRow, Row};

use super::{LIMIT, SERVER, Server};
use crate::{
    adapters::postgres::{
        connect::Connector,
        fault::{Phase, answer},
        pool::Pool,
    },
    ports::{Fault, FaultKind, Service},
};

/// The server, asked through a session of this pool; or a sentence, if a pooler stands before it.
///
/// Every connection must have a server process of its own, which ends with it. Behind a pooler in transaction
/// mode two connections that are open at once share one, and a session's lock would have no owner; in session
/// mode without a reset query the next client gets the session, and with it the lock, of one that has ended. So one
/// session is opened and ended, and another one is asked in turn with that of the pool, each when it begins and again.
pub(super) async fn server(connector: &Connector, pool: &Pool) -> Result<Result<Server, String>, Fault> {
    match own_server(connector, pool).await {
        Err(fault) if fault.kind == FaultKind::Unsupported => Ok(Err(fault.what)),
        found => found.map(Ok),
    }
}

/// The same; [`FaultKind::Unsupported`] if a pooler stands before the server.
async fn own_server(connector: &Connector, pool: &Pool) -> Result<Server, Fault> {
    let mut ours = pool.lease().await?;
    let ended = connector.open().await?;
    answer(Phase::Reading, LIMIT, ended.connection.close()).await?;
    let mut other = connector.open().await?;
    ended.session.is_own()?;
    other.session.is_own()?;
    let asked = Instant::now();
    let asking = async { Server::from_row(&sqlx::raw_sql(SERVER).fetch_one(ours.connection()).await?) };
    let server = answer(Phase::Reading, LIMIT, asking).await?;
    let asking =
        async { sqlx::raw_sql("select pg_backend_pid()").fetch_one(&mut other.connection).await?.try_get(0) };
    let other_again: i32 = answer(Phase::Reading, LIMIT, asking).await?;
    let processes = [ours.process(), other.process, server.process, other_again];
    ours.give_back(asked);
    if shares_processes(&processes) {
        let what = "a connection pooler in transaction mode stands before the database, where session locks do not hold; \
                    connect to the database itself, or to a pool in session mode";
        return Err(Fault::new(Service::Database, FaultKind::Unsupported, what));
    }
    Ok(server)
}

/// Whether two connections share server processes. The ids are of two connections that were asked in turn, twice.
fn shares_processes(processes: &[i32]) -> bool {
    match processes {
        [one, other, one_again, other_again] => one == other || one != one_again || other != other_again,
        _ => true,
    }
}

#[derive(FromRow)]
struct Room {
    /// Connections that users without special rights may hold: the least of the server's, the
    /// database's and the role's limits.
    most: i64,
    /// Of these, connections that others use.
    used: i64,
}

/// A finding if the run needs more connections than are free beside the application, for which a tenth (at least five)
/// is kept. Sessions are counted by `datid`: of other users' sessions an ordinary role sees neither `backend_type` nor
/// `application_name`.
pub(super) async fn free_connections(pool: &Pool, needed: u32) -> Result<Option<String>, Fault> {
    const SQL: &str = "select least(
            current_setting('max_connections')::bigint
                - current_setting('superuser_reserved_connections')::bigint
                - coalesce(current_setting('reserved_connections', true), '0')::bigint,
            (select nullif(datconnlimit, -1) from pg_database where datname = current_database()),
            (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user)
        )::bigint as most,
        (select count(*) from pg_stat_activity where datid is not null
            and application_name is distinct from current_setting('application_name')) as used";
    let asking = async |connection: &mut _| sqlx::query_as(SQL).fetch_one(connection).await;
    Ok(shortage(&pool.read(LIMIT, asking).await?, needed))
}

fn shortage(Room { most, used }: &Room, needed: u32) -> Option<String> {
    let reserve = (most / 10).max(5);
    let free = (most - used - reserve).max(0);
    (i64::from(needed) > free).then(|| {
        format!(
            "the run needs {needed} connections; of {most} that the server allows {used} are in use and {reserve} are \
             kept for the application, which leaves {free}; lower --parallelism, --workers or --pool"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Room, shares_processes, shortage};

    #[test]
    fn a_tenth_of_the_connections_and_at_least_five_are_left_to_the_application() {
        for (most, used, enough) in [(100, 20, 70), (1_000, 0, 900), (20, 5, 10), (20, 17, 0)] {
            let room = Room { most, used };
            assert_eq!(shortage(&room, enough), None, "{used} of {most}");
            assert!(shortage(&room, enough + 1).is_some(), "{used} of {most}");
        }
    }

    #[test]
    fn connections_that_share_a_server_process_give_a_pooler_away() {
        for (processes, expected) in [
            ([7, 8, 7, 8], false),
            ([7, 7, 7, 7], true),
            ([7, 8, 9, 8], true),
            ([7, 8, 7, 9], true),
            ([7, 8, 8, 7], true),
        ] {
            assert_eq!(shares_processes(&processes), expected, "{processes:?}");
        }
    }
}
