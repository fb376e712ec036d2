//! A password that is changed in the middle of a run.

use std::fs;

use super::{SHARD, World};
use crate::{
    crash::submissions,
    support::{
        app::{TestApp, assert_same},
        postgres::TestServer,
        process::{ended, until},
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
    let fresh = file.with_extension("new");
    fs::write(&fresh, url("new", &app)).unwrap();
    fs::rename(&fresh, &file).unwrap();
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    assert!(!shard.stderr.contains("password 'old'") && !shard.stderr.contains(":old@"), "{}", shard.stderr);
    world.take_no_time();
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}
