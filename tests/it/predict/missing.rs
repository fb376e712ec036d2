//! What exists and no row names: attempts of the mapping and of the warehouse, and source blobs.

use std::collections::BTreeSet;

use super::{predicted, rows};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    csv::Csv,
};

#[tokio::test]
async fn attempts_and_blobs_that_a_short_export_lacks_are_named() {
    let sample = Sample::with(200, 31, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    azurite.put(&sample.source, "learner/forgotten.docx", "never exported").await;
    // One row of a hundred is cut out of the export.
    let mut reader = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap();
    let short = app.out.path().join("short.csv");
    let mut writer = csv::Writer::from_path(&short).unwrap();
    let headers = reader.headers().unwrap().clone();
    let place = headers.iter().position(|name| name == "Attempt ID").unwrap();
    writer.write_record(&headers).unwrap();
    let mut cut = BTreeSet::new();
    for (number, row) in reader.records().map(Result::unwrap).enumerate() {
        if number % 100 == 50 {
            cut.insert(row[place].to_owned());
        } else {
            writer.write_record(&row).unwrap();
        }
    }
    writer.flush().unwrap();
    app.set("ROGO_SUBMISSIONS", short.display().to_string());

    let prediction = predicted(&app, &["--dry-run"]).await;
    let missing = &prediction.not_in_input;
    assert_eq!(missing.mapping_attempts, 2, "{missing:?}");
    assert_eq!(missing.mapping_attempts_with_report, Some(2), "{missing:?}");
    let table = rows(&app, "not_in_input.csv");
    let named: BTreeSet<String> =
        table.iter().filter(|row| row[3] == "mapping and warehouse").map(|row| row[1].clone()).collect();
    assert_eq!(named, cut);
    // Each of them left three files behind, beside the one that was never exported.
    assert_eq!(missing.blobs, Some(7), "{missing:?}");
    let blobs: Vec<&Vec<String>> = table.iter().filter(|row| row[0] == "blob").collect();
    assert_eq!(blobs.len(), 7);
    assert!(
        blobs.iter().any(|row| row[4].ends_with("/learner/forgotten.docx") && row[5] == "14"),
        "{blobs:?}"
    );
    let first = &prediction.to_mend[0];
    assert!(first.what == "not_in_input" && first.rows == 2, "{first:?}");

    // A report of an attempt that neither export nor mapping names.
    let reports = sample.path("warehouse/Rogo_AssessmentReport.csv");
    let mut more = Csv::read(&reports);
    let place = more.place("AttemptId");
    let mut report = more.rows[0].clone();
    "99999999".clone_into(&mut report[place]);
    more.rows.push(report);
    more.write(&reports);
    app.unset("DATA_WAREHOUSE_CONNECTION_STRING");
    let folder = format!("file://{}", sample.path("warehouse").display());
    let later = predicted(&app, &["--dry-run", "--warehouse", &folder]).await.not_in_input;
    assert_eq!(later.warehouse_attempts, missing.warehouse_attempts.map(|alone| alone + 1));
    let is_named = |row: &Vec<String>| row[..4] == ["attempt", "99999999", "", "warehouse"];
    assert!(rows(&app, "not_in_input.csv").iter().any(is_named));
}

#[tokio::test]
async fn a_blob_that_a_row_names_is_not_said_to_be_of_no_row_whatever_becomes_of_the_row() {
    let sample = Sample::with(300, 7, |_| {}).await;
    let app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    azurite.put(&sample.source, "learner/forgotten.docx", "never exported").await;
    let alone = async |more: &[&str], when: &str| {
        let missing = predicted(&app, more).await.not_in_input;
        assert_eq!(missing.blobs, Some(1), "{when}");
        let table = rows(&app, "not_in_input.csv");
        let blobs: Vec<&Vec<String>> = table.iter().filter(|row| row[0] == "blob").collect();
        assert!(blobs.len() == 1 && blobs[0][4].ends_with("/learner/forgotten.docx"), "{when}: {blobs:?}");
    };
    // Rows fail and are skipped, and some are named twice.
    alone(&["--dry-run"], "of a target without submissions").await;
    alone(&["--dry-run", "--limit", "40"], "of a trial that leaves rows out").await;
}
