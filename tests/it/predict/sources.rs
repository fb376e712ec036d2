//! How source files are looked at: by a listing, and one by one where there is no right to list.

use azure_storage_blob::models::AccessTier;
use rogo_migrate::domain::FailCode;

use super::{check, predicted, state, summary};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
};

#[tokio::test]
async fn without_the_right_to_list_files_are_looked_at_one_by_one_and_it_is_said() {
    let sample = Sample::with(30, 41, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    app.set("SOURCE_STORAGE_CONNECTION_STRING", azurite.object_connection_string());
    let prediction = predicted(&app, &[]).await;
    let source = &prediction.files.sources[0];
    assert!(source.way.contains("looked at one by one") && source.way.contains("listed"), "{source:?}");
    assert_eq!((source.looked_at, source.not_named), (90, None), "{source:?}");
    assert_eq!(prediction.not_in_input.blobs, None);
    let check = check(&prediction, "source_container");
    assert!(check.remedy.contains("right to list"), "{check:?}");
    app.run(&["run"]).await.expect(0);
    assert!(summary(&app).prediction.unwrap().same, "90 looks are exact");
}

#[tokio::test]
async fn files_of_a_folder_are_listed_and_compared_by_their_paths() {
    let sample = Sample::in_folder(40, 42, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    // No row names a file of the second folder, although its name is how that of the first begins.
    std::fs::create_dir(sample.path("file")).unwrap();
    let places = ["files", "file"].map(|name| format!("file://{}", sample.path(name).display()));
    app.set("ROGO_SOURCE_ALLOW", places.join(","));
    std::fs::write(sample.path("files/forgotten.docx"), "x").unwrap();
    let prediction = predicted(&app, &[]).await;
    assert_eq!(prediction.not_in_input.blobs, Some(1), "{:?}", prediction.files.sources);
    let said =
        "blobs of file:// (place 2 of ROGO_SOURCE_ALLOW): not listed: no row of the input names a file of it";
    assert_eq!(prediction.not_in_input.not_possible, [said]);
    app.run(&["run"]).await.expect(0);
    assert!(summary(&app).prediction.unwrap().same);
}

#[tokio::test]
async fn a_probe_measures_copies_and_leaves_none_behind() {
    let sample = Sample::with(40, 43, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    let before = state(&app, &[app.target_blobs()]).await;
    let prediction = predicted(&app, &["--probe"]).await;
    assert_eq!(state(&app, &[app.target_blobs()]).await, before, "the copies are removed");
    let duration = &prediction.duration;
    for rests_on in [" (measured: ", "its round trip of ", " ms, measured", "since 40 are too few to measure"]
    {
        assert!(duration.basis.contains(rests_on), "{rests_on}: {duration:?}");
    }
    let range = duration.least_ms..=duration.most_ms;
    assert!(duration.least_ms > 0 && range.contains(&duration.milliseconds), "{duration:?}");
    assert_eq!(prediction.quantities.egress_bytes, prediction.files.bytes, "Azurite does not copy by itself");
    let ended = app.run(&["plan", "--probe"]).await.expect(64);
    assert!(ended.stderr.contains("--predict"), "{}", ended.stderr);
}

#[tokio::test]
async fn missing_and_archived_files_are_known_before_the_first_copy() {
    let sample = Sample::with(30, 44, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    let azurite = Azurite::shared().await;
    let files = sample.files();
    azurite.blob(&sample.source, &files[0].1).set_tier(AccessTier::Archive, None).await.unwrap();
    azurite.blob(&sample.source, &files[45].1).delete(None).await.unwrap();
    let prediction = predicted(&app, &[]).await;
    let failed = |code| prediction.outcomes.failed.get(&code).map(|counted| counted.rows);
    assert_eq!((failed(FailCode::FileArchived), failed(FailCode::FileMissing)), (Some(1), Some(1)));
    assert_eq!((prediction.files.sources[0].archived, prediction.files.sources[0].missing), (1, 1));
    app.run(&["run"]).await.expect(0);
    let compared = summary(&app).prediction.unwrap();
    assert!(compared.same, "{:?}", compared.differences);
}
