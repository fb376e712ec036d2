//! New connections: the secret is read, and the token asked for, anew for each of them.

use std::{net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use azure_core::credentials::TokenCredential;
use sqlx::{
    Connection, Executor, PgConnection,
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

/// Settings of every session, where the server knows them. They are set after the start, not with
/// it, because poolers refuse unknown start parameters.
///
/// Keepalives: a machine that vanished frees its locks within about a minute. Idle in a transaction:
/// so does a process that was frozen between two statements. Idle session: a worker that waits for
/// its files must not lose the run's lock. Messages below `error` may quote a row.
const SESSION: &str = "select count(set_config(wanted.name, wanted.value, false)) from (values
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
    ('idle_in_transaction_session_timeout', '60s'), ('idle_session_timeout', '0'),
    ('statement_timeout', '30s'), ('lock_timeout', '15s'),
    ('default_transaction_isolation', 'read committed'), ('client_min_messages', 'error')
) as wanted (name, value) where current_setting(wanted.name, true) is not null";

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

    /// Opens a session within ten seconds.
    pub(super) async fn connect(&self) -> Result<PgConnection, Fault> {
        let options = self.options().await?;
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let opening = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            connection.execute(SESSION).await?;
            Ok(connection)
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
        let options = parse(&url)?.application_name(&self.application_name);
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

/// Reads a PostgreSQL URL. TLS is required unless the host is loopback or the URL says otherwise;
/// whoever names a root certificate wants the server's checked against it.
fn parse(text: &str) -> Result<PgConnectOptions, Fault> {
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
    // The driver would look the brackets of an IPv6 address up as part of a name.
    let host = options.get_host().trim_matches(['[', ']']).to_owned();
    options = options.host(&host);
    let given = |names: &[&str]| url.query_pairs().any(|(name, _)| names.contains(&&*name));
    if !given(&["sslmode", "ssl-mode"]) {
        let mode = if given(&["sslrootcert", "ssl-root-cert", "ssl-ca"]) {
            PgSslMode::VerifyFull
        } else if is_local(&options) {
            PgSslMode::Prefer
        } else {
            PgSslMode::Require
        };
        options = options.ssl_mode(mode);
    }
    // Poolers refuse this start parameter, and values travel in binary anyway.
    Ok(sqlx::ConnectOptions::disable_statement_logging(options.extra_float_digits(None)))
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

    fn ssl_mode(url: &str) -> String {
        format!("{:?}", parse(url).unwrap().get_ssl_mode())
    }

    #[test]
    fn tls_is_required_unless_the_host_is_loopback_or_the_url_says_otherwise() {
        for (url, expected) in [
            ("postgres://u:p@db.example.org/app", "Require"),
            ("postgresql://u:p@10.0.0.4:6432/app", "Require"),
            ("postgres://u:p@localhost.example.org/app", "Require"),
            ("postgres://u:p@db.example.org/app?sslmode=disable", "Disable"),
            ("postgres://u:p@db.example.org/app?sslmode=verify-full", "VerifyFull"),
            ("postgres://u:p@db.example.org/app?sslrootcert=/ca.pem", "VerifyFull"),
            ("postgres://u:p@localhost/app", "Prefer"),
            ("postgres://u:p@127.0.0.1/app", "Prefer"),
            ("postgres://u:p@[::1]/app", "Prefer"),
            ("postgres://u:p@127.0.0.1/app?sslmode=require", "Require"),
            ("postgres:///app?host=/run/postgresql", "Prefer"),
        ] {
            assert_eq!(ssl_mode(url), expected, "{url}");
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
            let fault = parse(url).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Misconfigured);
            assert!(fault.chain().contains(says), "{}", fault.chain());
            assert!(!fault.chain().contains("secret"), "{}", fault.chain());
        }
    }
}
