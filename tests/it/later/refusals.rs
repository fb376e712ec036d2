//! Runs that are no ground for a comparison.

use rogo_migrate::ports::PutOptions;

use super::plain_sample;
use crate::support::{app::TestApp, azurite::Azurite};

async fn refused(app: &TestApp<'_>, arguments: &[&str], code: i32, says: &[&str]) {
    let before = super::target(app).await;
    for command in [&["plan", "--dry-run"][..], &["run"]] {
        let ended = app.run(&[command, arguments].concat()).await.expect(code);
        for part in says {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
    }
    assert_eq!(super::target(app).await, before);
}

#[tokio::test]
async fn a_run_that_tells_nothing_certain_is_refused_by_name_and_with_the_way_out() {
    let sample = plain_sample(6, 65).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--run", "planned"]).await.expect(0);
    app.run(&["plan", "--run", "half"]).await.expect(0);
    app.run(&["finalize", "--run", "half"]).await.expect(69);
    app.run(&["run", "--run", "first"]).await.expect(0);

    let after = |run: &'static str| ["--run", "later", "--after", run];
    refused(&app, &after("none"), 78, &["--after none: there is no plan at", "first, half, planned"]).await;
    refused(&app, &["--run", "later", "--after", "later"], 64, &["that is this run"]).await;
    refused(&app, &after("Bad_Name"), 64, &["--after", "1 to 30 characters"]).await;
    let resume = "end it first: rogo-migrate resume --run half";
    refused(&app, &after("half"), 78, &["--after half: it is INCOMPLETE", resume]).await;
    refused(&app, &after("planned"), 78, &["--after planned: it has no result yet"]).await;
    refused(&app, &after("first,half"), 78, &["--after half: it is INCOMPLETE"]).await;

    let container = Azurite::shared().await.container().await;
    let other = format!("az://{container}");
    let says = ["--after first: it moved rows into another target", "that run's was az://"];
    refused(&app, &[&after("first"), &["--target", other.as_str()][..]].concat(), 78, &says).await;
    let instance = "11111111-4f89-11d3-9a0c-0305e82c3301";
    let says = ["another target", "lms-instance is 11111111-4f89-11d3-9a0c-0305e82c3301, that run's was"];
    refused(&app, &[&after("first"), &["--lms-instance", instance][..]].concat(), 78, &says).await;

    let options = PutOptions::create("application/json");
    app.run_blobs().put("first/purged.json", "{}".into(), &options).await.unwrap();
    refused(&app, &after("first"), 78, &["--after first: its run store was purged", "without --after"]).await;
    app.run_blobs().delete_many(&["first/purged.json".to_owned()]).await.unwrap();
}

#[tokio::test]
async fn another_database_another_kind_of_warehouse_and_a_run_that_was_rolled_back_are_refused() {
    let sample = plain_sample(6, 66).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first"]).await.expect(0);
    let after = ["--run", "later", "--after", "first"];

    let elsewhere = TestApp::new(&sample).await;
    app.set("DATABASE_URL", elsewhere.database.url());
    let says = ["--after first: it moved rows into another target: its name is", "that run's was"];
    refused(&app, &after, 78, &says).await;
    app.set("DATABASE_URL", app.database.url());

    let folder = format!("file://{}", sample.path("warehouse").display());
    let server = app.variable("DATA_WAREHOUSE_CONNECTION_STRING").to_owned();
    app.unset("DATA_WAREHOUSE_CONNECTION_STRING");
    let says = ["every row would seem changed; give a warehouse of the same kind"];
    refused(&app, &[&after[..], &["--warehouse", folder.as_str()]].concat(), 78, &says).await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", server);

    app.run(&["run", "--run", "second", "--after", "first", "--out", "second"]).await.expect(0);
    let rollback = ["rollback", "--run", "first", "--yes", "--reason", "a test"];
    app.run_as(&app.database.removers_url(), &rollback).await.expect(0);
    refused(&app, &after, 78, &["--after first: it was rolled back", "leave it out of --after"]).await;
    let says = ["--after first: it was rolled back", "leave run second, which came after it, out of --after"];
    refused(&app, &["--run", "later", "--after", "second"], 78, &says).await;
}
