//! Decides about one submission: whether it is the run's, whether the application has worked on it, and what becomes of
//! its malpractice rule. Reads its arguments only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Touched,
    marks::{RecordedAttempts, written_marks},
    reason::Reason,
};
use crate::{
    domain::{AttemptId, attempt_of_launch_id, enforcement_id},
    ports::{OWN_TABLES, RuleUndo, StandingRule, WrittenRow, WrittenSubmission},
    run::{WriterId, writers::of_blob},
};

/// What the decisions depend on beside the submission.
pub struct Judge {
    /// The run's writers.
    pub writers: BTreeSet<WriterId>,
    /// Attempts that the run recorded as migrated.
    pub migrated: RecordedAttempts,
    /// Attempts of `--attempts` without an outcome.
    pub unrecorded: HashSet<AttemptId>,
    /// Malpractice rules as they were before the run, by id.
    pub earlier: HashMap<String, EarlierRule>,
    /// Attempts whose blobs are named by a row that the run did not write.
    pub shared: HashSet<AttemptId>,
    /// `--force-touched`.
    pub touched: Touched,
}

/// A malpractice rule as it was before the run changed it.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierRule {
    image: Value,
    dated: Option<DateTime<Utc>>,
}

impl EarlierRule {
    /// Its date is that of the submission it names, else when it was applied.
    pub fn new(image: Value, created: &BTreeMap<String, DateTime<Utc>>) -> Self {
        let applied = image.get("rule_applied_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
        let dated = Self::submission_of(&image).and_then(|id| created.get(&id).copied()).or(applied);
        Self { image, dated }
    }

    /// The submission that the row names.
    pub fn submission_of(image: &Value) -> Option<String> {
        image.get("submission_id").and_then(Value::as_str).map(str::to_owned)
    }
}

/// The decision about a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// Nothing of it stands.
    Gone,
    /// It stands, and this run did not write it.
    Elsewhere,
    /// It is left.
    Keep(Vec<Reason>),
    /// It is removed, and this is done to the rules that name it.
    Remove(Vec<RuleUndo>),
}

impl Judge {
    /// Decides. `leaving` are launch ids of other submissions that are removed before this one.
    pub fn judge(&self, submission: &WrittenSubmission, leaving: &HashSet<String>) -> Judged {
        let attempt = submission.ids.attempt();
        if submission.rows.is_empty() {
            return Judged::Gone;
        }
        if submission.file_count.is_none() {
            // Without a submission only the recorded outcome tells whose the rest is.
            return if self.migrated.has(attempt) {
                self.settle(vec![Reason::SubmissionDeleted], Vec::new())
            } else {
                Judged::Elsewhere
            };
        }
        if !submission.blob_names.iter().any(|name| self.is_ours(name)) {
            return Judged::Elsewhere;
        }
        let mut reasons = Vec::new();
        if self.unrecorded.contains(&attempt) {
            reasons.push(Reason::NotRecorded);
        }
        touches(submission, self.migrated.marks(attempt), &mut reasons);
        if self.shared.contains(&attempt) {
            reasons.push(Reason::BlobShared);
        }
        let rules = self.rules(submission, leaving, &mut reasons);
        self.settle(reasons, rules)
    }

    fn settle(&self, mut reasons: Vec<Reason>, rules: Vec<RuleUndo>) -> Judged {
        if self.touched.is_removed() {
            reasons.retain(|reason| !reason.may_be_forced());
        }
        if reasons.is_empty() { Judged::Remove(rules) } else { Judged::Keep(reasons) }
    }

    fn is_ours(&self, blob_name: &str) -> bool {
        of_blob(blob_name).is_some_and(|writer| self.writers.contains(&writer))
    }

    fn rules(
        &self,
        submission: &WrittenSubmission,
        leaving: &HashSet<String>,
        reasons: &mut Vec<Reason>,
    ) -> Vec<RuleUndo> {
        let id = submission.ids.row("assignment_submissions", 1);
        let Some(written) = written(submission) else { return Vec::new() };
        let mut undone = Vec::new();
        for rule in &submission.rules {
            if rule.submission_id.as_ref() == Some(&id) {
                self.own_rule(submission, rule, written, leaving, reasons, &mut undone);
            } else if self.was_changed_again(submission, rule) {
                let by = rule.launch_id.as_deref().and_then(attempt_of_launch_id);
                reasons.push(Reason::RuleChanged { by });
            }
        }
        undone
    }

