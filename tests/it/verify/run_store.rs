//! What is altered in the run store after the run: each outcome by the check that is meant for it, and everything that the
//! run's receipt is of by the receipt. Shares no code with `src/verify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::{Value, json};

use super::{by_attempt, corruptions::in_folders, failures, small, small_files, verify};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
    files::files_below,
};

/// Name, what is changed in the outcome of a migrated row, the checks that find it in its attempt.
type Kind = (&'static str, fn(&mut Value), &'static [&'static str]);

const MB: u64 = 1_000_000;

const KINDS: &[Kind] = &[
    ("another launch id", |own| append(&mut own["fate"]["launch_id"]), &["outcome_ids"]),
    ("another submission", |own| append(&mut own["fate"]["submission_id"]), &["outcome_ids"]),
    ("another session record", |own| append(&mut own["fate"]["session_record_id"]), &["outcome_ids"]),
    ("another user", |own| append(&mut own["fate"]["user_id"]), &["outcome_ids"]),
    ("another context", |own| append(&mut own["fate"]["context_id"]), &["outcome_ids"]),
    ("a file more", |own| add(&mut own["fate"]["files"], 1), &["submission_file_count"]),
    ("more bytes", |own| add(&mut own["fate"]["bytes"], 50 * MB), &["submission_file_size"]),
    ("a longer file", |own| add(&mut own["fate"]["file_receipts"][0]["bytes"], 50 * MB), &["file_sizes"]),
    (
        "more bytes, and no length of each file",
        |own| {
            own["fate"].as_object_mut().unwrap().remove("file_receipts").unwrap();
            add(&mut own["fate"]["bytes"], 50 * MB);
        },
        &["file_sizes", "submission_file_size"],
    ),
    ("a note too many", |own| own["fate"]["notes"] = notes(), &["files_count_note"]),
    ("another receipt", |own| forge(&mut own["fate"]["receipt"]["sha256"]), &["receipt_unchanged"]),
    ("another source digest", |own| forge(&mut own["source"]["sha256"]), &["source_unchanged"]),
    (
        "failed",
        |own| own["fate"] = json!({"kind": "failed", "code": "file_missing", "message": "x"}),
        &["failed_absent"],
    ),
    ("a duplicate without a newer row", |own| skip(own, "duplicate_row"), SKIPPED),
    ("an excluded version that is included", |own| skip(own, "unit_version_excluded"), SKIPPED),
    ("migrated by nobody else", |own| skip(own, "already_migrated"), SKIPPED),
    ("changed, and migrated by nobody else", |own| skip(own, "changed_at_source"), SKIPPED),
    ("withdrawn, and in the input", |own| skip(own, "withdrawn"), SKIPPED),
    ("deleted, and there", |own| skip(own, "deleted_in_target"), SKIPPED),
    ("rolled back, and there", |own| skip(own, "rolled_back"), SKIPPED),
    ("excluded, and there", |own| skip(own, "excluded_by_owner"), SKIPPED),
];
const SKIPPED: &[&str] = &["skipped_claims"];
/// Found about no attempt: the files of rows that no outcome names any more, and the receipt of all outcomes.
const OF_ALL: [&str; 2] = ["nothing_surplus", "run_receipt"];

/// The checks without which the tests of this file fail.
pub(super) fn demanded() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|(.., checks)| *checks).copied().chain(OF_ALL)
}

fn append(text: &mut Value) {
    *text = format!("{}x", text.as_str().unwrap()).into();
}

fn add(number: &mut Value, more: u64) {
    *number = (number.as_u64().unwrap() + more).into();
}

fn forge(digest: &mut Value) {
    *digest = format!("00000000{}", &digest.as_str().unwrap()[8..]).into();
}

fn notes() -> Value {
    json!([{"code": "files_count_differs", "detail": "x"}])
}

fn skip(own: &mut Value, code: &str) {
    own["fate"] = json!({"kind": "skipped", "code": code, "detail": "x"});
}

/// The documents of the run store below a name.
fn documents(app: &TestApp<'_>, name: &str) -> Vec<PathBuf> {
    files_below(&app.out.path().join("run-store/rogo").join(name))
}

