//! What blob services store beside the bytes, and folders do not: encodings, the MD5 of sources, copies that the service makes
//! by itself. Corruptions of it are planted by another client. Shares no code with `src/verify`.

use std::{collections::BTreeMap, fs};

use azure_storage_blob::models::{BlobClientSetPropertiesOptions, BlockBlobClientUploadOptions};
use md5::{Digest, Md5};
use rogo_migrate::ports::BlobInfo;
use serde_json::{Value, json};

use super::{
    blobs::{File, files},
    by_attempt, check,
    run_store::alter,
    small, verification, verify,
};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    blob_service::{Blob, BlobService, Habit, app_in, sample_in},
    csv::Csv,
};

/// Names of a page, as many as Azure Storage gives at most.
const PAGE: usize = 5_000;

/// Attempts, each with the checks that find something in it.
fn found<const N: usize>(all: [(&str, &[&str]); N]) -> BTreeMap<String, std::collections::BTreeSet<String>> {
    let of = |checks: &[&str]| checks.iter().map(|check| (*check).to_owned()).collect();
    all.into_iter().map(|(attempt, checks)| (attempt.to_owned(), of(checks))).collect()
}

/// Name in the source container of the first file of each attempt.
fn sources(sample: &Sample) -> BTreeMap<String, String> {
    let input = Csv::read(&sample.path("submission_files.csv"));
    let names = input.column("Learner Azure Blob Names");
    let names = names.map(|cell| cell.split(',').next().unwrap().trim().to_owned());
    input.column("Attempt ID").map(|attempt| attempt.trim().to_owned()).zip(names).collect()
}

/// Stores the properties of a blob anew, but for what is changed.
async fn set_properties(
    app: &TestApp<'_>,
    file: &File,
    change: impl FnOnce(&mut BlobClientSetPropertiesOptions<'_>),
) {
    let stored: BlobInfo = app.target_blobs().head(&file.blob).await.unwrap().unwrap();
    let mut options = BlobClientSetPropertiesOptions {
        blob_content_type: stored.content_type,
        blob_content_encoding: stored.content_encoding,
        blob_content_md5: stored.md5.map(|md5| md5.to_vec()),
        ..Default::default()
    };
    change(&mut options);
    let blob = Azurite::shared().await.blob(&app.container, &file.blob);
    blob.set_properties(Some(options)).await.unwrap();
}

/// Gives a blob other bytes. Its properties and metadata stay, and the service stores the MD5 of what it is given.
async fn rewrite(app: &TestApp<'_>, file: &File, change: impl FnOnce(&mut Vec<u8>)) {
    let azurite = Azurite::shared().await;
    let stored = app.target_blobs().head(&file.blob).await.unwrap().unwrap();
    let mut bytes = azurite.read(&app.container, &file.blob).await;
    change(&mut bytes);
    let options = BlockBlobClientUploadOptions {
        blob_content_type: stored.content_type,
        metadata: Some(stored.metadata.into_iter().collect()),
        ..Default::default()
    };
    azurite.put_with(&app.container, &file.blob, bytes, options).await;
}

#[tokio::test]
async fn encodings_and_stored_md5s_of_a_service_are_compared_with_the_outcome_else_with_the_source() {
    let sample = Sample::with(12, 58, small).await;
    let mut app = TestApp::new(&sample).await;
    app.set("ROGO_RUN_STORE", format!("file://{}", app.out.path().join("run-store").display()));
    let azurite = Azurite::shared().await;
    let sources = sources(&sample);
    let packed = sources.keys().next().unwrap();
    let bytes = azurite.read(&sample.source, &sources[packed]).await;
    let options =
        BlockBlobClientUploadOptions { blob_content_encoding: Some("gzip".into()), ..Default::default() };
    azurite.put_with(&sample.source, &sources[packed], bytes, options).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &["--level", "blobs"]).await.expect(0);

    let files = files(&app).await;
    let packed = files.iter().find(|file| file.attempt == *packed).unwrap();
    let mut others = files.iter().filter(|file| file.attempt != packed.attempt);
    let [other_source, other_md5, longer] = [(); 3].map(|()| others.next().unwrap());
    set_properties(&app, packed, |options| options.blob_content_encoding = None).await;
    // As long as it was, and the service stores the MD5 of what it is now.
    let source = &sources[&other_source.attempt];
    let mut bytes = azurite.read(&sample.source, source).await;
    bytes[0] ^= 1;
    azurite.put(&sample.source, source, bytes).await;
    // Outcomes of earlier programs keep nothing of files: their blobs are compared with the sources.
    let md5: [u8; 16] = Md5::digest("other bytes").into();
    set_properties(&app, other_md5, |options| options.blob_content_md5 = Some(md5.to_vec())).await;
    rewrite(&app, longer, |bytes| bytes.push(b'x')).await;
    let without = [&other_md5.attempt, &longer.attempt];
    alter(&app, |own| {
        let attempt = own["attempt"].to_string();
        if without.contains(&&attempt) {
            own["fate"].as_object_mut().unwrap().remove("file_receipts").unwrap();
        }
    });
    verify(&app, &["--level", "blobs"]).await.expect(1);
    let expected = found([
        ("", &["run_receipt"]),
        (&packed.attempt, &["blob_content_encoding"]),
        (&other_source.attempt, &["source_files_unchanged"]),
        (&other_md5.attempt, &["blob_md5"]),
        (&longer.attempt, &["blob_length", "blob_md5"]),
    ]);
    assert_eq!(by_attempt(&app), expected, "{}", app.result("verification_failures.csv"));
    let why = check(&verification(&app), "source_files_unchanged")["not_possible"].clone();
    assert_eq!(why, "outcomes of an earlier version of this program keep no receipts and digests");
}