    /// A rule that names the submission: it returns to what it was, or goes.
    fn own_rule(
        &self,
        submission: &WrittenSubmission,
        rule: &StandingRule,
        written: &WrittenRow,
        leaving: &HashSet<String>,
        reasons: &mut Vec<Reason>,
        undone: &mut Vec<RuleUndo>,
    ) {
        let earlier = self.earlier.get(&rule.id);
        let is_added = submission.malpractice.as_ref().is_some_and(|malpractice| {
            let [user, code, context] = &malpractice.key;
            enforcement_id(user, code, context) == rule.id
        });
        if earlier.is_none() && !is_added {
            // The application's own rule for this submission, or one that stood before.
            reasons.push(if rule.transaction == written.transaction {
                Reason::ImageMissing { rule: rule.id.clone() }
            } else {
                Reason::RowsAdded {
                    table: "malpractice_enforcements".into(),
                    constraint: "submission_id".into(),
                }
            });
            return;
        }
        if rule.transaction != written.transaction && !is_as_restored(submission, rule) {
            reasons.push(Reason::RuleChanged { by: None });
        }
        let stays = |date: Option<DateTime<Utc>>| date > earlier.and_then(|earlier| earlier.dated);
        let before = earlier.and_then(|earlier| EarlierRule::submission_of(&earlier.image));
        let other = submission.others.iter().find(|other| {
            Some(&other.id) != before.as_ref()
                && !leaving.contains(&other.launch_id)
                && stays(other.created_at)
        });
        if let Some(by) = other.and_then(|other| attempt_of_launch_id(&other.launch_id)) {
            reasons.push(Reason::RuleNeeded { by });
        }
        undone.push(match earlier {
            Some(earlier) => RuleUndo::Restore { id: rule.id.clone(), image: earlier.image.clone() },
            None => RuleUndo::Delete { id: rule.id.clone() },
        });
    }

    /// A rule of the same learner that names another submission: written after this one by something else than this
    /// run, so that what it replaced may be this one's rule.
    fn was_changed_again(&self, submission: &WrittenSubmission, rule: &StandingRule) -> bool {
        let Some(malpractice) = &submission.malpractice else { return false };
        let is_restored = self.earlier.get(&rule.id).is_some_and(|earlier| earlier.image == rule.image);
        // Its own date, not its transaction's: the rollback of a later run gives a rule its earlier date back.
        let is_later = updated_at(rule).is_none_or(|at| Some(at) > malpractice.written_at);
        is_later && !is_restored && !rule.blob_names.iter().any(|name| self.is_ours(name))
    }
}

fn updated_at(rule: &StandingRule) -> Option<DateTime<Utc>> {
    rule.image.get("updated_at").and_then(Value::as_str)?.parse().ok()
}

/// Whether the rule is as the submission's own transaction wrote it, although another transaction did: the rollback of a
/// later run, which restored it.
fn is_as_restored(submission: &WrittenSubmission, rule: &StandingRule) -> bool {
    let Some(malpractice) = &submission.malpractice else { return false };
    let number = |column: &str| rule.image.get(column).and_then(Value::as_i64);
    let attempt = malpractice.attempt_number.map(i64::from);
    let limits = [None, Some(3), attempt, attempt.map(|attempt| attempt + 1)];
    updated_at(rule) == malpractice.written_at
        && rule.image.get("malpractice_level_id").and_then(Value::as_str) == Some(&malpractice.level_id)
        && number("attempt_number") == attempt
        && limits.contains(&number("enforced_max_attempts"))
}

/// The submission's earliest row: it tells which transaction wrote the submission.
fn written(submission: &WrittenSubmission) -> Option<&WrittenRow> {
    let is_child = |row: &&WrittenRow| !["lti_session_records", "lti_launch_sessions"].contains(&row.table);
    submission.rows.iter().filter(is_child).max_by_key(|row| row.age)
}

/// Everything by which it differs from what one transaction of the run wrote. `marks` are the section marks that the run
/// recorded for it.
fn touches(submission: &WrittenSubmission, marks: Option<u16>, reasons: &mut Vec<Reason>) {
    let Some(written) = written(submission) else { return };
    let files = usize::try_from(submission.file_count.unwrap_or_default()).unwrap_or(usize::MAX);
    for table in OWN_TABLES {
        let of_table: Vec<&WrittenRow> = submission.rows.iter().filter(|row| row.table == table).collect();
        let derived: HashSet<String> = match table {
            "submission_files" => (1..=files.min(10_000)).map(|n| submission.ids.row(table, n)).collect(),
            "submission_section_marks" => {
                let standing = of_table.iter().map(|row| row.id.as_str()).collect();
                written_marks(&submission.ids, &standing, marks)
            }
            _ => HashSet::from([submission.ids.row(table, 1)]),
        };
        let own = of_table.iter().filter(|row| derived.contains(&row.id));
        // A launch session may be older: a lost submission of the run left it alone, and it was taken over.
        let is_as_written = |row: &WrittenRow| {
            row.transaction == written.transaction || (table.starts_with("lti_") && row.age > written.age)
        };
        if own.clone().any(|row| !is_as_written(row)) {
            reasons.push(Reason::Changed { table: table.to_owned() });
            if table == "submission_marking_assignments" && submission.has_marker {
                reasons.push(Reason::MarkerAssigned);
            }
        }
        if of_table.iter().any(|row| !derived.contains(&row.id)) {
            reasons.push(Reason::RowsAdded { table: table.to_owned(), constraint: "submission_id".into() });
        }
        if own.count() < derived.len() {
            reasons.push(Reason::RowsRemoved { table });
        } else if table == "submission_section_marks" && derived.is_empty() && marks.is_none() {
            reasons.push(Reason::MarksUnknown);
        }
    }
    for hanging in &submission.hanging {
        let (table, constraint) = (hanging.table.clone(), hanging.constraint.clone());
        reasons.push(Reason::RowsAdded { table, constraint });
    }
}

#[cfg(test)]
mod tests;
