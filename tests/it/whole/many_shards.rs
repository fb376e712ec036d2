//! Many shards that one process moves, one after another.

use crate::support::{
    app::{Sample, TestApp},
    postgres::TestServer,
    proxy::Proxy,
};

const ROWS: i64 = 40;
/// Of the workers to either server.
const CONNECTIONS: usize = 2;

/// Connections to PostgreSQL and logins to the warehouse of a whole run in so many shards.
async fn logins(sample: &Sample, shards: &str) -> (usize, usize) {
    let proxy = Proxy::start(TestServer::get().address()).await;
    let mut app = TestApp::without_cluster(sample).await;
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    for name in ["ROGO_POOL", "ROGO_WAREHOUSE_POOL"] {
        app.set(name, "1");
    }
    let before = sample.tds.script.logins();
    app.run(&["run", "--shards", shards, "--workers", "2"]).await.expect(0);
    assert_eq!(app.database.number("select count(*) from assignment_submissions").await, ROWS);
    (proxy.accepted(), sample.tds.script.logins() - before)
}

#[tokio::test]
async fn logins_do_not_grow_with_the_number_of_shards() {
    let sample = Sample::with(ROWS.unsigned_abs(), 71, |options| options.plain = true).await;
    let (few, many) = (logins(&sample, "2").await, logins(&sample, "20").await);
    assert!(many.0 <= few.0 + CONNECTIONS, "PostgreSQL: {few:?}, {many:?}");
    assert!(many.1 <= few.1 + CONNECTIONS, "warehouse: {few:?}, {many:?}");
}
