//! Finds each score's section by its label.

use super::{
    message::{fail, list, quoted},
    scores::SoundScore,
};
use crate::domain::{
    Assessment, FailCode, Failure, Section, SectionMark,
    text::{OTHER_FORM, equal_key, in_one_form},
};

/// The marks of each section that has a score, in the order of the assessment's sections: ids are counted from it, so
/// it must not depend on the order in which the warehouse sends rows.
pub(super) fn section_marks(
    scores: Vec<SoundScore>,
    assessment: &Assessment,
) -> Result<Vec<SectionMark>, Failure> {
    let found: Vec<Vec<(usize, &Section)>> =
        scores.iter().map(|score| matching(&score.label, &assessment.sections)).collect();
    let labels_where = |unwanted: fn(usize) -> bool| {
        let hits = scores.iter().zip(&found).filter(|(_, sections)| unwanted(sections.len()));
        list(hits.map(|(score, _)| quoted(&score.label)))
    };

    let unknown = labels_where(|sections| sections == 0);
    if !unknown.is_empty() {
        let mut missing = scores.iter().zip(&found).filter(|(_, sections)| sections.is_empty());
        let alike = missing.find_map(|(score, _)| in_another_form(&score.label, &assessment.sections));
        let alike = alike.map(|text| format!("; section {} {OTHER_FORM}", quoted(text))).unwrap_or_default();
        let message = format!("no section of assessment {} for {unknown}{alike}", quoted(&assessment.code));
        return Err(fail(FailCode::SectionMissing, message));
    }
    let unclear = labels_where(|sections| sections > 1);
    if !unclear.is_empty() {
        let message = format!("several sections of assessment {} for {unclear}", quoted(&assessment.code));
        return Err(fail(FailCode::SectionAmbiguous, message));
    }

    let mut marks: Vec<(usize, &Section, SoundScore)> = found
        .into_iter()
        .flatten()
        .zip(scores)
        .map(|((place, section), score)| (place, section, score))
        .collect();
    marks.sort_by_key(|(place, ..)| *place);
    let doubled = marks.chunk_by(|(a, ..), (b, ..)| a == b).filter(|scores| scores.len() > 1).flatten();
    let doubled = list(doubled.map(|(.., score)| quoted(&score.label)));
    if !doubled.is_empty() {
        return Err(fail(
            FailCode::SectionAmbiguous,
            format!("scores that differ for one section: {doubled}"),
        ));
    }

    let mark = |(_, section, score): (usize, &Section, SoundScore)| SectionMark {
        section_id: section.id.clone(),
        marks_awarded: score.marks,
        feedback: score.comment,
    };
    Ok(marks.into_iter().map(mark).collect())
}

/// The sections of an assessment that a score's label matches; one, if the row is sound.
pub fn sections_of_label<'a>(label: &str, sections: &'a [Section]) -> Vec<&'a Section> {
    matching(label, sections).into_iter().map(|(_, section)| section).collect()
}

/// Text of a section that the label, which matches none, would match in the same Unicode form.
fn in_another_form<'a>(label: &str, sections: &'a [Section]) -> Option<&'a str> {
    let label = equal_key(label);
    let label = in_one_form(&label);
    let mut texts = sections.iter().map(|section| section.question_text.as_str());
    texts.find(|text| in_one_form(&equal_key(text)).strip_prefix(label.as_ref()).is_some_and(goes_on_with))
}

/// Sections, each with its place, whose text equals the label, else those whose text begins with it as whole words:
/// "Question 1" is not "Question 10".
fn matching<'a>(label: &str, sections: &'a [Section]) -> Vec<(usize, &'a Section)> {
    let label = equal_key(label);
    let found = |matches: &dyn Fn(&str) -> bool| -> Vec<(usize, &'a Section)> {
        let all = sections.iter().enumerate();
        all.filter(|(_, section)| matches(&equal_key(&section.question_text))).collect()
    };
    let equal = found(&|text| text == label);
    if !equal.is_empty() {
        return equal;
    }
    found(&|text| text.strip_prefix(label.as_ref()).is_some_and(goes_on_with))
}

/// Whether a text that begins with a label may go on so.
fn goes_on_with(rest: &str) -> bool {
    !rest.starts_with(char::is_alphanumeric)
}
