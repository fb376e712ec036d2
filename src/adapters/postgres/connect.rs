//! Opens connections. The secret is read, and the token requested, again for each of them.

use std::{
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Once},
    time::Duration,
};

use azure_core::credentials::TokenCredential;
use sqlx::{
    Connection, PgConnection, Row,
    postgres::{PgConnectOptions, PgSslMode},
};
use url::Url;

use super::fault::{Phase, answer, misconfigured};
use crate::{
    ports::{Fault, FaultKind, Service},
    settings::{DatabaseAuth, DatabaseSettings},
};

/// The audience of Entra tokens for Azure Database for PostgreSQL.
const ENTRA_SCOPE: &str = "https://ossrdbms-aad.database.windows.net/.default";

/// From the first packet to a session that may be asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Parameters of the URL that the driver understands. Another one is refused: left out in silence
/// it might have been the one that makes the connection safe.
const URL_PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Settings of every session, if the server knows them. They are set after the start, not with
/// it, because poolers refuse unknown start parameters.
///
/// Keepalives: a machine that vanished frees its locks within about a minute. Idle in a transaction:
/// so does a process that was frozen between two statements. Idle session: a worker that waits for
/// its files must not lose the run's lock. Synchronous commit: an answer means that the row is on disk; a
/// role's or database's weaker default is raised, a stricter one (`remote_apply`) stays. Messages below
/// `error` may quote a row.
///
/// The first row says whether an earlier client left its mark in this session: then a pooler hands sessions
/// on as they were left, and locks with them.
const SESSION: &str = "
select coalesce(current_setting('rogo_migrate.session', true), '') <> '' as was_used;
select set_config('rogo_migrate.session', 'used', false);
select count(set_config(wanted.name, wanted.value, false)) from (values
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
    ('idle_in_transaction_session_timeout', '60s'), ('idle_session_timeout', '0'),
    ('statement_timeout', '30s'), ('lock_timeout', '15s'),
    ('synchronous_commit', case
        when current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then 'on'
        else current_setting('synchronous_commit') end),
    ('default_transaction_isolation', 'read committed'), ('client_min_messages', 'error')
) as wanted (name, value) where current_setting(wanted.name, true) is not null";

/// Message about a session that an earlier client used.
pub(super) const USED_BEFORE: &str = "a connection pooler stands before the database and hands sessions on as they were left (transaction mode, \
     or session mode without a reset query), so that the run's lock would not end with its process; connect to \
     the database itself, or to a pool in session mode with server_reset_query = DISCARD ALL";

/// Whether a session is its client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// The server began it with this connection.
    New,
    /// A pooler handed it on as another client had left it.
    Used,
}

/// Opens sessions of one database under one application name.
#[derive(Clone)]
pub(super) struct Connector {
    settings: DatabaseSettings,
    credential: Option<Arc<dyn TokenCredential>>,
    application_name: String,
}

impl Connector {
    /// `application_name` is what the server shows beside a held lock: `run/shard/writer`.
    pub(super) fn new(
        settings: DatabaseSettings,
        credential: Option<Arc<dyn TokenCredential>>,
        application_name: String,
    ) -> Self {
        Self { settings, credential, application_name }
    }

    /// Opens a session within ten seconds; refuses one that an earlier client used.
    pub(super) async fn connect(&self) -> Result<PgConnection, Fault> {
        match self.open().await? {
            (connection, Session::New) => Ok(connection),
            (_, Session::Used) => Err(misconfigured(USED_BEFORE)),
        }
    }

    /// Host and port that DATABASE_URL leads to now.
    pub(super) async fn server(&self) -> Result<(String, u16), Fault> {
        let options = self.options().await?;
        Ok((options.get_host().to_owned(), options.get_port()))
    }

    /// Opens a session within ten seconds, and says whether an earlier client used it.
    pub(super) async fn open(&self) -> Result<(PgConnection, Session), Fault> {
        let options = self.options().await?;
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let opening = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let rows = sqlx::raw_sql(SESSION).fetch_all(&mut connection).await?;
            let was_used = rows.first().map_or(Ok(false), |row| row.try_get("was_used"))?;
            Ok((connection, if was_used { Session::Used } else { Session::New }))
        };
        answer(Phase::Connecting, CONNECT_TIMEOUT, opening).await.map_err(|mut fault| {
            fault.what = format!("cannot connect to {server}: {}", fault.what);
            fault
        })
    }

    async fn options(&self) -> Result<PgConnectOptions, Fault> {
        let url = self.settings.url.read().map_err(|error| {
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
            DatabaseAuth::Entra => Ok(options.password(&self.token().await?)),
        }
    }

    async fn token(&self) -> Result<String, Fault> {
        let credential = self
            .credential
            .as_ref()
            .ok_or_else(|| misconfigured("there is no Microsoft Entra identity to connect with"))?;
        let asking = tokio::time::timeout(CONNECT_TIMEOUT, credential.get_token(&[ENTRA_SCOPE], None));
        match asking.await {
            Ok(Ok(token)) => Ok(token.token.secret().to_owned()),
            Ok(Err(error)) => {
                let what = "no Microsoft Entra token for the database could be had; \
                            check the workload or managed identity, or `az login`";
                // The identity's client does not tell a refusal from a network that is away.
                Err(Fault::caused(Service::Database, FaultKind::Unavailable, what, error))
            }
            Err(_elapsed) => {
                let what = "Microsoft Entra did not answer within 10 s";
                Err(Fault::new(Service::Database, FaultKind::Unavailable, what))
            }
        }
    }
}

