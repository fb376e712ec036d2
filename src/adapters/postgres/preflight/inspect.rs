//! Every check of the target, by name.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;

use super::{LIMIT, Tables, columns, connections, labels, rewrites, tables};
use crate::{
    adapters::postgres::{catalogue, connect::Connector, pool::Pool},
    ports::{Fault, FaultKind, Finding, TARGET_CHECKS},
};

const SESSIONS: &str = TARGET_CHECKS[0];
const SERVER: &str = TARGET_CHECKS[1];
pub(super) const RIGHTS: &str = TARGET_CHECKS[2];
pub(super) const SCHEMA: &str = TARGET_CHECKS[3];
const TRIGGERS: &str = TARGET_CHECKS[4];
const CONNECTIONS: &str = TARGET_CHECKS[5];
const TLS: &str = TARGET_CHECKS[6];
const CLOCK: &str = TARGET_CHECKS[7];

/// How far two clocks may be apart before a person should know: dates that the database gives as defaults are its own.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(5);

/// What would stop a run with this many connections, and what should be known.
pub(in crate::adapters::postgres) async fn inspect(
    connector: &Connector,
    pool: &Pool,
    rule_owner: Option<&str>,
    connections: u32,
) -> Result<Vec<Finding>, Fault> {
    let server = match connections::server(connector, pool).await? {
        Ok(server) => server,
        // Nothing more can be asked through a pooler whose sessions are refused.
        Err(pooler) => return Ok(vec![Finding::stops(SESSIONS, pooler)]),
    };
    let mut findings = Vec::new();
    stops(&mut findings, SERVER, server.findings());
    let Tables { oids: tables, missing, unguarded } = tables(pool).await?;
    findings.extend(missing);
    stops(&mut findings, SCHEMA, columns(pool, &tables).await?);
    stops(&mut findings, TRIGGERS, rewrites::rules(pool, &tables).await?);
    stops(&mut findings, SCHEMA, labels(pool, &tables).await?);
    stops(&mut findings, SCHEMA, unguarded);
    // A table that is missing, or may not be read, has been named already.
    if findings.is_empty() {
        match catalogue::rule_owner(pool, rule_owner).await {
            Err(fault) if fault.kind == FaultKind::Misconfigured => {
                findings.push(Finding::stops(SCHEMA, fault.what));
            }
            result => drop(result?),
        }
    }
    stops(&mut findings, CONNECTIONS, connections::free_connections(pool, connections).await?);
    if let Some(triggers) = rewrites::triggers(pool, &tables).await? {
        tracing::warn!("{triggers}");
        findings.push(Finding::warns(TRIGGERS, triggers));
    }
    findings.extend(link(pool).await?);
    Ok(findings)
}

fn stops(findings: &mut Vec<Finding>, check: &'static str, says: impl IntoIterator<Item = String>) {
    findings.extend(says.into_iter().map(|says| Finding::stops(check, says)));
}

#[derive(FromRow)]
struct Link {
    now: DateTime<Utc>,
    is_encrypted: bool,
    is_remote: bool,
}

/// Clock and encryption of the connection.
async fn link(pool: &Pool) -> Result<Vec<Finding>, Fault> {
    const SQL: &str = "select clock_timestamp() as now,
        coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as is_encrypted,
        coalesce(inet_client_addr() <> all (array['127.0.0.1', '::1']::inet[]), false) as is_remote";
    let asking = async |connection: &mut _| sqlx::query_as(SQL).fetch_one(connection).await;
    let before = Utc::now();
    let link: Link = pool.read(LIMIT, asking).await?;
    let after = Utc::now();
    let mut findings = Vec::new();
    if link.is_remote && !link.is_encrypted {
        let says =
            "the connection to the database is not encrypted; remove sslmode=disable from DATABASE_URL";
        findings.push(Finding::warns(TLS, says));
    }
    let apart = (before - link.now).max(link.now - after);
    if apart > CLOCKS_APART {
        let says = format!(
            "the clocks of this machine and of the database are {} s apart; set them by one time server, since some \
             columns keep the database's time",
            apart.num_seconds()
        );
        findings.push(Finding::warns(CLOCK, says));
    }
    Ok(findings)
}
