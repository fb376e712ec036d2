//! Levels blobs and content where something stands in the way: nights that share the bytes, sources that are gone, containers
//! that may not be listed, and a service with habits.

use std::{collections::BTreeMap, fs};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    blobs::{File, Folder, files},
    by_attempt, check,
    corruptions::in_folders,
    small, small_files, verification, verify,
};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    blob_service::{Blob, BlobService, Habit},
    csv::Csv,
    process,
};

/// The checks that find a changed byte without the sources.
pub(super) const BY_MANIFEST: [&str; 2] = ["content_manifest", "content_receipt"];

#[tokio::test]
async fn nights_share_the_bytes_and_a_manifest_checks_them_without_the_sources() {
    let sample = Sample::in_folder(12, 52, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &["--content", "1/2"]).await.expect(64);
    assert!(ended.stderr.contains("give --level content too"), "{}", ended.stderr);

    let store = format!("file://{}", app.out.path().join("verify").display());
    let night =
        |part: &str| ["--level", "content", "--verify-store", &store, "--content", part].map(str::to_owned);
    let [first, second] = ["1/2", "2/2"].map(night);
    let args = |all: &[String]| all.to_vec();
    let run = async |all: Vec<String>| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        verify(&app, &all).await
    };
    let ended = run(args(&first)).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level content"), "{}", ended.stdout);
    let whole = verification(&app);
    let ended = run(args(&second)).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
    let content = |result: &Value, name: &str| result["files"]["content"][name].as_u64().unwrap();
    let named = whole["files"]["named"].as_u64().unwrap();
    assert_eq!(content(&whole, "read") + content(&verification(&app), "read"), named);
    let manifest = app.result("manifest.csv");
    assert_eq!(manifest.lines().count() as u64, named + 1);
    assert_eq!(manifest.lines().next(), Some("Row,Attempt ID,File,Bytes,SHA-256"));

    // Files that were proven when they were copied are not read again.
    let ended = verify(&app, &["--level", "content", "--only-unproven"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level content"), "{}", ended.stdout);
    assert_eq!(content(&verification(&app), "read"), 0);
    assert_eq!(content(&verification(&app), "proven_when_copied"), named);

    // The sources are gone.
    fs::rename(sample.path("files"), sample.path("gone")).unwrap();
    let ended = verify(&app, &["--level", "content"]).await.expect(69);
    let result = verification(&app);
    assert_eq!(check(&result, "content_source")["compared"], 0);
    let compared = format!(
        "the bytes of {named} of {named} files read, 0 of them compared with their sources and {named} with their receipts,"
    );
    assert!(ended.stdout.contains(&compared), "{}", ended.stdout);
    assert!(result["verdict"].as_str().unwrap().contains(&compared), "{}", result["verdict"]);
    for (name, is_possible) in [
        ("source_files_unchanged", false),
        ("blob_content_encoding", false),
        ("content_source", false),
        ("content_receipt", true),
        ("blob_length", true),
    ] {
        assert_eq!(check(&result, name)["not_possible"] == Value::Null, is_possible, "{name}");
    }
    let kept = app.out.path().join("kept.csv");
    fs::write(&kept, &manifest).unwrap();
    let by_manifest = ["--level", "content", "--manifest", kept.to_str().unwrap()];
    verify(&app, &by_manifest).await.expect(0);
    assert_eq!(content(&verification(&app), "read"), named);

    let (folder, files) = (Folder::of(&app), files(&app).await);
    folder.rewrite(&files[0], |bytes| bytes[0] ^= 1);
    verify(&app, &by_manifest).await.expect(1);
    let expected = BY_MANIFEST.map(str::to_owned);
    assert_eq!(by_attempt(&app), BTreeMap::from([(files[0].attempt.clone(), expected.into())]));
    // A part that was verified and differs now is none of those any more.
    fs::rename(sample.path("gone"), sample.path("files")).unwrap();
    let codes = [run(args(&first)).await.code, run(args(&second)).await.code];
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 1, "{codes:?}");
    let all_parts = [run(args(&first)).await, run(args(&second)).await];
    assert!(all_parts.iter().all(|ended| !ended.stdout.contains("TO THE BYTE")));

    let lines: Vec<&str> = manifest.lines().collect();
    fs::write(&kept, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    folder.rewrite(&files[0], |bytes| bytes[0] ^= 1);
    verify(&app, &by_manifest).await.expect(69);
    let why = check(&verification(&app), "content_manifest")["not_possible"].clone();
    assert_eq!(why, "the manifest has no line for these files");
}

#[tokio::test]
async fn a_blob_that_is_away_for_a_while_is_no_difference() {
    let sample = Sample::in_folder(8, 53, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let (folder, files) = (Folder::of(&app), files(&app).await);
    let aside = app.out.path().join("aside");
    fs::rename(folder.path(&files[0]), &aside).unwrap();
    let verify = ["verify", "--level", "content", "--recheck", "5s"];
    let mut verifying = app.command_as(&app.database.verifiers_url(), &verify).spawn().unwrap();
    process::said(&mut verifying, "differences are looked at again").await;
    fs::rename(&aside, folder.path(&files[0])).unwrap();
    let ended = process::ended(&mut verifying).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
    let result = verification(&app);
    assert_eq!(result["passed"], 2, "the blob, and its bytes");
    let named = result["files"]["named"].as_u64().unwrap();
    assert_eq!(app.result("manifest.csv").lines().count() as u64, named + 1, "it stands in the manifest");
}

#[tokio::test]
async fn containers_that_may_not_be_listed_are_named_and_listing_takes_few_requests() {
    let sample = Sample::with(40, 54, small).await;
    let mut app = TestApp::new(&sample).await;
    let store = format!("file://{}", app.out.path().join("store").display());
    app.set("ROGO_RUN_STORE", &*store);
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--level", "blobs"]).await.expect(0);
    let files = &verification(&app)["files"];
    assert_eq!(files["named"], files["blobs"]);
    assert_eq!((&files["target_requests"], &files["source_requests"]), (&json!(2), &json!(1)));
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);

    let azurite = Azurite::shared().await;
    let whole = app.variable("SOURCE_STORAGE_CONNECTION_STRING").to_owned();
    app.set("SOURCE_STORAGE_CONNECTION_STRING", azurite.object_connection_string());
    verify(&app, &["--level", "blobs"]).await.expect(0);
    let files = &verification(&app)["files"];
    assert_eq!(files["source_requests"], files["named"], "each is looked at");

    app.set("SOURCE_STORAGE_CONNECTION_STRING", whole);
    app.set("AZURE_STORAGE_CONNECTION_STRING", azurite.object_connection_string());
    verify(&app, &["--level", "content"]).await.expect(69);
    let result = verification(&app);
    for name in ["blob_present", "blob_length", "blob_metadata", "blobs_surplus"] {
        let why = check(&result, name)["not_possible"].as_str().unwrap();
        assert!(why.contains("may not be listed"), "{why}");
    }
    for name in ["content_source", "content_receipt"] {
        assert_eq!(check(&result, name)["not_possible"], Value::Null, "bytes may be read without a listing");
    }
}

#[tokio::test]
async fn blobs_of_a_service_with_habits_are_met_by_the_names_that_it_stores() {
    let service =
        BlobService::start(&[Habit::DropsDots, Habit::HasDirectories, Habit::RefusesOddNames]).await;
    let sample = Sample::in_folder(8, 55, small).await;
    let mut app = in_folders(&sample).await;
    app.set("ROGO_TARGET", "az://files");
    app.set("AZURE_STORAGE_CONNECTION_STRING", service.connection_string());
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);

    let files = files(&app).await;
    let rename = async |file: &File, to: &str| {
        let sql = format!(
            "update submission_files set azure_blob_name = azure_blob_name || '{to}' where azure_blob_name = '{}'",
            file.blob
        );
        app.database.run(&sql).await;
    };
    // A name that the service stores as the same, and one that it refuses.
    rename(&files[0], ".").await;
    rename(&files[1], "\u{e000}").await;
    // A blob where no blob may be told from a directory, and one of a stranger.
    let (folders, _) = files[2].blob.rsplit_once('/').unwrap();
    let stray = format!("{folders}/1_1_a/b");
    service.insert("files", &stray, Blob { bytes: b"x".to_vec(), ..Blob::default() });
    service.insert("files", "LTI_Uploads/upload/1", Blob::default());
    verify(&app, &["--level", "content"]).await.expect(1);
    let found = by_attempt(&app);
    let of = |attempt: &str| found[attempt].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of(&files[0].attempt), ["file_blob_names", "file_urls", "receipt_unchanged"]);
    let refused = of(&files[1].attempt);
    assert!(refused.contains(&"blob_present") && refused.contains(&"content_source"), "{refused:?}");
    assert_eq!(of("1"), ["blobs_surplus"]);
}

