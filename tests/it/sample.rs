//! Promises of the generated test data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::{Args as _, FromArgMatches as _};
use md5::{Digest as _, Md5};
use rogo_migrate::{
    commands,
    domain::{FailCode, MAPPING_COLUMNS, NoteCode, SUBMISSION_COLUMNS, SkipCode},
    exit::Exit,
    sample::{SampleOptions, SampleSummary, generate},
};
use tempfile::TempDir;

use crate::support::files::tree;

/// What no input can cause, and why.
const NOT_BY_DATA_ALONE: [(FailCode, &str); 7] = [
    (FailCode::FileForbidden, "rights belong to the storage account, not to its data"),
    (FailCode::FileArchived, "an access tier belongs to the storage account, not to its data"),
    (FailCode::FileNameRefused, "the name rule leaves no name that a storage service refuses"),
    (FailCode::FileChanged, "someone has to write the file while it is copied"),
    (FailCode::TargetAltered, "a trigger has to change what is written"),
    (FailCode::Unavailable, "a service has to fail"),
    (FailCode::InternalError, "a bug"),
];

/// Skips that a person or an earlier run decides, never the data of one run.
pub const SKIPPED_NOT_BY_DATA_ALONE: [SkipCode; 5] = [
    SkipCode::ChangedAtSource,
    SkipCode::Withdrawn,
    SkipCode::DeletedInTarget,
    SkipCode::ExcludedByOwner,
    SkipCode::RolledBack,
];

/// The options of these arguments, as the program itself reads them.
fn options(out: &Path, arguments: &[&str]) -> SampleOptions {
    let command = SampleOptions::augment_args(clap::Command::new("sample"));
    let out = out.to_str().unwrap();
    let matches = command.get_matches_from([&["sample", "--out", out], arguments].concat());
    SampleOptions::from_arg_matches(&matches).unwrap()
}

fn sample(arguments: &[&str]) -> (TempDir, SampleSummary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = generate(&options(folder.path(), arguments)).unwrap();
    (folder, summary)
}

/// Rows of a CSV by column name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

#[test]
fn the_same_seed_yields_the_same_bytes_and_another_seed_others() {
    let made = |seed| {
        let (folder, _) =
            sample(&["--rows", "130", "--seed", seed, "--source-url", "https://files.example/source"]);
        let mut files = tree(folder.path());
        files.remove(Path::new("sample.env")).expect("it names the folder, so it differs");
        files
    };
    assert_eq!(made("7"), made("7"));
    let (seven, eight) = (made("7"), made("8"));
    for same in
        ["target/schema.sql", "submission_files.csv", "warehouse/Rogo_AssessmentReport.csv", "expected.csv"]
    {
        assert_eq!(seven[Path::new(same)] == eight[Path::new(same)], same == "target/schema.sql", "{same}");
    }
}

#[test]
fn every_code_that_data_alone_can_cause_is_planted() {
    let container = ["--source-url", "https://files.example/source"];
    for rows in ["120", "300"] {
        for seed in ["1", "2", "3"] {
            let (folder, _) =
                sample(&[&["--rows", rows, "--seed", seed, "--files", "none"], &container[..]].concat());
            let mut codes = BTreeSet::new();
            for row in table(&folder.path().join("expected.csv")) {
                codes.extend(row["Notes"].split(' ').map(str::to_owned));
                codes.insert(row["Code"].clone());
            }
            let not_by_data = |code: &FailCode| NOT_BY_DATA_ALONE.iter().any(|(other, _)| other == code);
            // Something has to remove a blob, or change a row, before the row is recovered.
            let by_data =
                |note: &&NoteCode| !matches!(note, NoteCode::FileBlobMissing | NoteCode::ChangedSince);
            let by_rules = |code: &&SkipCode| !SKIPPED_NOT_BY_DATA_ALONE.contains(code);
            let planted: BTreeSet<String> = FailCode::ALL
                .iter()
                .filter(|code| !not_by_data(code))
                .map(ToString::to_string)
                .chain(SkipCode::ALL.iter().filter(by_rules).map(ToString::to_string))
                .chain(NoteCode::ALL.iter().filter(by_data).map(ToString::to_string))
                .chain([String::new()])
                .collect();
            assert_eq!(codes, planted, "{rows} rows, seed {seed}");
        }
    }
}

