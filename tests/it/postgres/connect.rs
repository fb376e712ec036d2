//! Connecting: credentials that rotate, and errors that say what to do and no secret.

use std::{fs, sync::Arc};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
};
use rogo_migrate::{
    ports::{FaultKind, MayWrite, Retry, TargetReader, TargetWriter},
    settings::{DatabaseAuth, Secret},
};

use super::world::{Worker, ask, copied, database, migration};
use crate::support::{
    port::Port,
    postgres::{TestDatabase, TestServer},
    proxy::{Cut, Proxy},
};

/// Hands out what stands in a file, as an identity service hands out the token of the hour.
#[derive(Debug)]
struct Tokens(std::path::PathBuf);

#[async_trait::async_trait]
impl TokenCredential for Tokens {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://ossrdbms-aad.database.windows.net/.default"]);
        let expires = azure_core::time::OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1);
        Ok(AccessToken::new(fs::read_to_string(&self.0)?, expires))
    }
}

/// A role of this database's name with this password, or its new password.
async fn role(database: &TestDatabase, verb: &str, password: &str) {
    let name = database.name();
    let grant = format!("grant select on all tables in schema public to {name}");
    database.run(&format!("{verb} role {name} login password '{password}'; {grant}")).await;
}

async fn end_sessions_of(database: &TestDatabase) {
    let name = database.name();
    database
        .run(&format!(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = '{name}'"
        ))
        .await;
}

#[tokio::test]
async fn a_rotated_password_is_read_for_the_next_connection() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let server = TestServer::get();
    let url = |password: &str| {
        TestServer::url_as(database.name(), password, server.address(), database.name()) + "\n"
    };
    role(&database, "create", "first").await;
    fs::write(&file, url("first")).unwrap();
    let target = Worker { url: Secret::File(file.clone()), ..Worker::of(&database) }.start();
    assert_eq!(target.identity().await.unwrap().database, database.name());

    role(&database, "alter", "second").await;
    fs::write(&file, url("second")).unwrap();
    end_sessions_of(&database).await;
    // The connection that died in the pool is noticed at its next use.
    while ask(&target).await.is_err_and(|fault| fault.kind == FaultKind::Unavailable) {}
    ask(&target).await.unwrap();
}

#[tokio::test]
async fn a_token_is_asked_for_with_each_connection() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let server = TestServer::get();
    role(&database, "create", "token-1").await;
    fs::write(&file, "token-1").unwrap();
    let worker = |credential| Worker {
        url: Secret::Value(TestServer::url_as(database.name(), "ignored", server.address(), database.name())),
        auth: DatabaseAuth::Entra,
        credential,
        ..Worker::of(&database)
    };
    let target = worker(Some(Arc::new(Tokens(file.clone())) as Arc<_>)).start();
    ask(&target).await.unwrap();
    role(&database, "alter", "token-2").await;
    fs::write(&file, "token-2").unwrap();
    end_sessions_of(&database).await;
    while ask(&target).await.is_err_and(|fault| fault.kind == FaultKind::Unavailable) {}
    ask(&target).await.unwrap();

    fs::remove_file(&file).unwrap();
    end_sessions_of(&database).await;
    let mut fault = ask(&target).await.unwrap_err();
    while !fault.chain().contains("no Microsoft Entra token") {
        fault = ask(&target).await.unwrap_err();
    }
    assert_eq!(fault.kind, FaultKind::Unavailable, "the identity's service may be away");
    assert_eq!(ask(&worker(None).start()).await.unwrap_err().kind, FaultKind::Misconfigured);
}

/// Gives no token, and tells what was asked for.
#[derive(Debug)]
struct Refuses;

#[async_trait::async_trait]
impl TokenCredential for Refuses {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(Error::with_message(ErrorKind::Credential, format!("asked for {scopes:?}")))
    }
}

