//! Opens connections. The secret is read, and the token requested, again for each of them.

mod url;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use azure_core::credentials::TokenCredential;
use sqlx::{
    Connection, FromRow, PgConnection, Row,
    postgres::{PgConnectOptions, PgRow},
};

use self::url::{may_see_a_token, parse, warn_unverified};
use super::fault::{Phase, answer, misconfigured};
use crate::{
    domain::TargetIdentity,
    identity::hosts::Cloud,
    ports::{Fault, FaultKind, Service, deadline::blocking},
    settings::{DatabaseAuth, DatabaseSettings},
};

/// The longest wait from the first packet to a session that is set up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every session, if the server knows them. They are set after the start, not with
/// it, because poolers refuse unknown start parameters.
///
/// - Keepalives and the limit for idle transactions: the locks of a machine that vanished, or of a process that was
///   frozen between two statements, are released within about a minute.
/// - No limit for idle sessions: a worker that waits for its files keeps the run's lock.
/// - Synchronous commit: an answer means that the row is on disk. A weaker default of the role or database is raised, a
///   stricter one (`remote_apply`) stays.
/// - Messages below `error` are suppressed, because they may quote a row.
/// - How a statement and its answer are read: strings, names, null, times and numbers are written as this program's
///   statements write them, whatever the default of the role or database. An error ends its statement only. `search_path` and
///   `role` stay: by them the tables are found, as the application's are.
///
/// The first row is a [`Greeting`].
const SESSION: &str = "
select coalesce(current_setting('rogo_migrate.session', true), '') <> '' as was_used,
    pg_backend_pid() as process, oid::bigint as database_oid, datname::text as database,
    has_function_privilege('pg_control_system()', 'execute') as names_system
from pg_database where datname = current_database();
select set_config('rogo_migrate.session', 'used', false);
select count(set_config(wanted.name, wanted.value, false)) from (values
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
    ('idle_in_transaction_session_timeout', '60s'), ('idle_session_timeout', '0'),
    ('statement_timeout', '30s'), ('lock_timeout', '15s'),
    ('synchronous_commit', case
        when current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then 'on'
        else current_setting('synchronous_commit') end),
    ('default_transaction_isolation', 'read committed'), ('default_transaction_deferrable', 'off'),
    ('client_min_messages', 'error'), ('exit_on_error', 'off'), ('transaction_timeout', '0'),
    ('standard_conforming_strings', 'on'), ('backslash_quote', 'safe_encoding'), ('quote_all_identifiers', 'off'),
    ('transform_null_equals', 'off'), ('array_nulls', 'on'), ('bytea_output', 'hex'), ('extra_float_digits', '3'),
    ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC')
) as wanted (name, value) where current_setting(wanted.name, true) is not null";

/// The system identifier of the server, in the last row.
const SYSTEM: &str = "select system_identifier::text from pg_control_system()";

/// Message about a session that an earlier client used.
const USED_BEFORE: &str = "a connection pooler stands before the database and hands sessions on as they were left (transaction mode, \
     or session mode without a reset query), so that the run's lock would not end with its process; connect to \
     the database itself, or to a pool in session mode with server_reset_query = DISCARD ALL";

/// A new session and the database that it leads to.
pub(super) struct Opened {
    pub connection: PgConnection,
    pub session: Session,
    pub database: TargetIdentity,
    /// The server process that answered.
    pub process: i32,
}

impl Opened {
    /// `names_system`: whether this user is known to be allowed to read the server's system identifier, which then takes no
    /// round trip of its own.
    async fn open(options: &PgConnectOptions, names_system: bool) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect_with(options).await?;
        let (greeting, system) = if names_system {
            match greet(&mut connection, &format!("{SESSION};\n{SYSTEM}")).await {
                // The right was taken away since: nothing of the string took effect.
                Err(error) if lacks_right(&error) => greet_and_ask(&mut connection).await?,
                greeted => {
                    let (greeting, last) = greeted?;
                    (greeting, Some(last.try_get(0)?))
                }
            }
        } else {
            greet_and_ask(&mut connection).await?
        };
        let database = TargetIdentity {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            system,
            database_oid: greeting.database_oid,
            database: greeting.database,
        };
        let session = if greeting.was_used { Session::Used } else { Session::New };
        Ok(Self { connection, session, database, process: greeting.process })
    }
}

/// Sets the session up with this string of statements: its greeting, and the last row of the string.
async fn greet(connection: &mut PgConnection, sql: &str) -> Result<(Greeting, PgRow), sqlx::Error> {
    let mut rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await?;
    let greeting = Greeting::from_row(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
    Ok((greeting, rows.pop().ok_or(sqlx::Error::RowNotFound)?))
}

/// Sets the session up, then asks for the system identifier if this user may read it.
async fn greet_and_ask(connection: &mut PgConnection) -> Result<(Greeting, Option<String>), sqlx::Error> {
    let (greeting, _) = greet(connection, SESSION).await?;
    if !greeting.names_system {
        return Ok((greeting, None));
    }
    let system = sqlx::raw_sql(SYSTEM).fetch_one(connection).await?.try_get(0)?;
    Ok((greeting, Some(system)))
}

/// Whether the server says that a right is missing (42501).
fn lacks_right(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(said) if said.code().as_deref() == Some("42501"))
}