/// Counted by the service, in pages as long as those of Azure Storage.
#[tokio::test]
async fn level_blobs_takes_at_most_one_request_for_a_thousand_blobs() {
    let service = BlobService::start(&[Habit::Copies]).await;
    service.set_page_size(PAGE);
    let sample = sample_in(&service, 1_800, 60, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    let before = service.requests().len();
    verify(&app, &["--level", "blobs"]).await.expect(0);
    let asked = service.requests().split_off(before);
    let files = &verification(&app)["files"];
    let blobs = files["blobs"].as_u64().unwrap();
    assert!(blobs > PAGE as u64 && files["named"] == blobs, "{files}");
    assert!(asked.len() as u64 * 1_000 <= blobs, "{} requests, {blobs} blobs: {asked:?}", asked.len());
    let told = ["target_requests", "source_requests"].map(|name| files[name].as_u64().unwrap());
    assert!(told[0] >= 2 && told[1] >= 2 && told[0] + told[1] <= asked.len() as u64, "{files}");
}

/// Name, what is done to the bytes, the checks that find it where the service stores their MD5.
type Kind = (&'static str, fn(&mut Vec<u8>), &'static [&'static str]);

const KINDS: [Kind; 3] = [
    (
        "one byte of the right length",
        |bytes| bytes[0] ^= 1,
        &["blob_md5", "content_source", "content_receipt"],
    ),
    ("a blob that is a byte longer", |bytes| bytes.push(b'x'), OF_ANOTHER_LENGTH),
    ("a blob that was cut short", |bytes| bytes.truncate(bytes.len() - 1), OF_ANOTHER_LENGTH),
];
const OF_ANOTHER_LENGTH: &[&str] = &["blob_length", "blob_md5", "content_source", "content_receipt"];

/// Every change to bytes that the test below plants, with the checks that have to find it.
pub(super) fn planted() -> impl Iterator<Item = (String, Vec<&'static str>)> {
    KINDS.into_iter().map(|(name, _, checks)| (name.to_owned(), checks.to_vec()))
}

#[tokio::test]
async fn who_may_only_read_and_list_verifies_and_finds_bytes_that_were_stored_anew() {
    let sample = Sample::with(4, 57, small).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let reading = Azurite::shared().await.read_only_connection_string();
    for name in ["SOURCE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"] {
        app.set(name, &*reading);
    }
    // That is so: where the verifier's own store is one of those, nothing can be written.
    verify(&app, &["--level", "content"]).await.expect(78);
    app.set("ROGO_VERIFY_STORE", format!("file://{}", app.out.path().join("verified").display()));
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE: 4 rows"), "{}", ended.stdout);
    let arguments = ["verify", "--self-test", "--json"];
    let tested = app.run_as(&app.database.verifiers_url(), &arguments).await.expect(69);
    let tested: Value = serde_json::from_str(&tested.stdout).unwrap();
    let why = tested["remark"].as_str().unwrap();
    assert!(why.contains("rogo-migrate-self-test/") && why.contains(" may not be written: "), "{why}");
    let kinds =
        tested["kinds"].as_array().unwrap().iter().filter(|line| line["planted_in"] == "target container");
    assert!(kinds.clone().count() > 10 && kinds.clone().all(|line| line["found_by"].is_null()), "{tested}");

    let files = files(&app).await;
    let mut expected = BTreeMap::new();
    for ((_, change, checks), file) in KINDS.into_iter().zip(&files) {
        rewrite(&app, file, change).await;
        expected.insert(file.attempt.clone(), checks.iter().map(|check| (*check).to_owned()).collect());
    }
    assert_eq!(expected.len(), KINDS.len(), "a file for each");
    verify(&app, &["--level", "content"]).await.expect(1);
    assert_eq!(by_attempt(&app), expected, "{}", app.result("verification_failures.csv"));
}

#[tokio::test]
async fn bytes_that_a_service_copied_by_itself_are_compared_with_the_md5_that_the_outcome_keeps() {
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, 6, 59, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
    let content = &verification(&app)["files"]["content"];
    assert_eq!(content["proven_when_copied"], json!(0), "the bytes passed through no process");
    let compared = check(&verification(&app), "content_receipt")["compared"].clone();
    assert_ne!(compared, Value::from(0), "with their MD5");

    let file = files(&app).await.swap_remove(0);
    let mut blob = service.blob("files", &file.blob).unwrap();
    blob.bytes[0] ^= 1;
    service.insert("files", &file.blob, blob);
    verify(&app, &["--level", "content"]).await.expect(1);
    assert_eq!(
        by_attempt(&app),
        found([(&file.attempt, &["blob_md5", "content_receipt", "content_source"])])
    );
}

/// Registers writers in the run's store as the processes of many shards do, which wrote nothing.
fn register(app: &TestApp<'_>, writers: usize) {
    let folder = app.out.path().join("runs/rogo/writers");
    let known = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let known = known.filter(|path| path.extension().is_some_and(|end| end == "json")).last().unwrap();
    let mut record: Value = serde_json::from_slice(&fs::read(known).unwrap()).unwrap();
    for number in 0..writers {
        let id = format!("{number:012x}");
        record["id"] = id.as_str().into();
        record["started_at"] = "2020-01-01T00:00:00Z".into();
        fs::write(folder.join(format!("{id}.json")), record.to_string()).unwrap();
    }
}

/// Of many writers the whole folders are listed, unless that takes more requests: then below each writer.
#[tokio::test]
async fn level_blobs_of_many_writers_takes_no_request_for_each_of_them() {
    let service = BlobService::start(&[Habit::Copies]).await;
    service.set_page_size(PAGE);
    let sample = sample_in(&service, 12, 61, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    register(&app, 100);
    let folder = files(&app).await[0].blob.split('/').next().unwrap().to_owned();
    // Of another run, and of a writer of this one.
    let insert = |name: &str| service.insert("files", &format!("{folder}/{name}"), Blob::default());
    (0..300).for_each(|number| insert(&format!("ffffffffffff/{number}_1_x.pdf")));
    let verified = async |code: i32| {
        verify(&app, &["--level", "blobs"]).await.expect(code);
        let seen = verification(&app)["files"].clone();
        ["named", "blobs", "target_requests"].map(|name| seen[name].as_u64().unwrap())
    };
    let [named, blobs, requests] = verified(0).await;
    assert_eq!((blobs, requests), (named, 2), "a page of each folder");
    // The others' files take more pages than there are prefixes.
    service.set_page_size(1);
    let [_, in_ones, requests] = verified(0).await;
    assert_eq!(in_ones, named);
    let prefixes = 2 * 101;
    assert!(requests > 2 * prefixes && requests <= 2 * prefixes + named, "{requests}");
    service.set_page_size(PAGE);
    insert("000000000007/12_1_x.pdf");
    let [_, blobs, _] = verified(1).await;
    assert_eq!(blobs, named + 1);
    assert_eq!(by_attempt(&app), found([("12", &["blobs_surplus"])]));
}
