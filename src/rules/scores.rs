//! Reads the attempt's scores: each with a label and a number.

use std::collections::BTreeSet;

use super::{
    message::{fail, list},
    numbers::number,
    values::{Defect, trimmed},
};
use crate::domain::{Decimal, FailCode, Failure, SCORE_TABLE, Score, text::equal_key};

/// A score whose values can be stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SoundScore {
    /// Section label as it is compared ([`equal_key`]): labels that differ in their blanks are one.
    pub label: String,
    pub marks: Decimal,
    /// `MarkerComment`, trimmed.
    pub comment: Option<String>,
}

/// The scores by label, in an order that does not depend on the server's; equal scores count once.
pub(super) fn sound_scores(scores: &[Score]) -> Result<Vec<SoundScore>, Failure> {
    let mut sound = BTreeSet::new();
    let mut defects = BTreeSet::new();
    for score in scores {
        match read(score) {
            Ok(score) => {
                sound.insert(score);
            }
            Err(found) => defects.extend(found),
        }
    }
    if defects.is_empty() {
        Ok(sound.into_iter().collect())
    } else {
        Err(fail(FailCode::ScoreIncomplete, format!("in {SCORE_TABLE}: {}", list(defects))))
    }
}

fn read(score: &Score) -> Result<SoundScore, Vec<String>> {
    let label = required("ScoreLabelCorrected", trimmed(&score.label));
    let marks = required("Score", number(&score.score));
    let comment = trimmed(&score.marker_comment).map_err(|defect| format!("MarkerComment ({defect})"));
    match (label, marks, comment) {
        (Ok(label), Ok(marks), Ok(comment)) => {
            Ok(SoundScore { label: equal_key(&label).into_owned(), marks, comment })
        }
        (label, marks, comment) => {
            Err([label.err(), marks.err(), comment.err()].into_iter().flatten().collect())
        }
    }
}

fn required<T>(column: &str, read: Result<Option<T>, Defect>) -> Result<T, String> {
    match read {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("{column} (blank)")),
        Err(defect) => Err(format!("{column} ({defect})")),
    }
}
