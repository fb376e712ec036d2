//! DATABASE_URL: what is accepted, and when the server's certificate is verified.

use std::{str::FromStr, sync::Once};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::{
    adapters::postgres::fault::misconfigured,
    identity::hosts::{POSTGRESQL, is_loopback},
    ports::Fault,
    settings::DatabaseAuth,
};

/// Parameters of the URL that the driver understands. Any other one is refused: the driver would ignore it without
/// a message, and it might be the one that makes the connection safe.
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

/// Reads a PostgreSQL URL. Unless it names an `sslmode`, the server's certificate is verified; with a password
/// and a loopback host, TLS is optional.
pub(super) fn parse(text: &str, auth: DatabaseAuth) -> Result<PgConnectOptions, Fault> {
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

/// Refuses to show a Microsoft Entra token to a host that is neither Azure's nor the one that `--expect-host` names. A token
/// goes to this machine without a question.
pub(super) fn may_see_a_token(options: &PgConnectOptions, expected: Option<&str>) -> Result<(), Fault> {
    let host = options.get_host();
    let is_expected = expected.is_some_and(|expected| expected.eq_ignore_ascii_case(host));
    if is_local(options) || POSTGRESQL.contain(host) || is_expected {
        return Ok(());
    }
    Err(misconfigured(format!(
        "DATABASE_URL leads to the host {host}, which is not Azure Database for PostgreSQL: a Microsoft Entra token goes to no \
         other host unless --expect-host (ROGO_EXPECT_HOST) names it; if it is the right one, set that to {host}"
    )))
}

/// Warns once per process that the URL asks for less than a verified certificate.
pub(super) fn warn_unverified(options: &PgConnectOptions) {
    static WARNED: Once = Once::new();
    if !is_unverified(options) {
        return;
    }
    WARNED.call_once(|| {
        tracing::warn!(
            host = options.get_host(),
            sslmode = ?options.get_ssl_mode(),
            "DATABASE_URL asks for less than sslmode=verify-full: the server could be another one; leave sslmode \
             out, and name a private authority's certificate with sslrootcert"
        );
    });
}

/// Whether a server elsewhere could be another one than it says it is.
fn is_unverified(options: &PgConnectOptions) -> bool {
    !is_local(options) && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some() || host.starts_with('/') || is_loopback(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::FaultKind;

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
    fn less_than_a_verified_certificate_is_warned_of_unless_the_host_is_loopback() {
        for (url, warns) in [
            ("postgres://u:p@db.example.org/app", false),
            ("postgres://u:p@db.example.org/app?sslmode=verify-full", false),
            ("postgres://u:p@db.example.org/app?sslmode=verify-ca", true),
            ("postgres://u:p@db.example.org/app?sslmode=require", true),
            ("postgres://u:p@db.example.org/app?sslmode=prefer", true),
            ("postgres://u:p@10.0.0.4/app?sslmode=disable", true),
            ("postgres://u:p@localhost.example.org/app?sslmode=require", true),
            ("postgres://u:p@localhost/app?sslmode=disable", false),
            ("postgres://u:p@[::1]/app?sslmode=require", false),
            ("postgres:///app?host=/run/postgresql&sslmode=disable", false),
        ] {
            let options = parse(url, DatabaseAuth::Password).unwrap();
            assert_eq!(is_unverified(&options), warns, "{url}");
        }
    }

    #[test]
    fn a_token_goes_to_azure_to_the_expected_host_and_to_this_machine_only() {
        for (url, expected, refused) in [
            ("postgres://u@db.postgres.database.azure.com/app", None, None),
            ("postgres://u@db.postgres.database.usgovcloudapi.net/app", None, None),
            ("postgres://u@db.postgres.database.azure.com/app?sslmode=require", None, None),
            ("postgres://u@db.example.org/app?sslmode=require", None, Some("--expect-host")),
            (
                "postgres://u@db.postgres.database.azure.com/app?host=db.example.org",
                None,
                Some("--expect-host"),
            ),
            ("postgres://u@db.example.org/app", None, Some("set that to db.example.org")),
            ("postgres://u@db.example.org/app", Some("other.example.org"), Some("--expect-host")),
            ("postgres://u@db.example.org/app", Some("DB.example.org"), None),
            ("postgres://u@127.0.0.1/app?sslmode=disable", None, None),
            ("postgres:///app?host=/run/postgresql", None, None),
        ] {
            let options = parse(url, DatabaseAuth::Entra).unwrap();
            let said = may_see_a_token(&options, expected).map_err(|fault| fault.chain());
            let is_right = match (&said, refused) {
                (Err(said), Some(refused)) => said.contains(refused),
                (said, refused) => said.is_ok() && refused.is_none(),
            };
            assert!(is_right, "{url} {expected:?}: {said:?}");
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