/// Changes outcomes where they stand.
pub(super) fn alter(app: &TestApp<'_>, mut change: impl FnMut(&mut Value)) {
    for path in documents(app, "segments") {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let mut altered = vec![lines.next().unwrap().to_owned()];
        for line in lines {
            let mut own: Value = serde_json::from_str(line).unwrap();
            change(&mut own);
            altered.push(own.to_string());
        }
        fs::write(&path, altered.join("\n") + "\n").unwrap();
    }
}

/// What an outcome cannot be of a row whose cell holds no attempt, the check that finds it, and what it says.
const WITHOUT_ATTEMPT: [(&str, &str, &str); 2] = [
    ("migrated", "outcome_ids", "the outcome of a row without an attempt id is migrated"),
    ("skipped", "skipped_claims", "the row has no attempt id, and so cannot have been skipped"),
];

/// In the place of two attempts, the first ones, the input has what is none.
fn without_two_attempts(app: &mut TestApp<'_>) {
    let mut input = Csv::read(&app.sample.path("submission_files.csv"));
    let attempt = input.place("Attempt ID");
    for row in &mut input.rows[..WITHOUT_ATTEMPT.len()] {
        "none".clone_into(&mut row[attempt]);
    }
    let path = app.out.path().join("without.csv");
    input.write(&path);
    app.set("ROGO_SUBMISSIONS", path.display().to_string());
    app.set("ROGO_BREAKER", "off");
    app.set("ROGO_REASON", "a test");
}

#[tokio::test]
async fn every_outcome_that_is_altered_is_found_by_the_check_that_is_meant_for_it() {
    let sample = Sample::in_folder(KINDS.len() as u64 + 6, 81, small).await;
    let mut app = in_folders(&sample).await;
    without_two_attempts(&mut app);
    app.run(&["run"]).await.expect(0);
    let attempts = app.migrated();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let of = |checks: &[&str]| checks.iter().map(|check| (*check).to_owned()).collect::<BTreeSet<_>>();
    for ((.., checks), attempt) in KINDS.iter().zip(&attempts) {
        expected.insert(attempt.clone(), of(checks));
    }
    let of_none = WITHOUT_ATTEMPT.map(|(_, check, _)| check);
    expected.insert(String::new(), of(&[&OF_ALL[..], &of_none].concat()));
    let (mut altered, mut migrated) = (0, Value::Null);
    alter(&app, |own| {
        if own["fate"]["kind"] == "migrated" {
            migrated = own["fate"].clone();
        }
    });
    alter(&app, |own| {
        if own["attempt"].is_null() {
            let row = usize::try_from(own["row"].as_u64().unwrap()).unwrap();
            match WITHOUT_ATTEMPT[row - 1].0 {
                "migrated" => own["fate"].clone_from(&migrated),
                _ => skip(own, "duplicate_row"),
            }
            altered += 1;
        }
        let attempt = own["attempt"].to_string();
        let kind = attempts.iter().position(|other| *other == attempt).and_then(|place| KINDS.get(place));
        if let Some((_, change, _)) = kind {
            change(own);
            altered += 1;
        }
    });
    assert_eq!(altered, KINDS.len() + WITHOUT_ATTEMPT.len());
    verify(&app, &["--show-values"]).await.expect(1);
    let csv = app.result("verification_failures.csv");
    assert_eq!(by_attempt(&app), expected, "{csv}");
    for (_, check, issue) in WITHOUT_ATTEMPT {
        assert!(
            csv.lines().any(|line| line.starts_with(&format!(",{check},")) && line.contains(issue)),
            "{csv}"
        );
    }
}