#[tokio::test]
async fn a_token_is_of_the_cloud_that_the_host_is_of() {
    let database = database().await;
    for (host, scope, advice) in [
        ("db.postgres.database.azure.com", "https://ossrdbms-aad.database.windows.net/.default", None),
        (
            "db.postgres.database.usgovcloudapi.net",
            "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
            Some("AZURE_AUTHORITY_HOST=https://login.microsoftonline.us"),
        ),
        (
            "db.postgres.database.chinacloudapi.cn",
            "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
            Some("AZURE_AUTHORITY_HOST=https://login.chinacloudapi.cn"),
        ),
    ] {
        let worker = Worker {
            url: Secret::Value(format!("postgres://u@{host}/app")),
            auth: DatabaseAuth::Entra,
            credential: Some(Arc::new(Refuses)),
            ..Worker::of(&database)
        };
        let said = ask(&worker.start()).await.unwrap_err().chain();
        assert!(said.contains(&format!("[\"{scope}\"]")), "{host}: {said}");
        assert_eq!(said.contains("AZURE_AUTHORITY_HOST"), advice.is_some(), "{said}");
        assert!(advice.is_none_or(|advice| said.contains(advice)), "{said}");
    }
}

#[tokio::test]
async fn what_is_met_before_a_statement_is_told_from_what_a_statement_meets() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    role(&database, "create", "secret").await;
    let name = database.name();
    let url = TestServer::url_as(name, "secret", TestServer::get().address(), name);
    fs::write(&file, &url).unwrap();
    let start = || Worker { url: Secret::File(file.clone()), ..Worker::of(&database) }.start();
    // The server takes one session of this role: who has it goes on.
    database.run(&format!("alter role {name} connection limit 1")).await;
    let (first, second) = (start(), start());
    ask(&first).await.unwrap();
    let refused = ask(&second).await.unwrap_err();
    assert!(refused.before_asking && refused.what.contains("53300"), "{refused}");
    ask(&first).await.unwrap();
    // Half of the secret is written.
    fs::write(&file, &url[..8]).unwrap();
    let refused = ask(&start()).await.unwrap_err();
    assert!(refused.before_asking && refused.kind == FaultKind::Misconfigured, "{refused}");
    database.run("alter table lti_launch_sessions rename to aside").await;
    let refused = ask(&first).await.unwrap_err();
    assert!(!refused.before_asking, "{refused}");
}