#[tokio::test]
async fn files_of_every_type_raise_no_false_alarm() {
    let sample = Sample::in_folder(120, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let types =
        "select count(distinct file_type) from submission_files where azure_blob_name ~ '/[0-9a-f]{12}/'
        and file_mime_type = 'application/octet-stream'";
    assert!(app.database.number(types).await > 0, "types that the application does not know");
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
}

/// Names of the blobs that were read since the first `before` requests, sorted.
fn read_since(service: &BlobService, before: usize) -> Vec<String> {
    let requests = service.requests();
    let mut blobs: Vec<String> = requests[before..]
        .iter()
        .filter(|(method, _)| method == "GET")
        .filter_map(|(_, target)| target.strip_prefix("/acc/files/"))
        .map(|name| percent_decode_str(name).decode_utf8().unwrap().into_owned())
        .collect();
    blobs.sort();
    blobs
}

#[tokio::test]
async fn each_of_several_parts_reads_the_files_of_its_own_rows_and_each_file_is_read_once() {
    let service = BlobService::start(&[]).await;
    let sample = Sample::in_folder(120, 57, small).await;
    let mut app = in_folders(&sample).await;
    app.set("ROGO_TARGET", "az://files");
    app.set("AZURE_STORAGE_CONNECTION_STRING", service.connection_string());
    app.run(&["run"]).await.expect(0);
    let part = async |shard: &str| {
        let before = service.requests().len();
        let ended = verify(&app, &["--level", "content", "--shard", shard]).await.expect(0);
        (ended.stdout, read_since(&service, before))
    };
    let (said, of_first) = part("0/2").await;
    assert!(said.starts_with("part 0/2 is compared"), "{said}");
    // Partitions are of 50 rows: 0 and 2 are the first part's.
    let input = Csv::read(&sample.path("submission_files.csv"));
    let place_of: BTreeMap<&str, usize> = input.column("Attempt ID").map(str::trim).zip(0..).collect();
    let is_of_first = |blob: &String| {
        let attempt = blob.rsplit('/').next().unwrap().split('_').next().unwrap();
        place_of[attempt] / 50 != 1
    };
    let is_of_run = |name: &String| name.starts_with("LTI_Uploads/") || name.starts_with("Marker_files/");
    let names = service.names("files").into_iter().filter(is_of_run);
    let (expected, others): (Vec<String>, Vec<String>) = names.partition(is_of_first);
    assert_eq!(of_first, expected);
    assert_eq!(part("0/2").await.1, Vec::<String>::new(), "a part that is compared is not read again");
    let (said, of_second) = part("1/2").await;
    assert!(said.starts_with("VERIFIED TO THE BYTE: 120 rows"), "{said}");
    assert_eq!(of_second, others);
    let content = &verification(&app)["files"]["content"];
    assert_eq!(content["read"], json!(of_first.len() + of_second.len()));
    assert_eq!(app.result("manifest.csv").lines().count(), of_first.len() + of_second.len() + 1);
}
