//! Services on a bad day: a missing table, column or right, a wrong secret, an unreachable host, a certificate that has
//! expired, and storage that is not there. Each is named with what to do about it, and nothing was written.

use super::{Day, plain_sample};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    port::Port,
    postgres::{TestDatabase, TestServer},
    tds::{
        Options, TdsServer,
        data::{Data, Table},
        tls::Certificate,
    },
    tls::{Before, expired_server},
};

const PLAN: &[&str] = &["plan"];

#[tokio::test]
async fn a_target_that_is_not_as_it_should_be_is_refused_before_the_first_row() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let cases: &[(&str, &str, &[&str])] = &[
        ("a missing table", "drop table submission_grades cascade", &["submission_grades"]),
        (
            "a missing column",
            "alter table lti_launch_sessions drop column roles",
            &["column roles of lti_launch_sessions", "missing"],
        ),
        (
            "another type",
            "alter table submission_files alter upload_order type text",
            &["column upload_order of submission_files is text", "integer"],
        ),
        (
            "a new required column",
            "alter table submission_files add extra text not null",
            &["column extra of submission_files requires a value", "default"],
        ),
        (
            "no unique key",
            "alter table lti_launch_sessions drop constraint lti_launch_sessions_launch_id_key",
            &["launch_id of lti_launch_sessions has no unique key"],
        ),
        ("no admin", "select 1", &["role admin", "--rule-owner"]),
        (
            "two things at once",
            "drop table submission_grades cascade; alter table users drop column role",
            &["submission_grades", "column role of users"],
        ),
    ];
    for (what, sql, says) in cases {
        let database = TestDatabase::new().await;
        database.run(sql).await;
        let before = database.dump_tables(&[]).await;
        let day = Day::new(what, PLAN, 78).set("DATABASE_URL", database.url());
        day.says(["target database: "]).says(says.iter().copied()).is_refused(&app).await;
        assert_eq!(database.dump_tables(&[]).await, before, "{what}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_enough_is_told_which_right_is_missing() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let name = app.database.name().to_owned();
    let role = format!("role_{name}");
    app.database
        .run(&format!(
            "create role {role} login password 'pw'; grant select on all tables in schema public to {role}"
        ))
        .await;
    let url = TestServer::url_as(&role, "pw", TestServer::get().address(), &name);
    let day = Day::new("may only read", PLAN, 78).set("DATABASE_URL", url.clone());
    day.says(["may not insert", "lti_launch_sessions", "grant it"]).is_refused(&app).await;
    app.database.run(&format!("grant insert, update, delete on all tables in schema public to {role}; revoke select on users from {role}")).await;
    let day = Day::new("may not read users", PLAN, 78).set("DATABASE_URL", url.clone());
    day.says(["may not select users", "grant it"]).is_refused(&app).await;
    app.database
        .run(&format!(
            "grant select on users to {role}; alter role {role} set default_transaction_read_only = on"
        ))
        .await;
    let day = Day::new("a read-only user", PLAN, 78).set("DATABASE_URL", url.clone());
    day.says(["default_transaction_read_only"]).is_refused(&app).await;
    app.database.run(&format!("alter role {role} reset default_transaction_read_only")).await;
    let day = Day::new("too many connections", &["plan", "--workers", "64", "--pool", "10"], 78)
        .set("DATABASE_URL", url.clone());
    day.says(["640 connections", "--workers or --pool"]).is_refused(&app).await;
    // With exactly what it needs, and no more, the run works: nothing asks for a superuser.
    let mut app = app;
    app.set("DATABASE_URL", url);
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 13);
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_is_named() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let server = TestServer::get().address();
    let name = app.database.name().to_owned();
    let url =
        |user: &str, password: &str, address, name: &str| TestServer::url_as(user, password, address, name);
    let wrong =
        Day::new("a wrong password", PLAN, 78).set("DATABASE_URL", url("tester", "planted", server, &name));
    let ended =
        wrong.says(["target database: cannot connect", "check the user and password"]).is_refused(&app).await;
    assert!(!ended.stderr.contains("planted"));
    let none = Day::new("no such database", PLAN, 78)
        .set("DATABASE_URL", app.database.url().replace(&name, "no_such_db"));
    none.says(["\"no_such_db\" does not exist"]).is_refused(&app).await;
    let closed = Port::hold();
    let address = closed.address();
    let away =
        Day::new("nobody listens", PLAN, 75).set("DATABASE_URL", url("tester", "planted", address, &name));
    away.says([format!("cannot connect to {address}")]).is_refused(&app).await;
    let unknown = Day::new("no such host", PLAN, 75)
        .set("DATABASE_URL", "postgres://u:planted@no-such-host.invalid/app");
    let ended = unknown.says(["cannot connect to no-such-host.invalid:5432"]).is_refused(&app).await;
    assert!(!ended.stderr.contains("planted"));
    let (address, pem) = expired_server(app.out.path(), Before::Postgres).await;
    let expired = url("tester", "pw", address, &name)
        .replace("sslmode=disable", &format!("sslmode=verify-full&sslrootcert={pem}"));
    let day = Day::new("a certificate that has expired", PLAN, 78).set("DATABASE_URL", expired);
    day.says(["TLS failed", "xpired", "sslrootcert"]).is_refused(&app).await;
}