#[tokio::test]
async fn what_cannot_be_reached_or_entered_is_named_without_the_secret() {
    let database = database().await;
    let server = TestServer::get();
    let closed = Port::hold();
    let gone = closed.address();
    let here = server.address();
    for (url, kind, says) in [
        (TestServer::url_as("tester", "secret", here, "test_1"), FaultKind::Unauthenticated, "28P01"),
        (
            TestServer::url_as("nobody-here", "secret", here, "test_1"),
            FaultKind::Unauthenticated,
            "check the user and password",
        ),
        (server.url("no_such_database"), FaultKind::Misconfigured, "\"no_such_database\" does not exist"),
        (
            TestServer::url_as("tester", "secret", gone, "x"),
            FaultKind::Unavailable,
            "cannot connect to 127.0.0.1:",
        ),
        (
            "postgres://u:secret@host.invalid/x".into(),
            FaultKind::Unavailable,
            "cannot connect to host.invalid:5432",
        ),
        ("postgres://u:secret@h/x?sslmod=secret".into(), FaultKind::Misconfigured, "\"sslmod\""),
    ] {
        let fault = ask(&Worker::at(url).start()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{}", fault.chain());
        assert!(fault.chain().contains(says), "{}", fault.chain());
        assert!(!fault.chain().contains("secret"), "{}", fault.chain());
    }
    let missing = Worker { url: Secret::File("/no/such/file".into()), ..Worker::of(&database) }.start();
    let fault = ask(&missing).await.unwrap_err();
    assert!(fault.chain().contains("DATABASE_URL_FILE"), "{}", fault.chain());
}

#[tokio::test]
async fn tls_is_used_and_checked_where_the_url_asks_for_it() {
    let database = database().await;
    let root = TestServer::get().root_certificate();
    let url = |parameters: &str| database.url().replace("sslmode=disable", parameters);
    let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
        where ssl and application_name like 'run/%' and datname = current_database()";

    let checked = Worker::at(url(&format!("sslrootcert={}", root.display()))).start();
    ask(&checked).await.unwrap();
    assert_eq!(database.number(encrypted).await, 1);
    let preferred = Worker::at(url("")).start();
    ask(&preferred).await.unwrap();
    assert_eq!(database.number(encrypted).await, 2);

    for (parameters, says) in
        [("sslmode=verify-full", "UnknownIssuer"), ("sslrootcert=/no/such/file", "cannot be opened")]
    {
        let fault = ask(&Worker::at(url(parameters)).start()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Misconfigured, "{}", fault.chain());
        assert!(fault.chain().contains(says), "{}", fault.chain());
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_or_cut_while_it_opens_may_be_tried_again() {
    let database = database().await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    let target = Worker::at(database.url_through(proxy.address())).start();
    proxy.refuse(true);
    let fault = ask(&target).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.chain());
    proxy.refuse(false);
    for bytes in [1, 20, 100, 300] {
        proxy.cut(Cut::AfterBytes(bytes));
        let fault = ask(&target).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.chain());
    }
    ask(&target).await.unwrap();
}

#[tokio::test]
async fn an_answer_means_that_the_row_is_on_disk_whatever_the_roles_default() {
    for (default, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let database = database().await;
        let name = database.name();
        database
            .run(&format!(
                "create table seen (level text);
                 create function see() returns trigger language plpgsql security definer as $$ begin
                     insert into seen values (current_setting('synchronous_commit')); return new; end $$;
                 create trigger see before insert on lti_launch_sessions for each row execute function see();
                 alter database {name} set synchronous_commit = {default}"
            ))
            .await;
        let migration = migration(1);
        let target = Worker::of(&database).start();
        target.commit(&copied(&migration)).await.unwrap();
        let seen = format!("select count(*) from seen where level = '{expected}'");
        assert_eq!(database.number(&seen).await, 1, "{default}");
    }
}

#[tokio::test]
async fn a_database_is_identified_by_server_and_oid() {
    let database = database().await;
    let server = TestServer::get().address();
    let identity = Worker::of(&database).start().identity().await.unwrap();
    assert_eq!((identity.host.as_str(), identity.port), ("127.0.0.1", server.port()));
    assert_eq!(identity.database, database.name());
    let oid = "select oid::bigint from pg_database where datname = current_database()";
    assert_eq!(identity.database_oid, database.number(oid).await);
    let system = database.number("select system_identifier from pg_control_system()").await;
    assert_eq!(identity.system, Some(system.to_string()));
    database.run("revoke execute on function pg_control_system() from public").await;
    assert_eq!(Worker::of(&database).start().identity().await.unwrap().system, None);
}

#[tokio::test]
async fn another_host_than_the_expected_one_is_refused() {
    let database = database().await;
    let expecting = |host: &str| Worker { expect_host: Some(host.into()), ..Worker::of(&database) }.start();
    expecting("127.0.0.1").identity().await.unwrap();
    let fault = expecting("db.example.org").catalogue().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.what.contains("leads to the host 127.0.0.1"), "{}", fault.chain());
}

#[tokio::test]
async fn a_secret_that_leads_to_another_database_during_a_run_is_refused_until_it_is_set_back() {
    let (ours, copy) = (database().await, database().await);
    let through_a_pooler = Proxy::start(TestServer::get().address()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    fs::write(&file, ours.url()).unwrap();
    let first = Worker { url: Secret::File(file.clone()), ..Worker::of(&ours) }.start();
    first.prove_fence().await.unwrap();
    let second = first.another().unwrap();
    let cut = || ours.end_sessions("run/%");

    let migration = migration(1);
    let port = through_a_pooler.address().port();
    for (url, says) in [
        (copy.url(), format!("its name is {}, the first connection's was {}", copy.name(), ours.name())),
        (ours.url_through(through_a_pooler.address()), format!("its port is {port}, the first")),
    ] {
        fs::write(&file, url).unwrap();
        cut().await;
        for target in [&first, &second] {
            // The first commit may still meet its dead connection.
            let mut fault = target.commit(&copied(&migration)).await.unwrap_err();
            if fault.kind.retry() != Retry::Never {
                fault = target.commit(&copied(&migration)).await.unwrap_err();
            }
            assert_eq!(fault.kind, FaultKind::Misconfigured, "{}", fault.chain());
            assert!(fault.what.contains("leads to another database than when this process began"), "{fault}");
            assert!(fault.what.contains(&says), "{fault}");
        }
    }
    let count = "select count(*) from lti_launch_sessions";
    assert_eq!((ours.number(count).await, copy.number(count).await), (0, 0));

    fs::write(&file, ours.url()).unwrap();
    second.commit(&copied(&migration)).await.unwrap();
    assert_eq!(ours.number(count).await, 1);
}
