//! How many round trips a process takes before its first commit, and how many connections are open by then.

use rogo_migrate::ports::{TargetReader, TargetWriter};

use super::world::{Worker, ask, copied, database, end_its_session, is_written, migration};
use crate::support::{postgres::TestServer, process::until, proxy::Proxy};

#[tokio::test]
async fn a_start_takes_few_round_trips() {
    let database = database().await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    let target = Worker { pool: 1, ..Worker::at(database.url_through(proxy.address())) }.start();
    let trips = async |asking: &mut (dyn Future<Output = ()> + Unpin)| {
        let before = proxy.exchanges();
        asking.await;
        proxy.exchanges() - before
    };
    let identity = trips(&mut Box::pin(async { drop(target.identity().await.unwrap()) })).await;
    assert_eq!(identity, 6, "three to log in, the session's settings, the server's identifier, the lock");
    let session = trips(&mut Box::pin(async { assert!(target.session().await.unwrap().is_empty()) })).await;
    assert_eq!(
        session, 13,
        "two sessions of four, a goodbye, the server, the other again, the tables in two"
    );
    let catalogue = trips(&mut Box::pin(async { drop(target.catalogue().await.unwrap()) })).await;
    assert_eq!(catalogue, 2, "prepared and asked");
    let opened = trips(&mut Box::pin(target.open_for(1))).await;
    assert_eq!(opened, 2, "what commits depend on, prepared and asked");
    let committed = async { assert!(is_written(&target.commit(&copied(&migration(1))).await.unwrap())) };
    assert_eq!(trips(&mut Box::pin(committed)).await, 2, "prepared and asked");
}

#[tokio::test]
async fn as_many_connections_as_rows_can_keep_busy_are_opened_side_by_side() {
    for (rows, connections) in [(0, 1), (1, 1), (64, 1), (65, 2), (1_000, 3)] {
        let database = database().await;
        let proxy = Proxy::start(TestServer::get().address()).await;
        let target = Worker { pool: 3, ..Worker::at(database.url_through(proxy.address())) }.start();
        target.identity().await.unwrap();
        assert_eq!(proxy.accepted(), 1);
        // What commits depend on: else its question may need a connection besides.
        target.open_for(0).await;
        proxy.swallow(true);
        let opening = async {
            // None of them is answered before all are asked for.
            until("all are asked for", async || proxy.accepted() == connections).await;
            proxy.swallow(false);
        };
        tokio::join!(target.open_for(rows), opening);
        assert_eq!(proxy.accepted(), connections, "{rows} rows");
        assert_eq!(target.connections().1, 3);
    }
}

#[tokio::test]
async fn connections_that_cannot_be_opened_ahead_end_nothing() {
    let database = database().await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    let target = Worker { pool: 3, ..Worker::at(database.url_through(proxy.address())) }.start();
    target.identity().await.unwrap();
    proxy.refuse(true);
    target.open_for(1_000).await;
    assert!(is_written(&target.commit(&copied(&migration(1))).await.unwrap()));
    proxy.refuse(false);
}

#[tokio::test]
async fn a_right_to_the_servers_identifier_that_is_taken_away_during_a_run_ends_nothing() {
    let database = database().await;
    let target = Worker { pool: 1, ..Worker::of(&database) }.start();
    assert!(target.identity().await.unwrap().system.is_some());
    database.run("revoke execute on function pg_control_system() from public").await;
    end_its_session(&database).await;
    until("the session is opened again", || async { ask(&target).await.is_ok() }).await;
    assert_eq!(target.identity().await.unwrap().system, None);
}
