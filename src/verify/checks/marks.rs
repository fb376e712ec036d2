//! The marks of sections: the warehouse's scores in number, section, value and comment.

use super::{
    super::{
        expect::{report::ExpectedScore, text::equal_key},
        findings::{Findings, Kind, Lack, Place, Want},
        rows::{Beside, StoredSubmission},
        table::CheckId,
    },
    Ground, assessment_id,
};
use crate::ports::{Cell, StoredRow, Table};

const ALL: [CheckId; 4] =
    [CheckId::MarksPresent, CheckId::MarksSections, CheckId::MarksValues, CheckId::MarksComments];

/// One stored mark for each score, at the section that its label names.
pub fn marks(ground: &Ground<'_>, beside: &Beside<'_>, stored: &StoredSubmission, findings: &mut Findings) {
    let table = Table::Marks;
    let lack_all =
        |findings: &mut Findings, lack| ALL.into_iter().for_each(|check| findings.lacking(check, lack));
    if ground.unreadable.contains(&table) {
        return lack_all(findings, Lack::Table(table));
    }
    let scores = match &beside.expected.scores {
        Err(lack) => return lack_all(findings, *lack),
        Ok(scores) => scores,
    };
    let is_as_many = stored.marks.len() == scores.len();
    let kind = if stored.marks.len() < scores.len() { Kind::Absent } else { Kind::Surplus };
    findings.holds(CheckId::MarksPresent, is_as_many, kind, || {
        format!("submission_section_marks has {} of {} rows", stored.marks.len(), scores.len())
    });
    let submission = beside.expected.ids.row(Table::Submissions.name(), 1);
    for (n, row) in (1..).zip(&stored.marks) {
        let at = Place { table, column: "submission_id", n };
        findings.value(CheckId::MarksPresent, &at, Want::text(&submission), cell(row, "submission_id"));
    }
    if let Some(lack) = ground.lacks(Table::Grades, "assessment_id") {
        let [_, at_sections @ ..] = ALL;
        return at_sections.into_iter().for_each(|check| findings.lacking(check, lack));
    }
    let sections = match assessment_id(stored) {
        _ if !ground.catalogue_is_known => return lack_all(findings, Lack::Catalogue),
        None => return,
        Some(id) => ground.catalogue.sections.get(id).map(Vec::as_slice).unwrap_or_default(),
    };
    for score in scores {
        one(beside, score, sections, stored, findings);
    }
}

fn one(
    beside: &Beside<'_>,
    score: &ExpectedScore,
    sections: &[(String, String)],
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let meant = matching(&score.label, sections);
    let found = match meant.as_slice() {
        [section] => stored.marks.iter().position(|row| row.text(section_place()) == Some(*section)),
        _ => None,
    };
    findings.holds(CheckId::MarksSections, found.is_some(), Kind::Changed, || {
        "submission_section_marks.section_id: no row stands at the section that a score's label names"
            .to_owned()
    });
    let Some((n, row)) = found.and_then(|place| Some((place + 1, stored.marks.get(place)?))) else { return };
    let at = |column| Place { table: Table::Marks, column, n };
    findings.value(
        CheckId::MarksValues,
        &at("marks_awarded"),
        beside.number(Table::Marks, "marks_awarded", &score.value),
        cell(row, "marks_awarded"),
    );
    let comment = Want::optional(score.comment.as_deref());
    findings.value(CheckId::MarksComments, &at("feedback"), comment, cell(row, "feedback"));
}

fn section_place() -> usize {
    Table::Marks.place("section_id").unwrap_or_default()
}

fn cell<'r>(row: &'r StoredRow, column: &str) -> &'r Cell {
    Table::Marks.place(column).map_or(&Cell::Null, |place| row.at(place))
}

/// Ids of the sections whose text equals the label, else of those that begin with it as whole words.
fn matching<'s>(label: &str, sections: &'s [(String, String)]) -> Vec<&'s str> {
    let label = equal_key(label);
    let those = |fits: &dyn Fn(&str) -> bool| -> Vec<&'s str> {
        let fitting = sections.iter().filter(|(_, text)| fits(&equal_key(text)));
        fitting.map(|(id, _)| id.as_str()).collect()
    };
    let equal = those(&|text| text == label);
    if !equal.is_empty() {
        return equal;
    }
    let behind = |text: &str| text.strip_prefix(label.as_str()).and_then(|rest| rest.chars().next());
    those(&|text| behind(text).is_some_and(|next| !next.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_the_section_that_equals_it_else_the_one_that_begins_with_it() {
        let sections = ["Question 1", "Question 10", "Question 2: essay", "Question 2"];
        let sections: Vec<(String, String)> =
            sections.iter().enumerate().map(|(n, text)| (n.to_string(), (*text).to_owned())).collect();
        assert_eq!(matching("Question\u{a0}1", &sections), ["0"]);
        assert_eq!(matching("Question 2", &sections), ["3"]);
        assert_eq!(matching("Question 2:", &sections), ["2"]);
        assert_eq!(matching("Question", &sections), ["0", "1", "2", "3"]);
    }
}