/// Name, what is changed in an outcome, whether it is one of those to change.
type Silent = (&'static str, fn(&mut Value), fn(&Value) -> bool);

/// What no other check notices.
const SILENT: &[Silent] = &[
    ("another MD5", |own| forge(&mut own["fate"]["file_receipts"][0]["md5"]), has_files),
    (
        "another receipt of the malpractice rule",
        |own| forge(&mut own["fate"]["receipt"]["enforcement"]),
        has_rule,
    ),
    (
        "another reason",
        |own| own["fate"]["code"] = "file_forbidden".into(),
        |own| own["fate"]["code"] == "file_missing",
    ),
    ("another attempt", |own| own["attempt"] = 1.into(), has_files),
    ("no outcome", |own| *own = Value::Null, |own| own["fate"]["kind"] == "failed"),
];

fn has_files(own: &Value) -> bool {
    own["fate"]["file_receipts"][0]["md5"].is_string()
}

fn has_rule(own: &Value) -> bool {
    own["fate"]["receipt"]["enforcement"].is_string()
}

/// The only failures are of the receipt; what they say.
async fn says(app: &TestApp<'_>, name: &str) -> String {
    verify(app, &[]).await.expect(1);
    assert_eq!(failures(app), [(String::new(), "run_receipt".to_owned())], "{name}");
    app.result("verification_failures.csv")
}

#[tokio::test]
async fn the_receipt_of_the_run_finds_what_no_other_check_does_and_names_the_document() {
    let sample = Sample::in_folder(300, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    let segments: Vec<(PathBuf, Vec<u8>)> =
        documents(&app, "segments").into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    for (name, change, fits) in SILENT {
        let mut shard = None;
        for path in segments.iter().map(|(path, _)| path) {
            let text = fs::read_to_string(path).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let outcomes = lines.iter().enumerate().skip(1);
            let mut outcomes = outcomes.map(|(n, line)| (n, serde_json::from_str::<Value>(line).unwrap()));
            let Some((n, mut own)) = outcomes.find(|(_, own)| fits(own)) else { continue };
            change(&mut own);
            if own.is_null() {
                lines.remove(n);
            } else {
                lines[n] = own.to_string();
            }
            fs::write(path, lines.join("\n") + "\n").unwrap();
            let folder = path.parent().unwrap().file_name().unwrap();
            shard = Some(folder.to_str().unwrap().to_owned());
            break;
        }
        let shard = shard.unwrap_or_else(|| panic!("{name}: no outcome fits"));
        let said = says(&app, name).await;
        assert!(
            said.contains(&format!("segments/{shard}/: the outcomes of shard {shard} are not")),
            "{said}"
        );
        assert_eq!(said.matches("segments/").count(), 1, "{name}: {said}");
        for (path, bytes) in &segments {
            fs::write(path, bytes).unwrap();
        }
    }

    let summary = app.out.path().join("run-store/rogo/results/summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    for (value, issue) in [
        ("/receipts/root", "receipts.root is not the digest"),
        ("/receipts/program", "receipts.root is not the digest"),
        ("/receipts/submissions", "receipts.submissions is not what plan.json pins"),
        ("/receipts/mapping", "receipts.mapping is not what plan.json pins"),
        ("/receipts/settings", "receipts.settings is not what plan.json pins"),
        ("/receipts/shards/1", "the digest of shard 1 in receipts.shards"),
    ] {
        let mut altered: Value = serde_json::from_str(&text).unwrap();
        forge(altered.pointer_mut(value).unwrap());
        fs::write(&summary, altered.to_string()).unwrap();
        let said = says(&app, value).await;
        assert!(said.contains("summary.json: ") && said.contains(issue), "{value}: {said}");
    }
    // All of them: no merge was stopped, since none was begun.
    let mut altered: Value = serde_json::from_str(&text).unwrap();
    for value in ["/receipts/root", "/receipts/shards/0", "/receipts/shards/1", "/receipts/shards/2"] {
        forge(altered.pointer_mut(value).unwrap());
    }
    fs::write(&summary, altered.to_string()).unwrap();
    let said = says(&app, "all receipts").await;
    assert!(
        said.contains("the outcomes of shard 0 are not those that receipts.shards of summary.json is of"),
        "{said}"
    );
    let whole: Value = serde_json::from_str(&text).unwrap();
    let fewer = &whole["receipts"]["shards"].as_array().unwrap()[..2];
    for (name, value) in [("algorithm", json!("sha1")), ("shards", json!(fewer))] {
        let mut altered = whole.clone();
        altered["receipts"][name] = value;
        fs::write(&summary, altered.to_string()).unwrap();
        let said = says(&app, name).await;
        assert!(said.contains(&format!("receipts.{name} is not what plan.json pins")), "{said}");
    }
    let mut altered: Value = serde_json::from_str(&text).unwrap();
    add(&mut altered["receipts"]["count"], 1);
    fs::write(&summary, altered.to_string()).unwrap();
    let said = says(&app, "count").await;
    assert!(said.contains("receipts.count is 301, and 300 rows have an outcome"), "{said}");

    fs::write(&summary, text).unwrap();
    verify(&app, &[]).await.expect(0);
}
