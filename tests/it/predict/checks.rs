//! What is wrong before the run and told by name: rights, masks, policies, files that may not be read, rows left out; and how
//! much the run asks of the services.

use std::fs;

use rogo_migrate::{
    domain::{FailCode, SkipCode},
    run::{CheckResult, Prediction},
};

use super::{check, predict, predicted, refused, summary};
use crate::{
    later::write,
    support::{
        app::{Sample, TestApp},
        blob_service::{BlobService, Habit, app_in, sample_in},
        csv::Csv,
        tds::{self, TdsServer, data::Data},
    },
};

/// A service with these habits that has the files of a sample in its container `source`.
async fn stored(habits: &[Habit], rows: u64, seed: u64) -> (BlobService, Sample) {
    let service = BlobService::start(habits).await;
    let sample = sample_in(&service, rows, seed, |options| options.plain = true).await;
    (service, sample)
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_predicted_if_files_are_looked_at_one_by_one() {
    let (service, sample) = stored(&[], 12, 61).await;
    let denied = (403, "AuthorizationPermissionMismatch");
    service.refuse_listing("source", denied);
    service.refuse_blob("source", &sample.files()[20].1, denied);
    let app = app_in(&service, &sample).await;
    let prediction = predicted(&app, &[]).await;
    let forbidden = &prediction.outcomes.failed[&FailCode::FileForbidden];
    assert_eq!((forbidden.rows, prediction.outcomes.migrated.rows), (1, 11), "{:?}", prediction.outcomes);
    assert_eq!(prediction.files.sources[0].forbidden, 1, "{:?}", prediction.files.sources);
    app.run(&["run"]).await.expect(0);
    let failed = app.failed_in(".");
    assert_eq!(failed, [(forbidden.examples[0].clone(), "file_forbidden".to_owned())]);
    let compared = summary(&app).prediction.unwrap();
    assert!(compared.same, "{:?}", compared.differences);
}

#[tokio::test]
async fn rows_that_their_owner_leaves_out_are_predicted_also_by_a_dry_run() {
    let sample = Sample::with(12, 62, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    let export = Csv::read(&sample.path("submission_files.csv"));
    let ids: Vec<&str> = export.column("Attempt ID").take(2).map(str::trim).collect();
    let list = format!("Attempt ID,Reason\n{},asked to be erased\n{},REQ-7\n", ids[0], ids[1]);
    let file = write(&sample, "exclude.csv", list);
    let rehearsed = predicted(&app, &["--dry-run", "--exclude", &file]).await;
    let excluded = &rehearsed.outcomes.skipped[&SkipCode::ExcludedByOwner];
    assert_eq!((excluded.rows, rehearsed.outcomes.migrated.rows), (2, 10));
    assert_eq!(excluded.examples, ids);
    let planned = predicted(&app, &["--exclude", &file, "--reason", "letters of the owner"]).await;
    assert_eq!(planned.outcomes, rehearsed.outcomes);
    app.run(&["resume"]).await.expect(0);
    let summary = summary(&app);
    assert_eq!(summary.books.skipped[&SkipCode::ExcludedByOwner], 2);
    let compared = summary.prediction.unwrap();
    assert!(compared.same, "{:?}", compared.differences);
}

#[tokio::test]
async fn a_right_that_was_revoked_is_a_failed_check_that_names_it() {
    let sample = Sample::with(12, 63, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.database.run("revoke insert on submission_files from migrator").await;
    let (prediction, _) = refused(&app, &[], 78).await;
    let rights = check(&prediction, "target_rights");
    assert_eq!(rights.result, CheckResult::Fail, "{rights:?}");
    assert!(rights.says.contains("submission_files") && rights.says.contains("insert"), "{rights:?}");
    assert!(rights.remedy.contains("grant"), "{rights:?}");
    assert_eq!(prediction.to_mend[0].what, "target_rights", "{:?}", prediction.to_mend);
}

#[tokio::test]
async fn a_masked_column_of_the_warehouse_is_a_failed_check_that_names_it() {
    let sample = Sample::with(12, 64, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let masked = vec![("Rogo_AssessmentReportScores".to_owned(), "Score".to_owned())];
    let data = Data::load(&sample.path("warehouse")).unwrap();
    let server = TdsServer::start(data, tds::Options { masked, ..tds::Options::default() }).await.unwrap();
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", server.connection_string());
    let (prediction, _) = refused(&app, &[], 78).await;
    let masks = check(&prediction, "warehouse_masked_columns");
    assert_eq!(masks.result, CheckResult::Fail, "{masks:?}");
    assert!(masks.says.contains("Rogo_AssessmentReportScores.Score"), "{masks:?}");
    assert!(masks.remedy.contains("grant unmask to [reader]"), "{masks:?}");
    assert_eq!(prediction.to_mend[0].what, "warehouse_masked_columns", "{:?}", prediction.to_mend);
}

#[tokio::test]
async fn strange_ids_beside_a_masked_column_are_a_failed_check_of_their_own() {
    let sample = Sample::with(12, 66, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let reports = sample.path("warehouse/Rogo_AssessmentReport.csv");
    let text = fs::read_to_string(&reports).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let place = rows.headers().unwrap().iter().position(|name| name == "AttemptId").unwrap();
    let strange = rows.records().next().unwrap().unwrap();
    let strange: Vec<&str> =
        strange.iter().enumerate().map(|(n, cell)| if n == place { "0" } else { cell }).collect();
    let mut with_it = csv::Writer::from_writer(text.clone().into_bytes());
    with_it.write_record(&strange).unwrap();
    fs::write(&reports, with_it.into_inner().unwrap()).unwrap();
    let masked = vec![("Rogo_AssessmentReportScores".to_owned(), "Score".to_owned())];
    let data = Data::load(&sample.path("warehouse")).unwrap();
    let server = TdsServer::start(data, tds::Options { masked, ..tds::Options::default() }).await.unwrap();
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", server.connection_string());
    let (prediction, _) = refused(&app, &[], 78).await;
    let (ids, masks) = (check(&prediction, "warehouse"), check(&prediction, "warehouse_masked_columns"));
    assert_eq!((ids.result, masks.result), (CheckResult::Fail, CheckResult::Fail), "{ids:?} {masks:?}");
    assert!(ids.says.contains("1 rows of dbo.Rogo_AssessmentReport have an AttemptId"), "{ids:?}");
    assert!(ids.remedy.contains("correct or remove them") && !ids.remedy.contains("unmask"), "{ids:?}");
    assert!(masks.says.contains("Rogo_AssessmentReportScores.Score"), "{masks:?}");
    assert!(!masks.says.contains("AttemptId") && masks.remedy.contains("grant unmask"), "{masks:?}");
}

#[tokio::test]
async fn a_target_that_keeps_its_blobs_is_a_warning_and_no_refusal() {
    let (service, sample) = stored(&[Habit::Copies, Habit::IsImmutable], 12, 65).await;
    let app = app_in(&service, &sample).await;
    let prediction = predicted(&app, &[]).await;
    let policy = check(&prediction, "target_container_policy");
    assert_eq!(policy.result, CheckResult::Warn, "{policy:?}");
    assert!(policy.remedy.contains("cannot be swept"), "{policy:?}");
    let mend: Vec<&str> = prediction.to_mend.iter().map(|item| item.what.as_str()).collect();
    assert_eq!(mend, ["target_container_policy"]);
}

#[tokio::test]
async fn a_target_folder_that_the_plan_makes_is_a_warning_and_one_that_it_made_and_is_gone_a_failure() {
    let sample = Sample::in_folder(12, 67, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_SOURCE_ALLOW", format!("file://{}", sample.path("files").display()));
    let target = app.out.path().join("target");
    app.set("ROGO_TARGET", format!("file://{}", target.display()));
    let prediction = predicted(&app, &["--dry-run"]).await;
    let container = check(&prediction, "target_container");
    assert_eq!(container.result, CheckResult::Warn, "{container:?}");
    assert!(container.says.contains("is new, and the plan makes it"), "{container:?}");
    assert!(container.remedy.contains("its mount is missing"), "{container:?}");
    assert!(!target.exists(), "a dry run makes nothing");
    // If no plan can be made, the reason is told and not hidden by that.
    let mapping = app.variable("ROGO_MAPPING").to_owned();
    app.set("ROGO_MAPPING", sample.path("gone.csv").display().to_string());
    let (prediction, _) = refused(&app, &["--dry-run"], 64).await;
    assert_eq!(check(&prediction, "plan").result, CheckResult::Fail);
    assert_eq!(check(&prediction, "target_container").result, CheckResult::Warn);
    app.set("ROGO_MAPPING", mapping);

    let prediction = predicted(&app, &[]).await;
    assert_eq!(check(&prediction, "target_container").result, CheckResult::Pass);
    fs::remove_dir_all(&target).unwrap();
    let ended = predict(&app, &["--dry-run"]).await;
    let gone: Prediction = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(check(&gone, "target_container").result, CheckResult::Fail, "{}", ended.stderr);
}

/// Grown by the run, of the eight tables with their indexes.
async fn bytes_of_tables(app: &TestApp<'_>) -> u64 {
    let sql = "select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = current_schema() and c.relkind = 'r'";
    u64::try_from(app.database.number(sql).await).unwrap()
}

/// Requests are counted, and so are bytes; of the database's growth the division is estimated.
#[tokio::test]
async fn what_the_run_asks_of_storage_is_as_predicted_and_the_database_grows_about_so() {
    const ROWS: u64 = 400;
    let (service, sample) = stored(&[], ROWS, 66).await;
    let app = app_in(&service, &sample).await;
    let prediction = predicted(&app, &[]).await;
    let quantities = &prediction.quantities;
    let (requests, tables) = (service.received().len(), bytes_of_tables(&app).await);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let grown = bytes_of_tables(&app).await - tables;
    // Until the service has answered that it does not copy by itself, the copies under way ask it.
    let mut asked = service.received().split_off(requests);
    asked.retain(|request| request.header("x-ms-copy-source").is_none());
    let of = |place: &str| asked.iter().filter(|request| request.target.starts_with(place)).count() as u64;
    let files = sample.files().len() as u64;
    assert_eq!((quantities.source_requests, of("/acc/source/")), (files, files));
    // Beside the files: whether the container answers, and parts of files, of which there are none here.
    let target = of("/acc/files");
    assert!((files..=files + 5).contains(&target), "{files} files, {target} requests");
    assert!(quantities.target_requests.abs_diff(target) * 100 <= target, "{quantities:?}, {target} requests");
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(quantities.egress_bytes, summary(&app).books.bytes, "all of them pass through the program");
    assert!(
        (quantities.database_bytes / 2..quantities.database_bytes * 2).contains(&grown),
        "{} bytes predicted, grown by {grown}",
        quantities.database_bytes
    );
    println!("database: {} bytes predicted, grown by {grown}", quantities.database_bytes);
}