/// The host stands for one elsewhere: it is this machine, and is not written as a loopback address.
#[tokio::test]
async fn a_url_that_leaves_the_servers_identity_open_is_warned_of_once_by_every_command() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let warning = "DATABASE_URL asks for less than sslmode=verify-full: the server could be another one";
    let local = app.database.url();
    let elsewhere = local.replace("@127.0.0.1:", "@0.0.0.0:").replace("sslmode=disable", "sslmode=require");
    assert!(elsewhere.contains("@0.0.0.0:") && elsewhere.contains("sslmode=require"), "{elsewhere}");
    for (arguments, url, times) in [
        (&["plan", "--dry-run"][..], &local, 0),
        (&["plan", "--dry-run"], &elsewhere, 1),
        (&["run"], &elsewhere, 1),
    ] {
        let ended = Day::new("sslmode", arguments, 0).set("DATABASE_URL", url).ends(&app).await;
        assert_eq!(ended.stderr.matches(warning).count(), times, "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_warehouse_that_is_not_as_it_should_be_is_named() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let data = || Data::load(&sample.path("warehouse")).unwrap();
    let variable = "DATA_WAREHOUSE_CONNECTION_STRING";
    let good = app.variable(variable).to_owned();
    let wrong = Day::new("a wrong password", PLAN, 78).set(variable, good.replace("S3cret", "planted"));
    let ended = wrong.says(["warehouse: ", "login refused", "check user, password"]).is_refused(&app).await;
    assert!(!ended.stderr.contains("planted"), "{}", ended.stderr);
    let closed = Port::hold();
    let address = closed.address();
    let away = sample.tds.connection_string_through(address);
    let day = Day::new("nobody listens", PLAN, 75).set(variable, away);
    day.says([format!("localhost,{}/dw: cannot be reached; check host, port", address.port())])
        .is_refused(&app)
        .await;
    let day = Day::new("a key that is none", PLAN, 78).set(variable, format!("{good};Frobnicate=1"));
    day.says(["Frobnicate"]).is_refused(&app).await;

    for (number, says) in [(229, "lacks a right; grant it select"), (208, "a table or column is missing")] {
        let server = TdsServer::start(data(), Options::default()).await.unwrap();
        server.script.deny_table("Rogo_AssessmentReportScores", number);
        let day = Day::new(says, PLAN, 78).set(variable, server.connection_string());
        day.says(["warehouse: ", says]).is_refused(&app).await;
    }
    let without = |table: usize, column: &str| {
        let mut data = data();
        let old = &data.tables[table];
        let place = old.column(column).unwrap();
        let mut columns: Vec<_> = old.columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        columns.remove(place);
        let mut rows = old.rows.clone();
        for row in &mut rows {
            row.remove(place);
        }
        let table_without = Table::new(&old.name, &columns, rows);
        data.tables[table] = table_without;
        data
    };
    for (table, column) in [(0, "TISectionId"), (1, "ScoreLabelCorrected")] {
        let server = TdsServer::start(without(table, column), Options::default()).await.unwrap();
        let day = Day::new("a missing column", PLAN, 78).set(variable, server.connection_string());
        day.says(["warehouse: ", column]).is_refused(&app).await;
    }
    let mut empty = data();
    empty.tables[0] = Table::new(
        "Rogo_AssessmentReport",
        &empty.tables[0].columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect::<Vec<_>>(),
        Vec::new(),
    );
    let server = TdsServer::start(empty, Options::default()).await.unwrap();
    let day = Day::new("another warehouse", PLAN, 78).set(variable, server.connection_string());
    day.says(["none of the newest 12 eligible rows has a report", "check the connection"])
        .is_refused(&app)
        .await;

    let expired =
        TdsServer::start(data(), Options { certificate: Certificate::Expired, ..Options::default() })
            .await
            .unwrap();
    let pem = app.out.path().join("warehouse.pem");
    std::fs::write(&pem, &expired.certificate_pem).unwrap();
    let day = Day::new("a certificate that has expired", PLAN, 78)
        .set(variable, expired.connection_string_without_encrypt())
        .set("SSL_CERT_FILE", pem.display().to_string());
    day.says(["the server's certificate has expired", "renew it"]).is_refused(&app).await;

    let folder = tempfile::tempdir().unwrap();
    let place = format!("file://{}", folder.path().display());
    let arguments = ["plan", "--warehouse", &place];
    let day = Day::new("a folder without tables", &arguments, 78);
    day.says(["warehouse: ", "Rogo_AssessmentReport"]).is_refused(&app).await;
}

#[tokio::test]
async fn storage_that_is_not_as_it_should_be_is_named() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    let good = azurite.connection_string();
    let wrong_key = good.replace("Eby8", "Abc8");
    let account = "AZURE_STORAGE_CONNECTION_STRING";
    let source = "SOURCE_STORAGE_CONNECTION_STRING";
    let folder = tempfile::tempdir().unwrap();
    let local = format!("file://{}", folder.path().display());

    let day = Day::new("a wrong key", PLAN, 78).set(account, wrong_key.clone());
    let ended = day.says(["not allowed", "check the connection string"]).is_refused(&app).await;
    assert!(!ended.stderr.contains("Abc8"), "{}", ended.stderr);
    let day = Day::new("a wrong key of the source", PLAN, 78).set(source, wrong_key.clone());
    day.says(["source blobs: ", "not allowed"]).is_refused(&app).await;
    let away = Port::hold();
    let nowhere = good.replace(azurite.endpoint().split('/').nth(2).unwrap(), &away.address().to_string());
    let day = Day::new("nobody listens", PLAN, 75).set(account, nowhere.clone());
    day.says(["no connection"]).is_refused(&app).await;
    let waiting = ["shard", "--shard", "0", "--wait-plan", "0s", "--give-up-after", "1s"];
    let day = Day::new("a run store that cannot be looked at", &waiting, 75).set(account, nowhere);
    day.says(["the plan could not be looked for", "no connection", "run again"]).is_refused(&app).await;
    let day = Day::new("a run store that lets no pod in yet", &waiting, 75).set(account, wrong_key);
    let day = day.set("ROGO_POD", "p").says(["the plan could not be looked for", "not allowed"]);
    day.is_refused(&app).await;
    let day = Day::new("no such target", PLAN, 78).set("ROGO_TARGET", "az://no-such-target");
    day.says(["target blobs: ", "az://no-such-target", "there is no such container", "create it"])
        .is_refused(&app)
        .await;
    let day = Day::new("no such run store", PLAN, 78).set("ROGO_RUN_STORE", "az://no-such-store/runs");
    day.says(["run store: ", "az://no-such-store", "there is no such container"]).is_refused(&app).await;
    let day = Day::new("half a connection string", PLAN, 78).set(account, "AccountName=devstoreaccount1");
    day.says(["connection string"]).is_refused(&app).await;
    let day =
        Day::new("a target folder below a file", PLAN, 78).set("ROGO_TARGET", format!("{local}/file/below"));
    std::fs::write(folder.path().join("file"), b"x").unwrap();
    day.says(["target blobs: ", "/file/below"]).is_refused(&app).await;

    // The source's container was deleted: every row would fail, so none is tried.
    let gone = Sample::with(12, 41, |options| {
        options.plain = true;
        options.source_url = Some(format!("{}/no-such-source", azurite.endpoint()).parse().unwrap());
    });
    let gone = gone.await;
    let mut app = TestApp::new(&gone).await;
    app.set("ROGO_SOURCE_ALLOW", format!("{}/no-such-source", azurite.endpoint()));
    let day = Day::new("no such source", PLAN, 78).says([
        "source blobs: ",
        "/no-such-source",
        "there is no such container",
    ]);
    day.is_refused(&app).await;
}

#[tokio::test]
async fn malpractice_without_levels_fails_its_rows_only() {
    let sample = Sample::new(120, 43).await;
    let app = TestApp::new(&sample).await;
    app.database.run("update malpractice_levels set is_active = 'false'").await;
    app.run(&["run"]).await.expect(0);
    let outcomes = app.outcomes();
    assert_eq!(outcomes.len(), 120);
    let unknown = outcomes.values().filter(|(_, code)| code == "malpractice_level_unknown").count();
    assert!(unknown > 1, "{outcomes:?}");
    for (row, promised) in sample.expected() {
        let (kind, code) = &outcomes[&row];
        if code != "malpractice_level_unknown" {
            assert_eq!((kind, code), (&promised.kind, &promised.code), "row {row}");
        }
    }
}
