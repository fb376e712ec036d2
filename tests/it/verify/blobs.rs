//! Levels blobs and content: files that are lost, surplus or changed, each planted in a real target by operations on blobs,
//! found by the check that is meant for it and by no other. Shares no code with `src/verify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use serde_json::{Value, json};

use super::{by_attempt, corruptions::in_folders, small, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

/// One file of the target.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub attempt: String,
    pub blob: String,
}

/// The first file of each migrated attempt.
pub(super) async fn files(app: &TestApp<'_>) -> Vec<File> {
    let sql = "select split_part(s.lti_launch_id, '_', 2), f.azure_blob_name from submission_files f
        join assignment_submissions s on s.id = f.submission_id
        where f.upload_order = 1 and f.azure_blob_name ~ '/[0-9a-f]{12}/' order by s.id";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(app.database.pool()).await.unwrap();
    rows.into_iter().map(|(attempt, blob)| File { attempt, blob }).collect()
}

/// The folder that stands in for the target container.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn of(app: &TestApp<'_>) -> Self {
        Self(app.out.path().canonicalize().unwrap().join("target-blobs"))
    }

    pub fn path(&self, file: &File) -> PathBuf {
        self.0.join(&file.blob)
    }

    /// A name in the same folder that no row names.
    fn beside(&self, file: &File) -> PathBuf {
        let (folders, _) = file.blob.rsplit_once('/').unwrap();
        self.0.join(format!("{folders}/{}_9_x.pdf", file.attempt))
    }

    /// Files of another client, without properties beside them.
    pub fn upload(&self, names: &[&str]) {
        for path in names.iter().map(|name| self.0.join(name)) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    /// Removes them; those that are not there are gone.
    pub fn remove(&self, names: &[&str]) {
        for path in names.iter().map(|name| self.0.join(name)).filter(|path| path.exists()) {
            fs::remove_file(path).unwrap();
        }
    }

    pub fn properties(&self, file: &File, change: impl FnOnce(&mut Value)) {
        let path = self.0.join(".properties").join(&file.blob);
        let mut properties: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut properties);
        fs::write(path, properties.to_string()).unwrap();
    }

    /// Other bytes, without a trace in the properties.
    pub fn rewrite(&self, file: &File, change: impl FnOnce(&mut Vec<u8>)) {
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
        "a blob that is a byte longer",
        |folder, file| folder.rewrite(file, |bytes| bytes.push(b'x')),
        &["blob_length"],
        &["content_source", "content_receipt"],
    ),
    (
        "a blob that was cut short",
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
        "a lost content encoding, or one too many",
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
    (
        "metadata attemptId of another attempt",
        |folder, file| metadata(folder, file, "attemptid", "1"),
        METADATA,
        &[],
    ),
    (
        "metadata migratedFrom of another origin",
        |folder, file| metadata(folder, file, "migratedfrom", "x"),
        METADATA,
        &[],
    ),
    ("lost metadata migratedFrom", |folder, file| metadata(folder, file, "migratedfrom", ""), METADATA, &[]),
    ("metadata run of another run", |folder, file| metadata(folder, file, "run", "other"), METADATA, &[]),
    (
        "metadata writer of another writer",
        |folder, file| metadata(folder, file, "writer", "ffffffffffff"),
        METADATA,
        &[],
    ),
    (
        "metadata fileType of another kind",
        |folder, file| metadata(folder, file, "filetype", "marker_feedback"),
        METADATA,
        &[],
    ),
    ("lost metadata attemptId", |folder, file| metadata(folder, file, "attemptid", ""), METADATA, &[]),
    (
        "a renamed blob",
        |folder, file| fs::rename(folder.path(file), folder.beside(file)).unwrap(),
        &["blob_present", "blobs_surplus"],
        &["content_source"],
    ),
    ("an orphan blob", |folder, file| fs::write(folder.beside(file), "x").unwrap(), &["blobs_surplus"], &[]),
];

/// What finds a source that is longer than it was when it was copied.
const LONGER_SOURCE: [&str; 1] = ["source_files_unchanged"];

/// Every change that the test of this file plants in blobs, with the checks that have to find it.
pub(super) fn planted() -> impl Iterator<Item = (String, Vec<&'static str>)> {
    KINDS.iter().map(|(name, _, blobs, content)| ((*name).to_owned(), [*blobs, *content].concat()))
}

/// The checks without which the test of this file fails.
pub(super) fn demanded() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|(_, _, blobs, content)| blobs.iter().chain(*content)).copied().chain(LONGER_SOURCE)
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
    assert!(files.len() > KINDS.len() + 1, "a file for each kind");
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
    // That of another one is longer than it was.
    let longer = &files[KINDS.len() + 1];
    let source = source_of(&app, longer);
    fs::write(&source, [fs::read(&source).unwrap(), b"x".to_vec()].concat()).unwrap();
    let found = LONGER_SOURCE.map(str::to_owned);
    at_blobs.insert(longer.attempt.clone(), found.clone().into());
    at_content
        .insert(longer.attempt.clone(), found.into_iter().chain(["content_source".to_owned()]).collect());

    verify(&app, &["--level", "blobs", "--show-values"]).await.expect(1);
    assert_eq!(by_attempt(&app), at_blobs);
    let csv = app.result("verification_failures.csv");
    assert!(csv.contains("stored \"\"gzip\"\""), "{csv}");
    verify(&app, &["--level", "content"]).await.expect(1);
    assert_eq!(by_attempt(&app), at_content);
    assert!(!app.result("verification_failures.csv").contains(".docx"), "no file is named");

    // Found again where only some attempts are asked for: not the others, and no blob of theirs.
    let asked_for = app.out.path().join("asked-for");
    let orphan = &files[KINDS.len() - 1].attempt;
    fs::write(&asked_for, format!("{}\n{orphan}\n", files[0].attempt)).unwrap();
    verify(&app, &["--level", "blobs", "--attempts", asked_for.to_str().unwrap()]).await.expect(1);
    let expected = [(&files[0].attempt, "blob_present"), (orphan, "blobs_surplus")];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(of, check)| (of.clone(), BTreeSet::from([check.to_owned()]))).collect();
    assert_eq!(by_attempt(&app), expected);
}

/// Where the first file of an attempt was read.
pub(super) fn source_of(app: &TestApp<'_>, file: &File) -> PathBuf {
    let submissions = Csv::read(&app.sample.path("submission_files.csv"));
    let row = submissions.rows.iter().find(|row| row.iter().any(|cell| cell.trim() == file.attempt)).unwrap();
    let mut cells = submissions.header.iter().zip(row);
    let urls = cells.find(|(name, cell)| name.contains("Learner") && cell.contains("file://"));
    let url: url::Url = urls.unwrap().1.split(',').next().unwrap().trim().parse().unwrap();
    url.to_file_path().unwrap()
}
