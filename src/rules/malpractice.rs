//! Malpractice: its level, the limit it sets, and which of two rules for one learner applies.

use chrono::{DateTime, SubsecRound, Utc};

use super::message::{fail, list, quoted};
use crate::domain::{
    AttemptId, FailCode, Failure, MalpracticeLevel, Migration, attempt_of_launch_id,
    text::{OTHER_FORM, differ_in_form, trim, words},
};

const WORD: &str = "malpractice";
/// Grade that the target stores for malpractice.
pub(super) const FINAL_GRADE: &str = "Refer";

/// The level that a grade names: "Malpractice <level> <remark>"; `None` if the grade is another.
pub(super) fn level<'a>(
    grade: &str,
    levels: &'a [MalpracticeLevel],
) -> Result<Option<&'a MalpracticeLevel>, Failure> {
    let mut words = words(grade);
    let begins = |word: &str| word.get(..WORD.len()).is_some_and(|start| start.eq_ignore_ascii_case(WORD));
    if !words.next().is_some_and(begins) {
        return Ok(None);
    }
    let Some(name) = words.next() else {
        return Err(fail(FailCode::MalpracticeLevelMissing, "Grade names no level behind \"Malpractice\""));
    };
    let found = levels.iter().find(|level| trim(&level.level_text) == name);
    let Some(level) = found else {
        let known = list(levels.iter().map(|level| quoted(trim(&level.level_text))));
        let alike =
            levels.iter().map(|level| trim(&level.level_text)).find(|text| differ_in_form(text, name));
        let alike = alike.map(|text| format!("; {} {OTHER_FORM}", quoted(text))).unwrap_or_default();
        let message = format!("no active level {}; there are: {known}{alike}", quoted(name));
        return Err(fail(FailCode::MalpracticeLevelUnknown, message));
    };
    Ok(Some(level))
}

/// How many attempts a learner keeps under a level; `None` if it sets no limit.
pub fn enforced_max_attempts(level_text: &str, attempt_number: i32) -> Option<i32> {
    let text = level_text.to_lowercase();
    if text.contains("moderate") {
        Some(3)
    } else if text.contains("considerable") {
        // One more than the largest integer would be no limit either.
        Some(attempt_number.saturating_add(1))
    } else if text.contains("severe") {
        Some(attempt_number)
    } else {
        None
    }
}

/// Age of a malpractice rule. Of two rules for one learner, assessment and context the greater one applies; if several
/// rows exist, the greatest is compared. A migration replaces an existing row only if its own age is greater, so that
/// the order of the attempts does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleAge {
    /// At microseconds, which is all that PostgreSQL keeps.
    date: DateTime<Utc>,
    author: Author,
}

/// Who wrote a rule; at the same date a later variant is the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Author {
    /// A migration of this attempt, by this program or an older one.
    Migrated(AttemptId),
    /// The application itself wrote the rule.
    Live,
}

impl RuleAge {
    /// Of the rule that a migration brings along.
    pub fn of_migration(migration: &Migration) -> Self {
        Self::new(migration.date_inserted, Author::Migrated(migration.attempt))
    }

    /// Age of a row that exists in the target, from `submission_created_at` and `launch_id` of the submission that it
    /// names, if any. A row without a date cannot be proven older, so it counts as the newest.
    pub fn of_standing_row(
        submission_created_at: Option<DateTime<Utc>>,
        rule_applied_at: Option<DateTime<Utc>>,
        launch_id: Option<&str>,
    ) -> Self {
        let date = submission_created_at.or(rule_applied_at).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let attempt = launch_id.and_then(attempt_of_launch_id);
        Self::new(date, attempt.map_or(Author::Live, Author::Migrated))
    }

    /// Whether the application wrote the rule, not a migration. If such a row is kept, the migrated row gets the note
    /// `enforcement_kept`.
    pub fn is_live(self) -> bool {
        self.author == Author::Live
    }

    fn new(date: DateTime<Utc>, author: Author) -> Self {
        Self { date: date.trunc_subsecs(6), author }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(attempt: i32, micros: i64) -> RuleAge {
        let date = DateTime::from_timestamp_micros(micros).unwrap();
        RuleAge::of_standing_row(Some(date), None, Some(&format!("rogo_{attempt}_x")))
    }

    fn live(micros: i64) -> RuleAge {
        RuleAge::of_standing_row(None, DateTime::from_timestamp_micros(micros), None)
    }

    #[test]
    fn the_latest_date_stands_then_a_live_row_then_the_highest_attempt() {
        assert!(migrated(1, 5) > migrated(9, 4));
        assert!(migrated(10, 5) > migrated(9, 5));
        assert!(live(5) > migrated(9, 5));
        assert!(migrated(9, 6) > live(5));
        assert_eq!(migrated(9, 5), migrated(9, 5), "a rule does not replace itself");
    }

    #[test]
    fn a_standing_row_is_dated_by_its_submission_else_by_itself_else_it_stays() {
        let at = DateTime::from_timestamp_micros;
        assert_eq!(RuleAge::of_standing_row(at(1), at(9), None), live(1));
        assert_eq!(RuleAge::of_standing_row(None, at(9), None), live(9));
        assert!(RuleAge::of_standing_row(None, None, Some("rogo_1_x")) > live(i64::from(i32::MAX)));
    }

    #[test]
    fn dates_are_compared_at_microseconds() {
        let at = |nanos| RuleAge::of_standing_row(DateTime::from_timestamp(0, nanos), None, Some("rogo_7_x"));
        assert_eq!(at(1_999), at(1_000));
    }

    #[test]
    fn only_a_row_whose_submission_a_migration_wrote_is_not_live() {
        let of = |launch_id| RuleAge::of_standing_row(None, None, launch_id).is_live();
        assert!(of(None));
        assert!(of(Some("lti-launch-1")));
        assert!(!of(Some("rogo_987_1700000000ab")));
    }

    #[test]
    fn the_limit_follows_the_level() {
        for (level, attempt, expected) in [
            ("Moderate", 2, Some(3)),
            ("CONSIDERABLE", 2, Some(3)),
            ("considerable", i32::MAX, Some(i32::MAX)),
            ("Very severe", 2, Some(2)),
            ("Minor", 2, None),
        ] {
            assert_eq!(enforced_max_attempts(level, attempt), expected, "{level}");
        }
    }
}
