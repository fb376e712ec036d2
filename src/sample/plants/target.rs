//! Rows that meet what the target already holds.

use chrono::{Duration, NaiveDateTime};

use super::Plant::{self, One, Two};
use crate::{
    domain::{
        AttemptId, FailCode::TargetRejected, NoteCode::EnforcementKept, SkipCode::AlreadyMigrated,
        SubmissionIds,
    },
    sample::{
        draft::{Draft, stamp},
        seed::{enforcement, submission},
        words::LMS_INSTANCE,
    },
};

pub(super) const PLANTS: &[Plant] = &[
    // As an older program wrote it: time and nine random characters.
    One(|row| {
        hold(row, &format!("rogo_{}_1733011200000k3x9q0z7a", row.attempt));
        row.skips(AlreadyMigrated);
    }),
    // Left over from elsewhere: the grade's id is taken, so the target refuses this row alone.
    One(|row| {
        if let Ok(attempt) = row.attempt.to_string().parse::<AttemptId>() {
            let id = SubmissionIds::new(LMS_INSTANCE, attempt).row("submission_grades", 1);
            row.target_sql = format!("insert into submission_grades (id) values ('{id}');\n");
        }
        row.fails(TargetRejected);
    }),
    // A live submission's rule is newer: it stands.
    One(|row| {
        row.set_grade("Malpractice Moderate");
        live_rule(row, Some(row.inserted_at + Duration::days(900)), "live");
        row.notes(EnforcementKept);
    }),
    // Of the same date: the live row stands.
    One(|row| {
        row.set_grade("Malpractice Severe");
        live_rule(row, Some(row.inserted_at), "live");
        row.notes(EnforcementKept);
    }),
    // It names no submission: rule_applied_at dates it.
    One(|row| {
        row.set_grade("malpractice Considerable");
        live_rule(row, None, "live");
        row.notes(EnforcementKept);
    }),
    // Of two rows for one key the newest is compared.
    One(|row| {
        row.set_grade("Malpractice Minor");
        live_rule(row, Some(row.inserted_at - Duration::days(900)), "older");
        live_rule(row, Some(row.inserted_at + Duration::days(900)), "newer");
        row.notes(EnforcementKept);
    }),
    // An older rule gives way.
    One(|row| {
        row.set_grade("Malpractices Considerable (second panel)");
        live_rule(row, Some(row.inserted_at - Duration::days(900)), "live");
    }),
    // Two attempts of one learner: the newest rule stands, although its attempt number is lower.
    Two(|older, newer| {
        same_place(older, newer);
        older.set_submission("Attempt 3");
        older.set_grade("Malpractice Severe");
        newer.set_submission("Retake Attempt 1");
        newer.set_grade("MALPRACTICE Moderate");
    }),
    // The same, but the row that stands later in the CSV is the older attempt.
    Two(|first, last| {
        same_place(first, last);
        let (early, late) = (stamp(first.inserted_at), stamp(last.inserted_at));
        first.report(|report| report.inserted.clone_from(&late));
        last.report(|report| report.inserted.clone_from(&early));
        first.set_grade("Malpractice Minor");
        last.set_grade("Malpractice Considerable");
    }),
    // Held are attempts whose numbers begin with this one's, and ids that only look alike.
    One(|row| hold(row, &format!("rogo_{}55_1733011200000abc", row.attempt))),
    One(|row| hold(row, &format!("rogoX{}_1733011200000abc", row.attempt))),
];

/// The target holds a submission of another learner under this launch id.
fn hold(row: &mut Draft, launch_id: &str) {
    let sql = submission(&format!("held-{}", row.number), launch_id, &stamp(row.inserted_at));
    row.target_sql.push_str(&sql);
}

/// The target holds a rule for the row's learner, assessment and context that no migration wrote.
fn live_rule(row: &mut Draft, submitted_at: Option<NaiveDateTime>, name: &str) {
    let name = format!("{name}-{}", row.number);
    let submission_id = submitted_at.map(|at| {
        row.target_sql.push_str(&submission(&name, &format!("launch-{name}"), &stamp(at)));
        format!("submission-{name}")
    });
    // Where a submission dates the rule, rule_applied_at must not: it says the opposite.
    let applied_at = match submitted_at {
        Some(at) if at >= row.inserted_at => row.inserted_at - Duration::days(1000),
        _ => row.inserted_at + Duration::days(1000),
    };
    let key = [row.lms_user_id(), row.assessment_code(), row.context_id()];
    row.target_sql.push_str(&enforcement(&name, &key, submission_id.as_deref(), &stamp(applied_at)));
}

/// Gives the newer row the older one's learner, unit, version and context.
fn same_place(older: &mut Draft, newer: &mut Draft) {
    newer.first_name.clone_from(&older.first_name);
    newer.surname.clone_from(&older.surname);
    newer.email.clone_from(&older.email);
    newer.membership.clone_from(&older.membership);
    newer.rogo_user_id.clone_from(&older.rogo_user_id);
    newer.rogo_user_name.clone_from(&older.rogo_user_name);
    newer.unit = older.unit;
    newer.course_title.clone_from(&older.course_title);
    newer.set_version(older.version());
    if let Some(report) = older.reports.first() {
        newer.report(|other| {
            other.user.clone_from(&report.user);
            other.section.clone_from(&report.section);
            other.exercise.clone_from(&report.exercise);
        });
    }
}
