//! Finds each score's section by its label.

use super::{
    message::{fail, list, quoted},
    scores::SoundScore,
};
use crate::domain::{Assessment, FailCode, Failure, Section, SectionMark, text::equal_key};

/// The marks of each section that has a score, in the order of the scores.
pub(super) fn section_marks(
    scores: Vec<SoundScore>,
    assessment: &Assessment,
) -> Result<Vec<SectionMark>, Failure> {
    let found: Vec<Vec<&Section>> =
        scores.iter().map(|score| matching(&score.label, &assessment.sections)).collect();
    let labels_where = |unwanted: fn(usize) -> bool| {
        let hits = scores.iter().zip(&found).filter(|(_, sections)| unwanted(sections.len()));
        list(hits.map(|(score, _)| quoted(&score.label)))
    };

    let unknown = labels_where(|sections| sections == 0);
    if !unknown.is_empty() {
        let message = format!("no section of assessment {} for {unknown}", quoted(&assessment.code));
        return Err(fail(FailCode::SectionMissing, message));
    }
    let unclear = labels_where(|sections| sections > 1);
    if !unclear.is_empty() {
        let message = format!("several sections of assessment {} for {unclear}", quoted(&assessment.code));
        return Err(fail(FailCode::SectionAmbiguous, message));
    }

    let sections: Vec<&Section> = found.into_iter().flatten().collect();
    let doubled = scores
        .iter()
        .zip(&sections)
        .filter(|(_, section)| sections.iter().filter(|other| other.id == section.id).count() > 1);
    let doubled = list(doubled.map(|(score, _)| quoted(&score.label)));
    if !doubled.is_empty() {
        return Err(fail(
            FailCode::SectionAmbiguous,
            format!("scores that differ for one section: {doubled}"),
        ));
    }

    let mark = |(score, section): (SoundScore, &Section)| SectionMark {
        section_id: section.id.clone(),
        marks_awarded: score.marks,
        feedback: score.comment,
    };
    Ok(scores.into_iter().zip(sections).map(mark).collect())
}

/// Sections whose text equals the label, else those whose text begins with it as whole words:
/// "Question 1" is not "Question 10".
fn matching<'a>(label: &str, sections: &'a [Section]) -> Vec<&'a Section> {
    let label = equal_key(label);
    let equal: Vec<&Section> =
        sections.iter().filter(|section| equal_key(&section.question_text) == label).collect();
    if !equal.is_empty() {
        return equal;
    }
    let begins = |section: &&Section| {
        let text = equal_key(&section.question_text);
        text.strip_prefix(label.as_ref()).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    sections.iter().filter(begins).collect()
}
