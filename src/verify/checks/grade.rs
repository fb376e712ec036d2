//! The grade's assessment, and its malpractice level.

use super::{
    super::{
        expect::text::{equal_key, trim, words},
        findings::{Findings, Kind, Lack, Place, Want},
        nothing::Nothing,
        rows::{Beside, StoredSubmission},
        table::CheckId,
    },
    Ground,
};
use crate::ports::{Cell, Table};

/// The name of the assessment begins with the exercise's first two words and ends with the mapping's unit version; an
/// assessment of exactly that name wins over others.
fn is_of(ground: &Ground<'_>, exercise: &str, version: &str, name: &str) -> bool {
    let first: Vec<&str> = words(exercise).take(2).collect();
    let version = equal_key(version);
    let exact = format!("{} {version}", first.join(" "));
    let key = equal_key(name);
    let begins = words(name).take(2).eq(first.iter().copied()) && first.len() == 2;
    let is_exact = key == exact;
    let exact_exists = || ground.catalogue.assessments.values().any(|(name, _)| equal_key(name) == exact);
    begins && key.ends_with(&version) && (is_exact || !exact_exists())
}

/// The assessment of the grade is the one that exercise and version name.
pub fn assessment(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let check = CheckId::GradeAssessment;
    if ground.lacks(Table::Grades, "assessment_id").is_some() {
        return findings.nothing(check, Nothing::TargetAlters);
    }
    let lack = match (&beside.expected.report, beside.code) {
        (Err(lack), _) => Some(*lack),
        (_, Err(lack)) if lack != Lack::Row => Some(lack),
        _ => beside.expected.unit_version.is_none().then_some(Lack::Inputs),
    };
    if let Some(lack) = lack {
        return findings.lacking(check, lack);
    }
    let (Ok(report), Some(version)) = (&beside.expected.report, &beside.expected.unit_version) else {
        return;
    };
    if stored.grades.is_empty() {
        return;
    }
    let name = super::assessment(ground, stored).map(|(name, _)| name);
    let holds = name.is_some_and(|name| is_of(ground, &report.exercise, version, name));
    findings.holds(check, holds, Kind::Changed, || {
        "submission_grades.assessment_id is not the assessment of exercise and unit version".to_owned()
    });
}

/// The level that the grade names, else null.
pub fn malpractice(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let check = CheckId::MalpracticeNotes;
    let table = Table::Grades;
    let report = match &beside.expected.report {
        _ if ground.unreadable.contains(&table) => return findings.lacking(check, Lack::Table(table)),
        Err(lack) => return findings.lacking(check, *lack),
        Ok(report) => report,
    };
    let (Some(row), Some(column)) = (stored.grades.first(), table.place("malpractice_level_id")) else {
        return;
    };
    let place = Place { table, column: "malpractice_level_id", n: 0 };
    match &report.grade.malpractice {
        None => findings.value(check, &place, Want::Null, row.at(column)),
        Some(_) if !ground.catalogue_is_known => findings.lacking(check, Lack::Catalogue),
        Some(level) => {
            let text = match row.at(column) {
                Cell::Text(id) => ground.catalogue.levels.get(id),
                _ => None,
            };
            let holds = text.is_some_and(|text| trim(text) == level);
            findings.column_holds(check, (table, place.column), holds, || {
                format!("{place} is not the level that the grade names")
            });
        }
    }
}
