//! A database that goes away while commits share statements.

use super::{
    World,
    away::{is_refused_for_a_while, is_silent_for_a_while},
};
use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    support::{
        app::assert_same,
        process::{ended, until},
        proxy::Proxy,
    },
};

/// A shard in which rows wait for the one connection, and the database goes away three times.
async fn loses_its_database(seed: u64, leave: impl AsyncFn(&Proxy)) {
    let world = World::plain(120, seed).await;
    let mut app = world.app().await;
    app.share_one_connection();
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let mut process = app.start(&["shard", "--shard", "0"]);
    for rows in [3, 30, 60] {
        until("rows stand", || async { submissions(&app).await >= rows }).await;
        leave(&world.database).await;
    }
    let shard = ended(&mut process).await;
    world.take_no_time();
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    app.assert_batched().await;
    assert_same(&app.everything().await, &world.undisturbed().await);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn a_database_that_refuses_while_commits_share_statements_is_waited_for() {
    loses_its_database(151, is_refused_for_a_while).await;
}

#[tokio::test]
async fn a_database_that_is_silent_while_commits_share_statements_is_waited_for() {
    loses_its_database(152, is_silent_for_a_while).await;
}
