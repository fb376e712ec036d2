//! Credentials that are changed in the middle of a run, and while a process starts.

use std::{
    fs,
    path::{Path, PathBuf},
};

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
    let (role, file) = role_in_a_file(&world, &mut app).await;
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let mut process = app.start(&SHARD);
    until("rows stand", || async { submissions(&app).await >= 10 }).await;
    let before = world.database.accepted();
    change_password(&app, &role).await;
    until("the old password is refused", || async { world.database.accepted() >= before + 3 }).await;
    replace(&file, &url(&world, &app, &role, "new"));
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

/// Where a merge stands when the password is changed.
#[derive(Debug, Clone, Copy)]
enum Point {
    BeforeItBegins,
    LockHeld,
    WritersRetired,
}

#[tokio::test]
async fn a_password_that_is_changed_at_any_point_of_a_merge_is_waited_for() {
    let world = World::plain(12, 63).await;
    let expected = world.undisturbed().await;
    for point in [Point::BeforeItBegins, Point::LockHeld, Point::WritersRetired] {
        let mut app = world.app().await;
        app.set("ROGO_POD", "r-rogo-f-1-x");
        let (role, file) = role_in_a_file(&world, &mut app).await;
        app.run(&["plan"]).await.expect(0);
        app.run(&SHARD).await.expect(0);
        if matches!(point, Point::BeforeItBegins) {
            change_password(&app, &role).await;
        }
        let before = world.database.accepted();
        world.take_time();
        let mut process = app.start(&["finalize"]);
        until(&format!("the merge is at {point:?}"), || is_reached(&app, point)).await;
        if !matches!(point, Point::BeforeItBegins) {
            change_password(&app, &role).await;
        }
        let refused = if matches!(point, Point::BeforeItBegins) { before } else { world.database.accepted() };
        until("the old password is refused", || async { world.database.accepted() >= refused + 3 }).await;
        replace(&file, &url(&world, &app, &role, "new"));
        world.take_no_time();
        let finalize = ended(&mut process).await;
        assert_eq!(finalize.code, Some(0), "{point:?}: {}", finalize.stderr);
        assert_same(&app.everything().await, &expected);
    }
}

async fn is_reached(app: &TestApp<'_>, point: Point) -> bool {
    let run = app.out.path().join("runs/rogo");
    let has = |folder: &str| fs::read_dir(run.join(folder)).is_ok_and(|mut files| files.next().is_some());
    match point {
        Point::BeforeItBegins => true,
        Point::LockHeld => {
            let held = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'
                and granted and database = (select oid from pg_database where datname = current_database())";
            let held: i64 = sqlx::query_scalar(held).fetch_one(app.database.pool()).await.unwrap();
            held > 0
        }
        Point::WritersRetired => has("retired"),
    }
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

/// A role of its own with the password `old`, which the app reads from a file: as a pod reads a mounted Secret.
async fn role_in_a_file(world: &World, app: &mut TestApp<'_>) -> (String, PathBuf) {
    let role = format!("rotated_{}", app.database.name());
    app.database.run(&format!("create role {role} superuser login password 'old'")).await;
    let file = app.out.path().join("database-url");
    fs::write(&file, url(world, app, &role, "old")).unwrap();
    app.unset("DATABASE_URL");
    app.set("DATABASE_URL_FILE", file.display().to_string());
    (role, file)
}

fn url(world: &World, app: &TestApp<'_>, role: &str, password: &str) -> String {
    TestServer::url_as(role, password, world.database.address(), app.database.name())
}

/// Connections that were let in with the old password end.
async fn change_password(app: &TestApp<'_>, role: &str) {
    let change = format!(
        "alter role {role} password 'new'; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
    );
    app.database.run(&change).await;
}

/// As a mounted Secret is replaced: in one step.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, file).unwrap();
}
