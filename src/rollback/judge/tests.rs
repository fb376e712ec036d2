//! What a rollback decides about one submission.

use serde_json::json;

use super::*;
use crate::{
    domain::SubmissionIds,
    ports::{OtherMalpractice, StoredMalpractice},
};

const WRITER: &str = "0123456789ab";
/// The transaction that wrote the submission, and how old it is.
const WRITTEN: (i64, i32) = (70, 30);

fn attempt(number: i32) -> AttemptId {
    number.to_string().parse().unwrap()
}

fn at(second: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(1_700_000_000 + second, 0)
}

fn judge() -> Judge {
    Judge {
        writers: BTreeSet::from([WRITER.parse().unwrap()]),
        migrated: RecordedAttempts::new(vec![(attempt(7), Some(1))]),
        unrecorded: HashSet::new(),
        earlier: HashMap::new(),
        shared: HashSet::new(),
        touched: Touched::Keep,
    }
}

/// Attempt 7 as one transaction wrote it, with one file.
fn written() -> WrittenSubmission {
    let ids = SubmissionIds::new("guid", attempt(7));
    let (transaction, age) = WRITTEN;
    let row = |table: &'static str| WrittenRow { table, id: ids.row(table, 1), transaction, age };
    WrittenSubmission {
        rows: OWN_TABLES.map(row).to_vec(),
        file_count: Some(1),
        blob_names: vec![format!("LTI_Uploads/{WRITER}/7_1_f.docx")],
        ..WrittenSubmission::nothing(ids)
    }
}

/// The same with malpractice, and the rule that its transaction added.
fn with_rule() -> WrittenSubmission {
    let key = ["guid::u", "code", "guid::c"].map(str::to_owned);
    let id = enforcement_id(&key[0], &key[1], &key[2]);
    let submission = written();
    let (transaction, age) = WRITTEN;
    let rule = StandingRule {
        id,
        submission_id: Some(submission.ids.row("assignment_submissions", 1)),
        launch_id: None,
        blob_names: submission.blob_names.clone(),
        image: json!({
            "updated_at": at(0), "malpractice_level_id": "level", "attempt_number": 2, "enforced_max_attempts": 3,
        }),
        transaction,
        age,
    };
    let malpractice =
        StoredMalpractice { key, level_id: "level".into(), attempt_number: Some(2), written_at: at(0) };
    WrittenSubmission { malpractice: Some(malpractice), rules: vec![rule], ..submission }
}

fn codes(judge: &Judge, submission: &WrittenSubmission, leaving: &[&str]) -> Vec<&'static str> {
    let leaving = leaving.iter().map(|launch_id| (*launch_id).to_owned()).collect();
    match judge.judge(submission, &leaving) {
        Judged::Keep(reasons) => reasons.iter().map(Reason::code).collect(),
        Judged::Remove(_) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_attempt_that_was_asked_for_and_has_no_outcome_yet_is_left() {
    assert_eq!(codes(&judge(), &written(), &[]), [""; 0]);
    let judge = Judge { unrecorded: HashSet::from([attempt(7)]), ..judge() };
    assert_eq!(codes(&judge, &written(), &[]), ["not_recorded"]);
}

#[test]
fn a_session_may_be_older_than_its_submission_and_not_newer() {
    let (transaction, age) = WRITTEN;
    for table in OWN_TABLES {
        let moved = |transaction: i64, age: i32| {
            let mut submission = written();
            let row = submission.rows.iter_mut().find(|row| row.table == table).unwrap();
            (row.transaction, row.age) = (transaction, age);
            codes(&judge(), &submission, &[])
        };
        assert_eq!(moved(transaction + 1, age - 1), ["changed_after_run"], "{table}");
        if table.starts_with("lti_") {
            assert_eq!(moved(transaction - 1, age + 1), [""; 0], "{table}");
        }
    }
}

#[test]
fn a_rule_that_another_transaction_wrote_is_left_unless_every_value_is_as_it_was() {
    assert_eq!(codes(&judge(), &with_rule(), &[]), [""; 0]);
    let restored = |column: &str, value: Value| {
        let mut submission = with_rule();
        let rule = &mut submission.rules[0];
        rule.transaction += 1;
        rule.image[column] = value;
        codes(&judge(), &submission, &[])
    };
    for limit in [json!(null), json!(3), json!(2)] {
        assert_eq!(restored("enforced_max_attempts", limit.clone()), [""; 0], "{limit}");
    }
    for (column, value) in [
        ("enforced_max_attempts", json!(9)),
        ("attempt_number", json!(1)),
        ("malpractice_level_id", json!("another")),
        ("updated_at", json!(at(1))),
    ] {
        assert_eq!(restored(column, value), ["rule_changed_again"], "{column}");
    }
}

#[test]
fn a_rule_of_another_submission_that_was_replaced_keeps_this_one_until_that_one_leaves_too() {
    let mut submission = with_rule();
    let rule = submission.rules[0].id.clone();
    let launch_id = "rogo_6_x";
    submission.others =
        vec![OtherMalpractice { id: "other".into(), launch_id: launch_id.into(), created_at: at(-10) }];
    assert_eq!(codes(&judge(), &submission, &[]), ["rule_of_other_attempt"]);
    assert_eq!(codes(&judge(), &submission, &[launch_id]), [""; 0]);
    // A rule stood before the run: only a later one than it was replaced.
    for (second, kept) in [(-9, false), (-10, false), (-11, true)] {
        let image = json!({"submission_id": "before", "rule_applied_at": at(second)});
        let earlier = EarlierRule::new(image, &BTreeMap::new());
        let judge = Judge { earlier: HashMap::from([(rule.clone(), earlier)]), ..judge() };
        let expected: &[&str] = if kept { &["rule_of_other_attempt"] } else { &[] };
        assert_eq!(codes(&judge, &submission, &[]), expected, "{second}");
    }
}
