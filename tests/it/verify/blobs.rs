//! Levels blobs and content: files that are lost, surplus or changed, each planted in a real target by operations on blobs,
//! found by the check that is meant for it and by no other. Shares no code with `src/verify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use rogo_migrate::sample::SampleOptions;
use serde_json::{Value, json};

use super::{check, corruptions::in_folders, failures, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    blob_service::{Blob, BlobService, Habit},
    process,
};

fn small(options: &mut SampleOptions) {
    options.plain = true;
    options.file_bytes = "10-200".parse().unwrap();
}

/// One file of the target.
#[derive(Debug, Clone)]
struct File {
    attempt: String,
    blob: String,
}

/// The first file of each migrated attempt.
async fn files(app: &TestApp<'_>) -> Vec<File> {
    let sql = "select split_part(s.lti_launch_id, '_', 2), f.azure_blob_name from submission_files f
        join assignment_submissions s on s.id = f.submission_id
        where f.upload_order = 1 and f.azure_blob_name ~ '/[0-9a-f]{12}/' order by s.id";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(app.database.pool()).await.unwrap();
    rows.into_iter().map(|(attempt, blob)| File { attempt, blob }).collect()
}

/// The folder that stands in for the target container.
struct Folder(PathBuf);

impl Folder {
    fn of(app: &TestApp<'_>) -> Self {
        Self(app.out.path().canonicalize().unwrap().join("target-blobs"))
    }

    fn path(&self, file: &File) -> PathBuf {
        self.0.join(&file.blob)
    }

    fn properties(&self, file: &File, change: impl FnOnce(&mut Value)) {
        let path = self.0.join(".properties").join(&file.blob);
        let mut properties: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut properties);
        fs::write(path, properties.to_string()).unwrap();
    }

    /// Other bytes, without a trace in the properties.
    fn rewrite(&self, file: &File, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(file);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        let mut open = fs::File::options().write(true).truncate(true).open(&path).unwrap();
        open.write_all(&bytes).unwrap();
        open.set_modified(modified).unwrap();
        let now = fs::metadata(&path).unwrap();
        let etag = format!("{:x}-{:x}-{:x}-{:x}", now.ino(), now.mtime(), now.mtime_nsec(), now.len());
        self.properties(file, |properties| properties["etag"] = etag.into());
    }
}

