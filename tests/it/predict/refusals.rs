//! A prediction that cannot be made: it says which check failed, and ends as the plan does.

use rogo_migrate::run::{CheckResult, Prediction};

use super::predicted;
use crate::support::app::{Sample, TestApp};

/// The checks of a prediction that ended with this code, and what it said on standard error.
async fn refused(app: &TestApp<'_>, code: i32) -> (Prediction, String) {
    let ended = app.run(&["plan", "--predict", "--json"]).await.expect(code);
    (serde_json::from_str(&ended.stdout).unwrap(), ended.stderr)
}

fn failed(prediction: &Prediction) -> Vec<&str> {
    let checks = prediction.checks.iter().filter(|check| check.result == CheckResult::Fail);
    checks.map(|check| check.check.as_str()).collect()
}

#[tokio::test]
async fn a_warehouse_that_is_away_is_a_failed_check_and_a_temporary_end() {
    let sample = Sample::with(12, 51, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let name = "DATA_WAREHOUSE_CONNECTION_STRING";
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = app.variable(name).replace(&sample.tds.address.port().to_string(), &nobody.port().to_string());
    app.set(name, away);
    let (prediction, said) = refused(&app, 75).await;
    assert!(said.contains("warehouse: ") && said.contains("cannot be reached"), "{said}");
    assert_eq!(failed(&prediction), ["warehouse"], "{:?}", prediction.checks);
    assert_eq!(prediction.to_mend[0].what, "warehouse", "{:?}", prediction.to_mend);
}

#[tokio::test]
async fn a_schema_that_lacks_a_column_and_a_missing_right_are_named_checks() {
    let sample = Sample::with(12, 52, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.database.run("alter table lti_launch_sessions drop column roles").await;
    let (prediction, said) = refused(&app, 78).await;
    assert!(said.contains("column roles of lti_launch_sessions"), "{said}");
    assert_eq!(failed(&prediction), ["target_schema"], "{:?}", prediction.checks);
}

#[tokio::test]
async fn triggers_and_masks_are_told_apart_from_what_is_in_order() {
    let sample = Sample::with(12, 53, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.database
        .run(
            "create function noted() returns trigger language plpgsql as $$ begin return new; end $$;
             create trigger noted before insert on submission_files for each row execute function noted()",
        )
        .await;
    let prediction = predicted(&app, &["--dry-run"]).await;
    let result =
        |name: &str| prediction.checks.iter().find(|check| check.check == name).map(|check| check.result);
    assert_eq!(result("target_triggers"), Some(CheckResult::Warn));
    for name in
        ["target_database", "target_rights", "target_schema", "target_clock", "target_tls", "warehouse"]
    {
        assert_eq!(result(name), Some(CheckResult::Pass), "{name}");
    }
    assert_eq!(result("warehouse_masked_columns"), Some(CheckResult::Pass));
    assert_eq!(result("target_container_policy"), Some(CheckResult::Pass));
}

#[tokio::test]
async fn an_expectation_that_is_not_met_ends_with_78_and_names_each_difference() {
    let sample = Sample::with(12, 54, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    let expect = app.out.path().join("expect.toml");
    let path = expect.display().to_string();
    let met = "[submissions]\nrows = 12\n[mapping]\nrows = 13\n[warehouse.reports]\nrows = 13\n[files]\nfiles = 36\n";
    std::fs::write(&expect, met).unwrap();
    let prediction = predicted(&app, &["--dry-run", "--expect", &path]).await;
    let bytes = prediction.files.bytes;
    let other = format!(
        "[submissions]\nrows = 14\nsha256 = \"00\"\n[warehouse.scores]\nrows = 1\n[files]\nbytes = {}\n",
        bytes + 1
    );
    std::fs::write(&expect, other).unwrap();
    let ended = app.run(&["plan", "--expect", &path]).await.expect(78);
    for says in [
        "submission_files.csv: 14 rows expected, there are 12",
        "submission_files.csv: SHA-256 00 expected",
        "Rogo_AssessmentReportScores: 1 rows expected",
    ] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    std::fs::write(&expect, format!("[files]\nbytes = {}\n", bytes + 1)).unwrap();
    let ended = app.run(&["plan", "--predict", "--dry-run", "--expect", &path]).await.expect(78);
    assert!(
        ended.stderr.contains(&format!("{} bytes expected, there are {bytes}", bytes + 1)),
        "{}",
        ended.stderr
    );
}
