//! What a run keeps beside its rows: images of changed rules; and what `orphans` finds.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use futures_util::TryStreamExt;
use serde_json::Value;

use crate::{
    crash::no_orphans_and_nothing_missing,
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
        results::RESULTS,
    },
};

/// Every enforcement row by id.
async fn rules(app: &TestApp<'_>) -> BTreeMap<String, Value> {
    let sql = "select id, to_jsonb(t)::text from malpractice_enforcements t";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(app.database.pool()).await.unwrap();
    rows.into_iter().map(|(id, row)| (id, serde_json::from_str(&row).unwrap())).collect()
}

/// The documents of the run below a folder of the run store, by name.
async fn documents(app: &TestApp<'_>, folder: &str) -> BTreeMap<String, Value> {
    let folder = format!("rogo/{folder}/");
    let names: Vec<String> =
        app.run_blobs().list(&folder).map_ok(|info| info.name).try_collect().await.unwrap();
    let mut documents = BTreeMap::new();
    for name in names {
        let document = serde_json::from_str(&app.document(&name).await).unwrap();
        documents.insert(name.strip_prefix(&folder).unwrap().to_owned(), document);
    }
    documents
}

#[tokio::test]
async fn the_image_of_each_rule_that_the_run_changed_stands_in_the_run_store_as_the_rule_was() {
    let sample = Sample::new(120, 71).await;
    let app = TestApp::new(&sample).await;
    let before = rules(&app).await;
    app.run(&["run"]).await.expect(0);
    let after = rules(&app).await;
    let changed: BTreeMap<String, Value> = before
        .iter()
        .filter(|(id, row)| after.get(*id) != Some(row))
        .map(|(id, row)| (format!("{id}.json"), row.clone()))
        .collect();
    assert!(!changed.is_empty(), "a rule of the sample gives way");
    assert!(after.len() > before.len(), "rules are added, which have no image");
    assert_eq!(documents(&app, "enforcements").await, changed);
    app.run(&["run"]).await.expect(0);
    assert_eq!(documents(&app, "enforcements").await, changed, "a second run keeps them as they are");
}

#[tokio::test]
async fn orphans_are_listed_by_one_command_and_deleted_by_another_and_rows_keep_their_files() {
    let sample = Sample::with(12, 72, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let expected = app.everything().await;
    // A process that was killed between its uploads and its commit.
    let killed = "dddddddddddd";
    let mut writer =
        documents(&app, "writers").await.into_iter().find(|(name, _)| name.contains(".json")).unwrap().1;
    writer["id"] = killed.into();
    let options = rogo_migrate::ports::PutOptions::create("application/json");
    let document = writer.to_string().into();
    app.run_blobs().put(&format!("rogo/writers/{killed}.json"), document, &options).await.unwrap();
    let azurite = Azurite::shared().await;
    for (name, bytes) in [("LTI_Uploads", "12345"), ("Marker_files", "123")] {
        azurite.put(&app.container, &format!("{name}/{killed}/7_1_Orphan.docx"), bytes).await;
    }
    let with_orphans = app.everything().await;

    let listed = app.run(&["orphans"]).await.expect(0);
    let expect = "LTI_Uploads/dddddddddddd/7_1_Orphan.docx\nMarker_files/dddddddddddd/7_1_Orphan.docx\n\
                  2 orphans, 8 bytes, found; --delete --reason TEXT removes them\n0 file rows without a blob\n";
    assert_eq!(listed.stdout, expect);
    assert_eq!(app.everything().await, with_orphans, "listing changes nothing");

    let unsaid = app.run(&["orphans", "--delete"]).await.expect(64);
    assert!(unsaid.stderr.contains("say why with --reason"), "{}", unsaid.stderr);
    assert_eq!(app.everything().await, with_orphans, "nothing is deleted without a reason");
    let delete = ["orphans", "--delete", "--reason", "a pod was killed"];
    let deleted = app.run(&delete).await.expect(0);
    assert_eq!(deleted.stdout.trim(), "2 orphans, 8 bytes, deleted");
    assert_eq!(app.everything().await, expected);
    no_orphans_and_nothing_missing(&app).await;
    let again = app.run(&delete).await.expect(0);
    assert_eq!(again.stdout.trim(), "0 orphans, 0 bytes, deleted");
    let lines = app.decided("rogo").await;
    assert_eq!(lines.len(), 2, "one line for each time");
    assert_eq!(
        (lines[0].decision.as_str(), lines[0].reason.as_str()),
        ("orphans --delete", "a pod was killed")
    );

    // The other way: a row whose blob is gone.
    let name = app.blobs().await.swap_remove(0).name;
    app.target_blobs().delete_many(std::slice::from_ref(&name)).await.unwrap();
    let listed = app.run(&["orphans"]).await.expect(0);
    let expect = format!(
        "0 orphans, 0 bytes, found\nno blob: {name}\n\
         1 file rows without a blob; verify --level blobs names their attempts and what to do\n"
    );
    assert_eq!(listed.stdout, expect);
}

#[tokio::test]
async fn orphans_deletes_nothing_where_the_database_is_another() {
    let sample = Sample::with(12, 73, |options| options.plain = true).await;
    let (app, mut other) = (TestApp::new(&sample).await, TestApp::new(&sample).await);
    app.run(&["run"]).await.expect(0);
    let expected = app.everything().await;
    for name in ["ROGO_RUN_STORE", "ROGO_TARGET"] {
        other.set(name, app.variable(name));
    }
    other.run(&["orphans", "--delete", "--reason", "a pod was killed"]).await.expect(78);
    assert_eq!(app.everything().await, expected);
}

#[tokio::test]
async fn results_are_their_owners_alone_and_never_written_through_a_link() {
    let sample = Sample::new(30, 74).await;
    let mut app = TestApp::new(&sample).await;
    let results = app.out.path().join("results");
    app.set("ROGO_OUT", results.display().to_string());
    app.run(&["run"]).await.expect(0);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&results), 0o700, "a folder that the program made");

    // Another user of the folder points the names at a file of ours.
    let victim = app.out.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for file in RESULTS {
        fs::remove_file(results.join(file)).unwrap();
        std::os::unix::fs::symlink(&victim, results.join(file)).unwrap();
    }
    for arguments in [&["finalize"][..], &["results", "--to", results.to_str().unwrap()]] {
        app.run(arguments).await.expect(0);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        for file in RESULTS {
            let path = results.join(file);
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{file} is a link after {arguments:?}");
            assert_eq!(mode(&path), 0o600, "{file} after {arguments:?}");
        }
        let names = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{arguments:?}");
    }
}