#[test]
fn inputs_have_the_exports_columns_and_every_row_a_promised_outcome() {
    let (folder, summary) = sample(&["--rows", "300", "--seed", "1", "--files", "none"]);
    let header = |name: &str| -> Vec<String> {
        let mut reader = csv::Reader::from_path(folder.path().join(name)).unwrap();
        reader.headers().unwrap().iter().map(str::to_owned).collect()
    };
    assert_eq!(header("submission_files.csv"), SUBMISSION_COLUMNS);
    assert_eq!(header("attempt_number_mapping.csv"), MAPPING_COLUMNS);

    let rows = table(&folder.path().join("submission_files.csv"));
    let expected = table(&folder.path().join("expected.csv"));
    assert_eq!(rows.len(), 300);
    let numbers: Vec<_> = expected.iter().map(|row| row["Row"].parse::<u64>().unwrap()).collect();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
    let count = |kind: &str| expected.iter().filter(|row| row["Kind"] == kind).count() as u64;
    assert_eq!(
        (count("migrated"), count("failed"), count("skipped")),
        (summary.migrated, summary.failed, summary.skipped)
    );
    assert!(summary.migrated > 150, "{summary:?}");
}

#[test]
fn attempts_stand_once_but_for_planted_duplicates() {
    let (folder, _) = sample(&["--rows", "2000", "--seed", "4", "--files", "none"]);
    let mut seen = BTreeSet::new();
    // A newer row of the same attempt follows the older one.
    for row in table(&folder.path().join("expected.csv")).iter().rev() {
        let fresh = seen.insert(row["Attempt ID"].clone());
        assert_eq!(fresh, row["Code"] != "duplicate_row", "{row:?}");
    }
}

#[test]
fn files_csv_tells_what_stands_at_every_url() {
    let (folder, summary) = sample(&["--rows", "120", "--seed", "1", "--file-bytes", "1-300"]);
    let standing = tree(&folder.path().join("files"));
    let listed = table(&folder.path().join("files.csv"));
    let mut states = BTreeMap::new();
    for file in &listed {
        *states.entry(file["State"].as_str()).or_insert(0) += 1;
        let found = standing.get(Path::new(&file["Blob Name"]));
        match file["State"].as_str() {
            "missing" => assert_eq!(found, None, "{file:?}"),
            state => {
                assert_eq!(file["Path"], format!("files/{}", file["Blob Name"]));
                let md5 = BASE64.encode(Md5::digest(found.unwrap()));
                assert_eq!(md5 == file["Content-MD5"], state == "sound", "{file:?}");
            }
        }
    }
    assert_eq!(standing.len() as u64, summary.files);
    assert_eq!((states["corrupt"], states["sound"]), (1, standing.len() - 1));
    assert!(states["missing"] >= 1);
}

#[test]
fn source_urls_begin_with_the_url_asked_for_else_with_the_folder() {
    let named = ["--rows", "1", "--seed", "1", "--plain", "--source-url", "https://files.example/source/"];
    let (folder, _) = sample(&named);
    let rows = table(&folder.path().join("submission_files.csv"));
    assert!(rows[0]["Learner Azure Blob URLs"].starts_with("https://files.example/source/learner/"));

    let (folder, _) = sample(&["--rows", "1", "--seed", "1", "--plain"]);
    let rows = table(&folder.path().join("submission_files.csv"));
    for url in rows[0]["Learner Azure Blob URLs"].split(',') {
        let path = url::Url::parse(url).unwrap().to_file_path().unwrap();
        assert!(path.is_file(), "{path:?}");
    }
}

#[test]
fn a_plain_sample_migrates_whole_with_two_learner_files_and_one_marker_file_each() {
    let (folder, summary) = sample(&["--rows", "40", "--seed", "1", "--plain", "--file-bytes", "10"]);
    assert_eq!((summary.migrated, summary.files, summary.bytes), (40, 120, 1200));
    for row in table(&folder.path().join("submission_files.csv")) {
        assert_eq!((row["Learner Files Count"].as_str(), row["Marker Files Count"].as_str()), ("2", "1"));
    }
}

#[test]
fn a_folder_that_holds_anything_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "1").unwrap();
    let stop = commands::sample::run(&options(folder.path(), &["--rows", "1", "--seed", "1"])).unwrap_err();
    assert_eq!(stop.exit, Exit::Usage);
    assert!(stop.message.ends_with("is not empty; name a new one with --out"), "{stop}");
    assert_eq!(tree(folder.path()).len(), 1);
}

#[test]
fn the_readme_names_every_code_with_its_advice() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let codes = FailCode::ALL.iter().map(|code| (code.code(), code.advice()));
    let codes = codes.chain(SkipCode::ALL.iter().map(|code| (code.code(), code.advice())));
    for (code, advice) in codes.chain(NoteCode::ALL.iter().map(|code| (code.code(), code.advice()))) {
        let line = format!("| `{code}` | {advice} |\n");
        assert!(readme.contains(&line), "README.md lacks the line: {line}");
    }
}
