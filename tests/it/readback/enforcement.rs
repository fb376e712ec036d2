//! Which malpractice rule stands for each learner, assessment and context, once all attempts are there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    grades,
    oracle::{Run, Submission},
    tables::{Cell, Row, Rows, text},
};

/// What a standing row keeps where a newer rule takes its place.
const KEPT: [&str; 6] =
    ["id", "lms_user_id", "custom_assessment_code", "context_id", "rule_applied_at", "created_at"];

/// The rules that stand after the run; the notes of the rows whose rule gave way to a live one.
pub fn stand(rows: &mut Rows, run: &Run, submissions: &[Submission]) -> Vec<(u64, String, &'static str)> {
    let mut by_key: BTreeMap<[&str; 3], Vec<&Submission>> = BTreeMap::new();
    for one in submissions.iter().filter(|one| one.level.is_some()) {
        by_key.entry([&one.user_id, &one.assessment_code, &one.context_id]).or_default().push(one);
    }
    let mut kept = Vec::new();
    let table = rows.entry("malpractice_enforcements").or_default();
    for (key, attempts) in by_key {
        let newest = attempts.iter().max_by_key(|one| (one.inserted, one.attempt)).unwrap();
        let live = live_rows(run, key).into_iter().max_by_key(|(dated, _)| *dated);
        match live {
            // The sample has one attempt for each live rule: which of several would say so depends on their order.
            Some((dated, _)) if dated >= newest.inserted => {
                kept.extend(attempts.iter().map(|one| (one.row, one.attempt.to_string(), "enforcement_kept")))
            }
            Some((_, row)) => {
                let mut rule = rule(run, newest);
                rule.extend(KEPT.iter().map(|column| (*column, Cell::Kept(row[*column].clone()))));
                table.insert(row["id"].as_str().unwrap().to_owned(), rule);
            }
            None => {
                let id = Run::rule_id(key);
                let mut rule = rule(run, newest);
                rule.insert("id", text(&*id));
                table.insert(id, rule);
            }
        }
    }
    kept
}

fn rule(run: &Run, newest: &Submission) -> Row {
    let (level_id, level) = newest.level.as_ref().unwrap();
    let limit = grades::max_attempts(level, newest.attempt_number);
    BTreeMap::from([
        ("lms_user_id", text(&*newest.user_id)),
        ("custom_assessment_code", text(&*newest.assessment_code)),
        ("context_id", text(&*newest.context_id)),
        ("context_title", text(&*newest.context_title)),
        ("malpractice_level_id", text(level_id)),
        ("submission_id", text(newest.id("assignment_submissions", 1))),
        ("attempt_number", Cell::Int(newest.attempt_number)),
        ("enforced_max_attempts", limit.map_or(Cell::Null, Cell::Int)),
        ("rule_applied_by", text(grades::rule_owner(run.before))),
        ("rule_applied_at", Cell::Now),
        ("created_at", Cell::Now),
        ("updated_at", Cell::Now),
    ])
}

/// The seed's rows for a key, by the date of the submission that they name, else their own.
fn live_rows<'a>(run: &'a Run, key: [&str; 3]) -> Vec<(DateTime<Utc>, &'a Map<String, Value>)> {
    let columns = ["lms_user_id", "custom_assessment_code", "context_id"];
    let rows = run.before["malpractice_enforcements"].values();
    let of_key = rows.filter(|row| columns.iter().zip(key).all(|(column, value)| row[*column] == value));
    let dated = |row: &Map<String, Value>| {
        let date = match row["submission_id"].as_str() {
            Some(id) => &run.before["assignment_submissions"][id]["created_at"],
            None => &row["rule_applied_at"],
        };
        DateTime::parse_from_rfc3339(date.as_str().unwrap()).unwrap().to_utc()
    };
    of_key.map(|row| (dated(row), row)).collect()
}
