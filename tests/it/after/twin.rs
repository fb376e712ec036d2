//! A second process of a shard that is done: it has nothing to do, and no command waits for it.

use futures_util::TryStreamExt;

use crate::support::{
    app::TestApp,
    postgres::TestServer,
    process::{ended, until},
    proxy::Proxy,
};

use super::{at_laptop, plain_sample};

#[tokio::test]
async fn a_result_is_the_last_word_although_a_twin_registered_after_it() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    let direct = app.variable("DATABASE_URL").to_owned();
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    // It has found no done marker, and waits for its database while another process does all the work.
    proxy.swallow(true);
    let mut twin = app.start(&["shard", "--shard", "0"]);
    until("the twin waits", || async { proxy.swallowed() > 0 }).await;
    app.set("DATABASE_URL", direct);
    app.run(&["run", "--same-database"]).await.expect(0);
    let merged = at_laptop(&app, &["status"]).await.expect(0);

    proxy.swallow(false);
    let twin = ended(&mut twin).await;
    assert_eq!(twin.code, Some(0), "{}", twin.stderr);
    let status = at_laptop(&app, &["status"]).await.expect(0);
    assert_eq!(status.stdout, merged.stdout);
    app.run(&["verify", "--same-database", "--recheck", "0s"]).await.expect(0);
}

#[tokio::test]
async fn a_result_is_the_last_word_although_a_process_registered_and_failed_before_its_first_row() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let merged = at_laptop(&app, &["status"]).await.expect(0);
    // The marker is not there when the process looks for it; the target's catalogue fails it after it has registered.
    let marker = "rogo/done/0.json";
    let text = app.document(marker).await;
    app.run_blobs().delete_many(&[marker.to_owned()]).await.unwrap();
    app.database.run("create table admins as select id from users where role = 'admin'").await;
    app.database.run("update users set role = 'student' where role = 'admin'").await;
    let failed = app.run(&["shard", "--shard", "0"]).await.expect(78);
    assert!(failed.stderr.contains("no user with the role admin"), "{}", failed.stderr);
    app.database.run("update users set role = 'admin' where id in (select id from admins)").await;
    let writers = app.run_blobs().list("rogo/writers/").try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(writers.len(), 4, "the second one is registered, and clean too");
    super::write(&app, "done/0.json", &text).await;
    let status = at_laptop(&app, &["status"]).await.expect(0);
    assert_eq!(status.stdout, merged.stdout);
}