/// Whether an earlier client used the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// No: the server began it with this connection.
    New,
    /// Yes: a pooler handed it on as that client left it.
    Used,
}

impl Session {
    /// Refuses a session whose lock would not end with its process: [`FaultKind::Unsupported`], which no other fault of
    /// this database is.
    pub(super) fn is_own(self) -> Result<(), Fault> {
        match self {
            Self::New => Ok(()),
            Self::Used => Err(Fault::new(Service::Database, FaultKind::Unsupported, USED_BEFORE)),
        }
    }
}

/// What a session says of itself when it begins.
#[derive(FromRow)]
struct Greeting {
    /// Whether an earlier client left its mark in this session. Then a pooler hands sessions on as they were left, and
    /// locks with them.
    was_used: bool,
    process: i32,
    database_oid: i64,
    database: String,
    /// Whether this user may read the server's system identifier.
    names_system: bool,
}

/// Opens sessions of one database under one application name. Clones lead to the same database, or to none.
#[derive(Clone)]
pub(super) struct Connector {
    settings: DatabaseSettings,
    credential: Option<Arc<dyn TokenCredential>>,
    application_name: String,
    /// The database of the first session. A secret that is changed during a run may lead to another one, such as a copy.
    first: Arc<OnceLock<TargetIdentity>>,
}

impl Connector {
    /// `application_name` is what the server shows beside a held lock: `run/shard/writer`.
    pub(super) fn new(
        settings: DatabaseSettings,
        credential: Option<Arc<dyn TokenCredential>>,
        application_name: String,
    ) -> Self {
        Self { settings, credential, application_name, first: Arc::default() }
    }

    /// Application name of its sessions.
    pub(super) fn name(&self) -> &str {
        &self.application_name
    }

    /// The same for sessions with another application name.
    pub(super) fn named(&self, application_name: &str) -> Self {
        Self { application_name: application_name.to_owned(), ..self.clone() }
    }

    /// Opens a session within ten seconds. Refuses one that an earlier client used ([`FaultKind::Unsupported`]), and one of
    /// another database than that of the first session.
    pub(super) async fn connect(&self) -> Result<Opened, Fault> {
        let opened = self.open().await?;
        opened.session.is_own()?;
        let first = self.first.get_or_init(|| opened.database.clone());
        let differences = first.differences(&opened.database, "the first connection's");
        if differences.is_empty() {
            return Ok(opened);
        }
        Err(misconfigured(format!(
            "DATABASE_URL leads to another database than when this process began ({}); nothing is written there: set \
             it back, or start a run with another name",
            differences.join("; ")
        )))
    }

    /// Opens a session within ten seconds.
    pub(super) async fn open(&self) -> Result<Opened, Fault> {
        let options = self.options().await?;
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let names_system = self.first.get().is_some_and(|first| first.system.is_some());
        let opening = Opened::open(&options, names_system);
        answer(Phase::Connecting, CONNECT_TIMEOUT, opening).await.map_err(|mut fault| {
            fault.what = format!("cannot connect to {server}: {}", fault.what);
            fault
        })
    }

    async fn options(&self) -> Result<PgConnectOptions, Fault> {
        let secret = self.settings.url.clone();
        let read = blocking(Service::Database, move || Ok(secret.read())).await?;
        let url = read.map_err(|error| {
            let what = "the file with the database's URL cannot be read; check DATABASE_URL_FILE";
            Fault::caused(Service::Database, FaultKind::Misconfigured, what, error)
        })?;
        let options = parse(&url, self.settings.auth)?.application_name(&self.application_name);
        if let Some(expected) = &self.settings.expect_host
            && !expected.eq_ignore_ascii_case(options.get_host())
        {
            return Err(misconfigured(format!(
                "DATABASE_URL leads to the host {}, but --expect-host (ROGO_EXPECT_HOST) lets in {expected} only",
                options.get_host()
            )));
        }
        warn_unverified(&options);
        match self.settings.auth {
            DatabaseAuth::Password => Ok(options),
            DatabaseAuth::Entra => {
                may_see_a_token(&options, self.settings.expect_host.as_deref())?;
                let token = self.token(Cloud::of(options.get_host())).await?;
                Ok(options.password(&token))
            }
        }
    }

    async fn token(&self, cloud: Cloud) -> Result<String, Fault> {
        let credential = self
            .credential
            .as_ref()
            .ok_or_else(|| misconfigured("there is no Microsoft Entra identity to connect with"))?;
        let scope = [cloud.postgresql_scope()];
        let asking = tokio::time::timeout(CONNECT_TIMEOUT, credential.get_token(&scope, None));
        match asking.await {
            Ok(Ok(token)) => Ok(token.token.secret().to_owned()),
            Ok(Err(error)) => {
                let what = format!(
                    "no Microsoft Entra token for the database could be had; check the workload or managed identity, or `az \
                     login`{}",
                    cloud.advice()
                );
                // The identity's client does not distinguish a refusal from a network failure.
                Err(Fault::caused(Service::Database, FaultKind::Unavailable, what, error))
            }
            Err(_elapsed) => {
                let what = "Microsoft Entra did not answer within 10 s";
                Err(Fault::new(Service::Database, FaultKind::Unavailable, what))
            }
        }
    }
}
