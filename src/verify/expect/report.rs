//! The report and the scores of an attempt, read a second time.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{
    super::findings::Lack,
    dates::{Date, date},
    grades::{Outcome, grade},
    text::{equal_key, is_blank, trim, words},
};
use crate::domain::{Decimal, Facts, Report, Score, Value};

/// What the warehouse says of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedReport {
    /// `TIUserId`, trimmed.
    pub user: String,
    /// `TISectionId`, trimmed.
    pub section: String,
    /// Exercise, as it stands.
    pub exercise: String,
    /// Grade, trimmed, and what it means.
    pub grade: Outcome,
    /// MarksAchieved, else MarksAwarded.
    pub awarded: Decimal,
    /// `MarksAvailable`.
    pub available: Decimal,
    /// `GradePercent`.
    pub percent: Decimal,
    /// MarkerNotes, trimmed; `None` if blank.
    pub notes: Option<String>,
    /// ResultsApproved, else DateInserted.
    pub approved: DateTime<Utc>,
    /// `DateInserted`.
    pub inserted: DateTime<Utc>,
    /// DateModified, else DateInserted.
    pub modified: DateTime<Utc>,
}

/// One score of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedScore {
    /// `ScoreLabelCorrected`, every run of blanks one blank: copies whose labels differ in nothing else are equal.
    pub label: String,
    /// `Score`.
    pub value: Decimal,
    /// MarkerComment, trimmed; `None` if blank.
    pub comment: Option<String>,
}

/// The one report, copies that differ in blanks only taken as one: that whose texts come first in their order.
/// [`Lack::Warehouse`] if there is none, or one that cannot be read.
pub fn report(facts: &Facts, zone: Tz) -> Result<ExpectedReport, Lack> {
    let mut copies: Vec<&Report> = facts.reports.iter().collect();
    copies.sort_by_cached_key(|report| report.values().map(raw_text));
    let (first, others) = copies.split_first().ok_or(Lack::Warehouse)?;
    let compared = |report: &Report| report.values().map(without_blanks);
    if others.iter().any(|other| compared(other) != compared(first)) {
        return Err(Lack::Warehouse);
    }
    read(first, zone).ok_or(Lack::Warehouse)
}

fn raw_text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

/// The value as it is compared: a blank text is null.
fn without_blanks(value: &Value) -> Value {
    match raw_text(value).map(|text| equal_key(&text)) {
        Some(text) if text.is_empty() => Value::Null,
        Some(text) => Value::Text(text),
        None => value.clone(),
    }
}

fn read(report: &Report, zone: Tz) -> Option<ExpectedReport> {
    let at = |value: &Value| match date(value, zone) {
        Date::At(at) => Some(Some(at)),
        Date::Blank => Some(None),
        Date::Unreadable => None,
    };
    let inserted = at(&report.date_inserted)??;
    // 0 marks achieved are marks.
    let awarded = match number(&report.marks_achieved)? {
        Some(achieved) => achieved,
        None => number(&report.marks_awarded)??,
    };
    Some(ExpectedReport {
        user: trim(&text(&report.ti_user_id)?).to_owned(),
        section: trim(&text(&report.ti_section_id)?).to_owned(),
        exercise: text(&report.exercise)?,
        grade: grade(trim(&text(&report.grade)?)),
        awarded,
        available: number(&report.marks_available)??,
        percent: number(&report.grade_percent)??,
        notes: text(&report.marker_notes).map(|notes| trim(&notes).to_owned()),
        approved: at(&report.results_approved)?.unwrap_or(inserted),
        inserted,
        modified: at(&report.date_modified)?.unwrap_or(inserted),
    })
}

/// The scores, equal copies once.
pub fn scores(facts: &Facts) -> Result<Vec<ExpectedScore>, Lack> {
    let one = |score: &Score| {
        Some(ExpectedScore {
            label: words(&text(&score.label)?).collect::<Vec<_>>().join(" "),
            value: number(&score.score)??,
            comment: text(&score.marker_comment).map(|comment| trim(&comment).to_owned()),
        })
    };
    let all: Option<BTreeSet<ExpectedScore>> = facts.scores.iter().map(one).collect();
    Ok(all.ok_or(Lack::Warehouse)?.into_iter().collect())
}

/// The text of a cell; `None` if it is blank or no text. A column of numbers may hold an id.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !is_blank(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The number of a cell: `None` if it is none, `Some(None)` if it is blank.
#[expect(clippy::option_option, reason = "unreadable and blank are two things")]
fn number(value: &Value) -> Option<Option<Decimal>> {
    match value {
        Value::Null => Some(None),
        Value::Text(text) if is_blank(text) => Some(None),
        Value::Text(text) => trim(text).parse().ok().map(Some),
        Value::Number(number) => Decimal::of(*number).map(Some),
        Value::Local(_) | Value::Instant(_) | Value::Bool(_) | Value::Invalid(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_differ_in_the_blanks_of_their_labels_are_one() {
        let score = |label: &str, value: &str| Score {
            label: Value::Text(label.into()),
            score: Value::Text(value.into()),
            ..Score::default()
        };
        let of = |scores: &[Score]| {
            super::scores(&Facts { scores: scores.to_vec(), ..Facts::default() }).unwrap().len()
        };
        assert_eq!(of(&[score(" Question 1", "5"), score("Question\u{a0} 1", "5.0")]), 1);
        assert_eq!(of(&[score("Question 1", "5"), score("Question 1", "6")]), 2);
        assert_eq!(of(&[score("Question 1", "5"), score("Question1", "5")]), 2);
    }
}
