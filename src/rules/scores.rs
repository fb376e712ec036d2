//! Reads the attempt's scores: each with a label and a number.

use super::{
    message::{fail, list},
    numbers::real,
    values::{Defect, trimmed},
};
use crate::domain::{FailCode, Failure, SCORE_TABLE, Score};

/// A score whose values can be stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SoundScore {
    /// Trimmed.
    pub label: String,
    pub marks: f32,
    /// Trimmed.
    pub comment: Option<String>,
}

/// The scores in their order; equal ones count once.
pub(super) fn sound_scores(scores: &[Score]) -> Result<Vec<SoundScore>, Failure> {
    let mut sound: Vec<SoundScore> = Vec::with_capacity(scores.len());
    let mut defects = Vec::new();
    for score in scores {
        match read(score) {
            Ok(score) if sound.contains(&score) => {}
            Ok(score) => sound.push(score),
            Err(found) => defects.extend(found),
        }
    }
    if defects.is_empty() {
        Ok(sound)
    } else {
        Err(fail(FailCode::ScoreIncomplete, format!("in {SCORE_TABLE}: {}", list(defects))))
    }
}

fn read(score: &Score) -> Result<SoundScore, Vec<String>> {
    let label = required("ScoreLabelCorrected", trimmed(&score.label));
    let marks = required("Score", real(&score.score));
    let comment = trimmed(&score.marker_comment).map_err(|defect| format!("MarkerComment ({defect})"));
    match (label, marks, comment) {
        (Ok(label), Ok(marks), Ok(comment)) => Ok(SoundScore { label, marks, comment }),
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
