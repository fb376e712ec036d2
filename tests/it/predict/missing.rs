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

#[tokio::test]
async fn a_container_that_only_a_failing_row_names_is_listed_and_one_that_no_row_names_is_said_not_to_be() {
    let sample = Sample::with(24, 31, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    let (other, unnamed) = (azurite.container().await, azurite.container().await);
    azurite.put(&other, "learner/named.docx", "of a row without an address").await;
    azurite.put(&other, "learner/forgotten.docx", "never exported").await;
    let mut input = Csv::read(&sample.path("submission_files.csv"));
    let [email, learner, marker] = ["Learner Email", "Learner Azure Blob URLs", "Marker Azure Blob URLs"]
        .map(|column| input.place(column));
    let row = &mut input.rows[5];
    row[email].clear();
    row[marker].clear();
    row[learner] = azurite.url(&other, "learner/named.docx").to_string();
    let changed = app.out.path().join("changed.csv");
    input.write(&changed);
    app.set("ROGO_SUBMISSIONS", changed.display().to_string());
    let root = |container: &str| azurite.url(container, "").to_string().trim_end_matches('/').to_owned();
    let places = [app.variable("ROGO_SOURCE_ALLOW").to_owned(), root(&other), root(&unnamed)];
    app.set("ROGO_SOURCE_ALLOW", places.join(","));

    let prediction = predicted(&app, &["--dry-run"]).await;
    assert_eq!(prediction.outcomes.failed.values().map(|failed| failed.rows).sum::<u64>(), 1);
    let table = rows(&app, "not_in_input.csv");
    let blobs: Vec<&str> = table.iter().filter(|row| row[0] == "blob").map(|row| row[4].as_str()).collect();
    let of_other: Vec<&&str> = blobs.iter().filter(|name| name.contains(&other)).collect();
    assert_eq!(of_other.len(), 1, "{blobs:?}");
    assert!(of_other[0].ends_with("/learner/forgotten.docx"), "{blobs:?}");
    let source = prediction.files.sources.iter().find(|source| source.container.ends_with(&other)).unwrap();
    assert_eq!((source.files, source.not_named), (0, Some(1)), "{source:?}");
    let not_possible = &prediction.not_in_input.not_possible;
    let said = format!("/{unnamed}: not listed: no row of the input names a file of it");
    assert!(not_possible.iter().any(|why| why.ends_with(&said)), "{not_possible:?}");

    // One that may not be listed is named.
    azurite.discard(&other).await;
    let not_possible = predicted(&app, &["--dry-run"]).await.not_in_input.not_possible;
    let is_named = |why: &String| why.contains(&format!("/{other}: not listed: it could not be listed"));
    assert!(not_possible.iter().any(is_named), "{not_possible:?}");
    azurite.discard(&unnamed).await;
}