/// Name, what is done, the checks that find it at level blobs, and those that find it at level content beside.
type Kind = (&'static str, fn(&Folder, &File), &'static [&'static str], &'static [&'static str]);

const METADATA: &[&str] = &["blob_metadata"];

fn metadata(folder: &Folder, file: &File, key: &str, value: &str) {
    folder.properties(file, |properties| {
        let pairs = properties["metadata"].as_array_mut().unwrap();
        pairs.retain(|pair| pair[0] != key);
        if !value.is_empty() {
            pairs.push(json!([key, value]));
        }
    });
}

const KINDS: &[Kind] = &[
    (
        "a missing blob",
        |folder, file| fs::remove_file(folder.path(file)).unwrap(),
        &["blob_present"],
        &["content_source"],
    ),
    (
        "a longer blob",
        |folder, file| folder.rewrite(file, |bytes| bytes.push(b'x')),
        &["blob_length"],
        &["content_source", "content_receipt"],
    ),
    (
        "a shorter blob",
        |folder, file| folder.rewrite(file, |bytes| bytes.truncate(bytes.len() - 1)),
        &["blob_length"],
        &["content_source", "content_receipt"],
    ),
    (
        "one byte of the right length",
        |folder, file| folder.rewrite(file, |bytes| bytes[0] ^= 1),
        &[],
        &["content_source", "content_receipt"],
    ),
    (
        "a lost content type",
        |folder, file| folder.properties(file, |own| own["content_type"] = "application/octet-stream".into()),
        &["blob_content_type"],
        &[],
    ),
    (
        "a content encoding that the source has not",
        |folder, file| folder.properties(file, |own| own["content_encoding"] = "gzip".into()),
        &["blob_content_encoding"],
        &[],
    ),
    (
        "another stored MD5",
        |folder, file| folder.properties(file, |own| own["md5"] = "AAAAAAAAAAAAAAAAAAAAAA==".into()),
        &["blob_md5"],
        &[],
    ),
    ("metadata of another attempt", |folder, file| metadata(folder, file, "attemptid", "1"), METADATA, &[]),
    ("metadata of another origin", |folder, file| metadata(folder, file, "migratedfrom", "x"), METADATA, &[]),
    ("metadata of another run", |folder, file| metadata(folder, file, "run", "other"), METADATA, &[]),
    (
        "metadata of another writer",
        |folder, file| metadata(folder, file, "writer", "ffffffffffff"),
        METADATA,
        &[],
    ),
    (
        "metadata of a marker's file",
        |folder, file| metadata(folder, file, "filetype", "marker_feedback"),
        METADATA,
        &[],
    ),
    ("lost metadata", |folder, file| metadata(folder, file, "attemptid", ""), METADATA, &[]),
    (
        "an orphan blob",
        |folder, file| {
            let (folders, _) = file.blob.rsplit_once('/').unwrap();
            fs::write(folder.0.join(format!("{folders}/{}_9_x.pdf", file.attempt)), "x").unwrap();
        },
        &["blobs_surplus"],
        &[],
    ),
];

fn by_attempt(found: Vec<(String, String)>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (attempt, check) in found {
        all.entry(attempt).or_default().insert(check);
    }
    all
}

#[tokio::test]
async fn every_corruption_of_a_blob_is_found_at_its_level_by_the_check_that_is_meant_for_it() {
    let sample = Sample::in_folder(30, 51, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &["--level", "blobs"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED at level blobs: 30 rows"), "{}", ended.stdout);
    let clean = verification(&app);
    assert_eq!(clean["files"]["named"], clean["files"]["blobs"]);
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE: 30 rows"), "{}", ended.stdout);
    let content = verification(&app)["files"]["content"].clone();
    assert_eq!((&content["read"], &content["proven_when_copied"]), (&content["files"], &content["files"]));

    let (folder, files) = (Folder::of(&app), files(&app).await);
    assert!(files.len() > KINDS.len(), "a file for each kind");
    let (mut at_blobs, mut at_content) = (BTreeMap::new(), BTreeMap::new());
    for ((_, plant, blobs, content), file) in KINDS.iter().zip(&files) {
        plant(&folder, file);
        let of = |checks: &mut dyn Iterator<Item = &&str>| {
            checks.map(ToString::to_string).collect::<BTreeSet<_>>()
        };
        if !blobs.is_empty() {
            at_blobs.insert(file.attempt.clone(), of(&mut blobs.iter()));
        }
        at_content.insert(file.attempt.clone(), of(&mut blobs.iter().chain(*content)));
    }
    // The source of a last one changes; it is as long as it was.
    let last = &files[KINDS.len()];
    let source = source_of(&app, last);
    let mut bytes = fs::read(&source).unwrap();
    bytes[0] ^= 1;
    fs::write(&source, bytes).unwrap();
    at_content.insert(last.attempt.clone(), BTreeSet::from(["content_source".to_owned()]));

    verify(&app, &["--level", "blobs", "--show-values"]).await.expect(1);
    assert_eq!(by_attempt(failures(&app)), at_blobs);
    let csv = app.result("verification_failures.csv");
    assert!(csv.contains("stored \"\"gzip\"\""), "{csv}");
    verify(&app, &["--level", "content"]).await.expect(1);
    assert_eq!(by_attempt(failures(&app)), at_content);
    assert!(!app.result("verification_failures.csv").contains(".docx"), "no file is named");

    // Found again where only some attempts are asked for: not the others, and no blob of theirs.
    let asked_for = app.out.path().join("asked-for");
    let orphan = &files[KINDS.len() - 1].attempt;
    fs::write(&asked_for, format!("{}\n{orphan}\n", files[0].attempt)).unwrap();
    verify(&app, &["--level", "blobs", "--attempts", asked_for.to_str().unwrap()]).await.expect(1);
    let expected = [(&files[0].attempt, "blob_present"), (orphan, "blobs_surplus")];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(of, check)| (of.clone(), BTreeSet::from([check.to_owned()]))).collect();
    assert_eq!(by_attempt(failures(&app)), expected);
}

/// Where the first file of an attempt was read.
fn source_of(app: &TestApp<'_>, file: &File) -> PathBuf {
    let mut reader = csv::Reader::from_path(app.sample.path("submission_files.csv")).unwrap();
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let row = rows.iter().find(|row| row.iter().any(|cell| cell.trim() == file.attempt)).unwrap();
    let urls =
        headers.iter().zip(row).find(|(name, cell)| name.contains("Learner") && cell.contains("file://"));
    let url: url::Url = urls.unwrap().1.split(',').next().unwrap().trim().parse().unwrap();
    url.to_file_path().unwrap()
}

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
    verify(&app, &["--level", "content"]).await.expect(69);
    let result = verification(&app);
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
    let expected = ["content_manifest", "content_receipt"].map(str::to_owned);
    assert_eq!(by_attempt(failures(&app)), BTreeMap::from([(files[0].attempt.clone(), expected.into())]));
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
    let mut command = app.command(&["verify", "--level", "content", "--recheck", "5s"]);
    command.env("DATABASE_URL", app.database.verifiers_url());
    let mut verifying = command.spawn().unwrap();
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
    let ended = verify(&app, &["--level", "blobs"]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level blobs"), "{}", ended.stdout);
    let result = verification(&app);
    for name in ["source_files_unchanged", "blob_content_encoding"] {
        let why = check(&result, name)["not_possible"].as_str().unwrap();
        assert!(why.contains("could not be listed"), "{why}");
    }
    assert_eq!(check(&result, "blob_length")["not_possible"], Value::Null);

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
    let found = by_attempt(failures(&app));
    let of = |attempt: &str| found[attempt].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of(&files[0].attempt), ["file_blob_names", "file_urls", "receipt_unchanged"]);
    let refused = of(&files[1].attempt);
    assert!(refused.contains(&"blob_present") && refused.contains(&"content_source"), "{refused:?}");
    assert_eq!(of("1"), ["blobs_surplus"]);
}

#[tokio::test]
async fn files_of_every_type_raise_no_false_alarm() {
    let sample = Sample::in_folder(120, 7, |options| options.file_bytes = "10-200".parse().unwrap()).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let types =
        "select count(distinct file_type) from submission_files where azure_blob_name ~ '/[0-9a-f]{12}/'
        and file_mime_type = 'application/octet-stream'";
    assert!(app.database.number(types).await > 0, "types that the application does not know");
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
}
