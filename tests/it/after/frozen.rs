//! The warehouse should stand still during a run: finalize says whether it did.

use std::{fs, path::Path};

use chrono::NaiveDateTime;
use serde_json::Value;

use super::plain_sample;
use crate::support::{
    app::TestApp,
    proxy::Proxy,
    tds::{self, TdsServer, cells::Cell, data::Data},
};

fn warnings(app: &TestApp<'_>) -> Vec<(String, String)> {
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let warnings = summary.get("warnings").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |warning: &Value, field: &str| warning[field].as_str().unwrap().to_owned();
    warnings.iter().map(|warning| (text(warning, "code"), text(warning, "detail"))).collect()
}

/// Finalize's warnings, which it prints too.
async fn finalized(app: &TestApp<'_>) -> Vec<(String, String)> {
    let ended = app.run(&["finalize"]).await.expect(0);
    let warnings = warnings(app);
    for (code, detail) in &warnings {
        assert!(ended.stdout.contains(&format!("warning: {code}: {detail}\n")), "{}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("warning:").count(), warnings.len(), "{}", ended.stdout);
    warnings
}

/// The sample's tables with this value as the DateModified of the last row of `table`.
async fn with_modified(folder: &Path, table: usize, modified: &str) -> TdsServer {
    let mut data = Data::load(folder).unwrap();
    let table = &mut data.tables[table];
    let column = table.column("DateModified").unwrap();
    let time: NaiveDateTime = modified.parse().unwrap();
    table.rows.last_mut().unwrap()[column] = Cell::Local(time);
    TdsServer::start(data, tds::Options::default()).await.unwrap()
}

#[tokio::test]
async fn a_row_that_is_changed_between_plan_and_finalize_is_a_warning_that_names_its_table() {
    let sample = plain_sample(4).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let proxy = Proxy::start(sample.tds.address).await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    app.run(&["resume"]).await.expect(0);
    assert_eq!(warnings(&app), [], "nothing changed");
    assert_eq!(finalized(&app).await, []);

    for (place, table) in ["dbo.Rogo_AssessmentReport", "dbo.Rogo_AssessmentReportScores"].iter().enumerate()
    {
        let changed = with_modified(&sample.path("warehouse"), place, "2031-05-06T07:08:09").await;
        proxy.lead_to(changed.address);
        let warnings = finalized(&app).await;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0].0, "source_not_frozen");
        assert_eq!(warnings[0].1.matches(": from ").count(), 1, "{warnings:?}");
        assert!(warnings[0].1.contains(&format!("{table}: from ")), "{warnings:?}");
        assert!(warnings[0].1.contains("newest DateModified 2031-05-06 07:08:09"), "{warnings:?}");
    }

    let mut data = Data::load(&sample.path("warehouse")).unwrap();
    data.tables[1].rows.pop();
    let fewer = TdsServer::start(data, tds::Options::default()).await.unwrap();
    proxy.lead_to(fewer.address);
    let warnings = finalized(&app).await;
    assert!(warnings[0].1.contains("dbo.Rogo_AssessmentReportScores: from "), "{warnings:?}");
}

#[tokio::test]
async fn a_warehouse_that_is_gone_at_the_end_is_said_and_fails_nothing() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let proxy = Proxy::start(sample.tds.address).await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string_through(proxy.address()));
    app.run(&["run"]).await.expect(0);
    proxy.refuse(true);
    let warnings = finalized(&app).await;
    assert_eq!(warnings[0].0, "source_not_compared", "{warnings:?}");
    assert!(warnings[0].1.contains("is unknown: warehouse"), "{warnings:?}");
}

#[tokio::test]
async fn one_byte_of_an_exported_table_that_changes_is_noticed() {
    let sample = plain_sample(3).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let folder = app.out.path().join("warehouse");
    fs::create_dir(&folder).unwrap();
    for table in ["Rogo_AssessmentReport.csv", "Rogo_AssessmentReportScores.csv"] {
        fs::copy(sample.path("warehouse").join(table), folder.join(table)).unwrap();
    }
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", format!("file://{}", folder.display()));
    app.run(&["run"]).await.expect(0);
    assert_eq!(finalized(&app).await, []);

    let scores = folder.join("Rogo_AssessmentReportScores.csv");
    let text = fs::read_to_string(&scores).unwrap();
    let changed = text.replacen("Question", "question", 1);
    assert!(changed != text && changed.len() == text.len());
    fs::write(&scores, changed).unwrap();
    let warnings = finalized(&app).await;
    assert_eq!(warnings[0].0, "source_not_frozen");
    assert!(warnings[0].1.contains("Rogo_AssessmentReportScores.csv: from "), "{warnings:?}");
    assert!(!warnings[0].1.contains("Rogo_AssessmentReport.csv"), "{warnings:?}");
}

#[tokio::test]
async fn another_warehouse_than_the_plans_is_refused_by_shard_and_finalize_and_other_credentials_are_not() {
    let sample = plain_sample(3).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let other = app.out.path().join("other");
    fs::create_dir(&other).unwrap();
    let folder = |path: &Path| format!("file://{}", path.display());
    let variable = "DATA_WAREHOUSE_CONNECTION_STRING";
    let refused = async |app: &TestApp<'_>, arguments: &[&str]| {
        let ended = app.run(arguments).await.expect(78);
        assert!(ended.stderr.contains("the warehouse changed since the run began"), "{}", ended.stderr);
    };
    let server = app.variable(variable).to_owned();
    for planned in [folder(&sample.path("warehouse")), server.clone()] {
        app.set("ROGO_RUN", if planned == server { "server" } else { "folder" });
        app.set(variable, planned.clone());
        app.run(&["plan"]).await.expect(0);
        app.set(variable, folder(&other));
        refused(&app, &["shard", "--shard", "0"]).await;
        app.set(variable, planned.clone());
        app.run(&["shard", "--shard", "0"]).await.expect(0);
        for another in [folder(&other), server.replace("Database=dw", "Database=other")] {
            app.set(variable, another);
            refused(&app, &["finalize"]).await;
        }
        // A user or a password is no part of what is compared.
        app.set(variable, planned.replace("S3cret", "rotated"));
        app.run(&["finalize"]).await.expect(0);
    }
}
