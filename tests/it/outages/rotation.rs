//! Credentials that are changed in the middle of a run, and while a process starts.

use std::{fs, path::Path};

use super::{SHARD, World};
use crate::{
    crash::submissions,
    support::{
        app::{TestApp, assert_same},
        postgres::TestServer,
        process::{ended, said, until},
    },
};

#[tokio::test]
async fn a_password_that_is_changed_in_the_middle_costs_no_row() {
    let world = World::plain(40, 57).await;
    let mut app = world.app().await;
    let role = format!("rotated_{}", app.database.name());
    app.database.run(&format!("create role {role} superuser login password 'old'")).await;
    let file = app.out.path().join("database-url");
    let url = |password: &str, app: &TestApp<'_>| {
        TestServer::url_as(&role, password, world.database.address(), app.database.name())
    };
    fs::write(&file, url("old", &app)).unwrap();
    app.unset("DATABASE_URL");
    app.set("DATABASE_URL_FILE", file.display().to_string());
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let mut process = app.start(&SHARD);
    until("rows stand", || async { submissions(&app).await >= 10 }).await;
    let before = world.database.accepted();
    app.database
        .run(&format!(
            "alter role {role} password 'new'; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
        ))
        .await;
    until("the old password is refused", || async { world.database.accepted() >= before + 3 }).await;
    replace(&file, &url("new", &app));
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    assert!(!shard.stderr.contains("password 'old'") && !shard.stderr.contains(":old@"), "{}", shard.stderr);
    world.take_no_time();
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}

#[tokio::test]
async fn a_shard_that_starts_with_a_password_that_is_not_accepted_waits_for_another() {
    let world = World::plain(12, 61).await;
    let mut app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    let right = app.variable("DATABASE_URL").to_owned();
    let file = app.out.path().join("database-url");
    let wrong = TestServer::url_as("tester", "old", world.database.address(), app.database.name());
    fs::write(&file, wrong).unwrap();
    app.unset("DATABASE_URL");
    app.set("DATABASE_URL_FILE", file.display().to_string());
    let before = world.database.accepted();
    let mut process = app.start(&SHARD);
    until("the old password is refused", || async { world.database.accepted() >= before + 3 }).await;
    replace(&file, &right);
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}

#[tokio::test]
async fn a_source_key_that_is_not_accepted_any_more_blames_no_row() {
    let world = World::plain(12, 62).await;
    let mut app = world.app().await;
    let right = app.variable("SOURCE_STORAGE_CONNECTION_STRING").to_owned();
    let file = app.out.path().join("source");
    fs::write(&file, &right).unwrap();
    app.unset("SOURCE_STORAGE_CONNECTION_STRING");
    app.set("SOURCE_STORAGE_CONNECTION_STRING_FILE", file.display().to_string());
    app.run(&["plan"]).await.expect(0);
    replace(&file, &right.replace("Eby8", "Abc8"));
    let mut process = app.start(&SHARD);
    said(&mut process, "the process waits").await;
    replace(&file, &right);
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}

/// As a mounted Secret is replaced: in one step.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, file).unwrap();
}