/// Reads a PostgreSQL URL. Unless it names an `sslmode`, the server's certificate is verified; with a password
/// and a loopback host, TLS is optional.
fn parse(text: &str, auth: DatabaseAuth) -> Result<PgConnectOptions, Fault> {
    let not_a_url = || {
        misconfigured(
            "DATABASE_URL is not a PostgreSQL URL; write postgres://user:password@host:5432/database",
        )
    };
    let url = Url::parse(text).map_err(|_| not_a_url())?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(not_a_url());
    }
    for (name, _value) in url.query_pairs() {
        if !URL_PARAMETERS.contains(&&*name) && !name.starts_with("options[") {
            return Err(misconfigured(format!(
                "DATABASE_URL has the parameter {name:?}, which is not supported; remove it"
            )));
        }
    }
    let mut options = PgConnectOptions::from_str(text).map_err(|_| not_a_url())?;
    if options.get_database().is_none() {
        return Err(misconfigured("DATABASE_URL names no database; add it after the host: …/database"));
    }
    // The driver would resolve the brackets of an IPv6 address as part of the host name.
    let host = options.get_host().trim_matches(['[', ']']).to_owned();
    options = options.host(&host);
    let given = |names: &[&str]| url.query_pairs().any(|(name, _)| names.contains(&&*name));
    if !given(&["sslmode", "ssl-mode"]) {
        let names_root = given(&["sslrootcert", "ssl-root-cert", "ssl-ca"]);
        let is_optional = is_local(&options) && auth == DatabaseAuth::Password && !names_root;
        let mode = if is_optional { PgSslMode::Prefer } else { PgSslMode::VerifyFull };
        options = options.ssl_mode(mode);
    }
    // Poolers refuse this start parameter, and values travel in binary anyway.
    Ok(sqlx::ConnectOptions::disable_statement_logging(options.extra_float_digits(None)))
}

/// Warns once per process that the URL asks for less than a verified certificate.
fn warn_unverified(options: &PgConnectOptions) {
    static WARNED: Once = Once::new();
    let mode = options.get_ssl_mode();
    if is_local(options) || matches!(mode, PgSslMode::VerifyFull) {
        return;
    }
    WARNED.call_once(|| {
        tracing::warn!(
            host = options.get_host(),
            sslmode = ?mode,
            "DATABASE_URL asks for less than sslmode=verify-full: the server could be another one; leave sslmode \
             out, and name a private authority's certificate with sslrootcert"
        );
    });
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl_mode(url: &str, auth: DatabaseAuth) -> String {
        format!("{:?}", parse(url, auth).unwrap().get_ssl_mode())
    }

    #[test]
    fn the_certificate_is_verified_unless_the_host_is_loopback_or_the_url_says_otherwise() {
        use DatabaseAuth::{Entra, Password};
        for (url, auth, expected) in [
            ("postgres://u:p@db.example.org/app", Password, "VerifyFull"),
            ("postgresql://u:p@10.0.0.4:6432/app", Password, "VerifyFull"),
            ("postgres://u:p@localhost.example.org/app", Password, "VerifyFull"),
            ("postgres://u:p@db.example.org/app?sslmode=require", Password, "Require"),
            ("postgres://u:p@db.example.org/app?sslmode=disable", Password, "Disable"),
            ("postgres://u:p@db.example.org/app?sslrootcert=/ca.pem", Password, "VerifyFull"),
            ("postgres://u:p@localhost/app", Password, "Prefer"),
            ("postgres://u:p@127.0.0.1/app", Password, "Prefer"),
            ("postgres://u:p@[::1]/app", Password, "Prefer"),
            ("postgres://u:p@127.0.0.1/app?sslrootcert=/ca.pem", Password, "VerifyFull"),
            ("postgres://u:p@127.0.0.1/app?sslmode=require", Password, "Require"),
            ("postgres:///app?host=/run/postgresql", Password, "Prefer"),
            ("postgres://u@db.example.org/app", Entra, "VerifyFull"),
            ("postgres://u@127.0.0.1/app", Entra, "VerifyFull"),
            ("postgres://u@127.0.0.1/app?sslmode=disable", Entra, "Disable"),
        ] {
            assert_eq!(ssl_mode(url, auth), expected, "{url} {auth:?}");
        }
    }

    #[test]
    fn an_unusable_url_is_refused_without_showing_it() {
        for (url, says) in [
            ("", "is not a PostgreSQL URL"),
            ("secret", "is not a PostgreSQL URL"),
            ("mysql://u:secret@h/app", "is not a PostgreSQL URL"),
            ("postgres://u:secret@h/app?sslmode=secret", "is not a PostgreSQL URL"),
            ("postgres://u:secret@h", "names no database"),
            ("postgres://u:secret@h/app?sslmod=secret", "the parameter \"sslmod\""),
            ("postgres://u:secret@h/app?target_session_attrs=secret", "\"target_session_attrs\""),
        ] {
            let fault = parse(url, DatabaseAuth::Password).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Misconfigured);
            assert!(fault.chain().contains(says), "{}", fault.chain());
            assert!(!fault.chain().contains("secret"), "{}", fault.chain());
        }
    }
}
