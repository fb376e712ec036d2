//! A prediction that cannot be made: it says which check failed, and ends as the plan does.

use rogo_migrate::run::{CheckResult, Prediction};

use super::{check, predicted, refused};
use crate::support::{
    app::{Sample, TestApp},
    port::Port,
    postgres::own::OwnServer,
};

fn failed(prediction: &Prediction) -> Vec<&str> {
    let checks = prediction.checks.iter().filter(|check| check.result == CheckResult::Fail);
    checks.map(|check| check.check.as_str()).collect()
}

#[tokio::test]
async fn a_warehouse_that_is_away_is_a_failed_check_and_a_temporary_end() {
    let sample = Sample::with(12, 51, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let closed = Port::hold();
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string_through(closed.address()));
    let (prediction, said) = refused(&app, &[], 75).await;
    assert!(said.contains("warehouse: ") && said.contains("cannot be reached"), "{said}");
    assert_eq!(failed(&prediction), ["warehouse"], "{:?}", prediction.checks);
    assert_eq!(prediction.to_mend[0].what, "warehouse", "{:?}", prediction.to_mend);
}

#[tokio::test]
async fn a_schema_that_lacks_a_column_and_a_missing_right_are_named_checks() {
    let sample = Sample::with(12, 52, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.database.run("alter table lti_launch_sessions drop column roles").await;
    let (prediction, said) = refused(&app, &[], 78).await;
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
             create trigger noted_before before insert on submission_files for each row execute function noted();
             create trigger noted_after after insert on submission_grades for each row execute function noted();
             create constraint trigger noted_late after insert on assignment_submissions
                deferrable initially deferred for each row execute function noted()",
        )
        .await;
    let prediction = predicted(&app, &["--dry-run"]).await;
    let triggers = check(&prediction, "target_triggers");
    assert_eq!(triggers.result, CheckResult::Warn);
    for named in [
        "noted_before on submission_files (before)",
        "noted_after on submission_grades (after)",
        "noted_late on assignment_submissions (deferred)",
    ] {
        assert!(triggers.says.contains(named), "{named}: {}", triggers.says);
    }
    for name in
        ["target_database", "target_rights", "target_schema", "target_clock", "target_tls", "warehouse"]
    {
        assert_eq!(check(&prediction, name).result, CheckResult::Pass, "{name}");
    }
    assert_eq!(check(&prediction, "warehouse_masked_columns").result, CheckResult::Pass);
    assert_eq!(check(&prediction, "target_container_policy").result, CheckResult::Pass);
}

/// The server is real, and so is the link to another address than loopback. Only its clock is put forward: by a function that
/// the search path finds before the server's own.
#[tokio::test]
async fn a_clock_that_is_wrong_and_a_link_that_is_not_encrypted_are_warnings_with_a_remedy() {
    let sample = Sample::with(12, 55, |options| options.plain = true).await;
    let mut server = OwnServer::start().await;
    let beyond_loopback = server.listen_beyond_loopback().await;
    let mut app = TestApp::on(&sample, server.database()).await;
    app.database
        .run(&format!(
            "create function public.clock_timestamp() returns timestamptz language sql as
                $$ select pg_catalog.clock_timestamp() + interval '1 hour' $$;
             alter database {} set search_path = public, pg_catalog",
            app.database.name()
        ))
        .await;
    app.set("DATABASE_URL", server.url_through(beyond_loopback));
    let prediction = predicted(&app, &["--dry-run"]).await;
    for (name, says, remedy) in [
        ("target_clock", "the clocks of this machine and of the database are 3", "time server"),
        ("target_tls", "the connection to the database is not encrypted", "remove sslmode=disable"),
    ] {
        let check = check(&prediction, name);
        assert_eq!(check.result, CheckResult::Warn, "{check:?}");
        assert!(check.says.contains(says) && check.remedy.contains(remedy), "{check:?}");
        assert!(prediction.to_mend.iter().any(|item| item.what == name), "{:?}", prediction.to_mend);
    }
    let sound = check(&prediction, "target_rights");
    assert_eq!(sound.result, CheckResult::Pass, "{sound:?}");
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
    for command in ["plan", "run"] {
        let ended = app.run(&[command, "--expect", &path]).await.expect(78);
        for says in [
            "submission_files.csv: 14 rows expected, there are 12",
            "submission_files.csv: SHA-256 00 expected",
            "Rogo_AssessmentReportScores: 1 rows expected",
        ] {
            assert!(ended.stderr.contains(says), "{command}: {says}: {}", ended.stderr);
        }
    }
    std::fs::write(&expect, format!("[files]\nbytes = {}\n", bytes + 1)).unwrap();
    let ended = app.run(&["plan", "--predict", "--dry-run", "--expect", &path]).await.expect(78);
    assert!(
        ended.stderr.contains(&format!("{} bytes expected, there are {bytes}", bytes + 1)),
        "{}",
        ended.stderr
    );
}
