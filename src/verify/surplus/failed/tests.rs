//! Submissions, files and sessions of failed attempts, judged without a database.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{super::KnownSubmissions, *};
use crate::run::WriterId;

const OURS: &str = "LTI_Uploads/0123456789ab/987_1_a.pdf";
const THEIRS: &str = "LTI_Uploads/0123456789ac/987_1_a.pdf";

fn attempt(text: &str) -> AttemptId {
    text.parse().unwrap()
}

/// Second of the run; it is planned at 0, and ends at 100.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn beside(submission: &str, may_be_older: bool) -> BesideFailed {
    BesideFailed {
        attempt: attempt("987"),
        submission: submission.into(),
        launch_id: format!("rogo_987_{submission}"),
        may_be_older,
    }
}

/// What `see` finds, and then the scan of failed attempts: ids of submissions, and how many have no name.
fn scanned(
    failed: &[Vec<BesideFailed>],
    known: &KnownSubmissions,
    see: impl FnOnce(&mut FailedScan<'_>),
) -> (Vec<String>, u64) {
    let mut all = FailedAttempts::default();
    for beside in failed {
        all.add(attempt("987"), beside.clone());
    }
    all.finish();
    let writers: BTreeSet<WriterId> = ["0123456789ab".parse().unwrap()].into();
    let (planned_at, ended_at) = (at(0), at(100));
    let scan = Scan {
        known,
        failed: &all,
        lms_instance: "X",
        writers: &writers,
        in_part: false,
        planned_at,
        ended_at,
    };
    let mut scan = scan.of_failed();
    see(&mut scan);
    let (found, nameless) = scan.finish();
    (found.into_iter().map(|row| row.id).collect(), nameless)
}

/// Of one submission with these files and a session of this second.
fn reported(files: &[&str], session: Option<i64>, may_be_older: bool) -> (usize, u64) {
    let see = |scan: &mut FailedScan<'_>| {
        if let Some(second) = session {
            assert_eq!(scan.session("rogo_987_s", Some(at(second))), Some(None));
        }
        for file in files {
            scan.file("s", file);
        }
    };
    let (found, nameless) = scanned(&[vec![beside("s", may_be_older)]], &KnownSubmissions::default(), see);
    (found.len(), nameless)
}

#[test]
fn a_submission_of_a_failed_attempt_is_ours_unless_its_files_are_another_writers() {
    assert_eq!(reported(&[OURS], Some(200), false), (1, 0));
    assert_eq!(reported(&[THEIRS, OURS], None, true), (1, 0));
    assert_eq!(reported(&[THEIRS], Some(50), false), (0, 0));
    assert_eq!(reported(&["uploads/7"], None, false), (0, 0));
    // The target was not asked about the row: the submission may be one of before the plan.
    assert_eq!(reported(&[], Some(50), true), (0, 0));
}

#[test]
fn a_submission_without_files_is_ours_if_it_was_made_while_the_run_was_at_work_else_nobody_knows() {
    assert_eq!(reported(&[], Some(50), false), (1, 0));
    assert_eq!(reported(&[], None, false), (1, 0), "no program leaves it so");
    for second in [-1, 101] {
        assert_eq!(reported(&[], Some(second), false), (0, 1), "{second}");
    }
}

#[test]
fn a_submission_is_judged_once_although_several_rows_of_its_attempt_failed() {
    let failed = [vec![beside("s", false)], vec![beside("s", false)]];
    let of = |blob: &'static str| {
        scanned(&failed, &KnownSubmissions::default(), |scan| {
            scan.file("s", blob);
        })
    };
    assert_eq!(of(THEIRS), (vec![], 0));
    assert_eq!(of(OURS), (vec!["s".to_owned()], 0));
}

#[test]
fn nothing_of_an_attempt_that_was_migrated_counts_as_of_a_failed_one() {
    let mut known = KnownSubmissions::default();
    known.add(&SubmissionIds::new("X", attempt("987")), attempt("987"), Some(1), None);
    known.finish();
    let found = scanned(&[vec![beside("s", false)]], &known, |scan| {
        assert_eq!(scan.file("s", OURS), None);
        assert_eq!(scan.session("rogo_987_aa", Some(at(50))), None);
    });
    assert_eq!(found, (vec![], 0));
}

#[test]
fn files_and_sessions_name_the_failed_attempt_that_they_belong_to() {
    let own = SubmissionIds::new("X", attempt("987"));
    let id = own.row(Table::Submissions.name(), 1);
    let another = OURS.replace("987", "986");
    scanned(&[Vec::new()], &KnownSubmissions::default(), |scan| {
        assert_eq!(scan.file(&id, &another), Some(Some(attempt("987"))));
        assert_eq!(scan.file("elsewhere", OURS), Some(Some(attempt("987"))));
        assert_eq!(scan.file("elsewhere", &another), None);
        assert_eq!(scan.file(&id, THEIRS), None);
        assert_eq!(scan.session("rogo_987_aa", Some(at(0))), Some(Some(attempt("987"))));
        assert_eq!(scan.session("rogo_987_aa", Some(at(-1))), Some(None));
        assert_eq!(scan.session(&own.launch_id(), None), Some(None));
        assert_eq!(scan.session("rogo_986_aa", None), None);
    });
}
