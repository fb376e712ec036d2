//! One row at least for every code that row, mapping, warehouse and files alone can cause, in the order of the rules.

use super::Plant::{self, One, Two};
use crate::{
    domain::{
        FailCode::{
            AssessmentAmbiguous, AssessmentMissing, AttemptIdInvalid, AttemptNumberMissing, ContextIdInvalid,
            ExerciseInvalid, FileCorrupt, FileMissing, FileUrlForeign, GradeMissed, LearnerEmailMissing,
            MalpracticeLevelMissing, MalpracticeLevelUnknown, MappingAmbiguous, MappingMissing, NoFiles,
            NoLearnerFiles, ReportAmbiguous, ReportIncomplete, ReportInvalid, ReportMissing, RowInvalid,
            ScoreIncomplete, SectionAmbiguous, SectionMissing, SubmissionTextMissing, UnitVersionMissing,
        },
        NoteCode::NamesFromUrl,
        SkipCode::{DuplicateRow, UnitVersionExcluded},
    },
    sample::draft::{Draft, MappingLine, Stored},
};

pub(super) const PLANTS: &[Plant] = &[
    One(|row| invalid_attempt(row, "12345abc")),
    One(|row| {
        row.first_name.push('\0');
        row.fails(RowInvalid);
    }),
    Two(duplicate),
    One(|row| {
        row.mapping.clear();
        row.fails(MappingMissing);
    }),
    One(|row| {
        let attempt = row.attempt.to_string();
        row.mapping.push(MappingLine { attempt, version: "25_02".into(), submission: "Attempt 9".into() });
        row.fails(MappingAmbiguous);
    }),
    One(|row| {
        row.set_version(" ");
        row.fails(UnitVersionMissing);
    }),
    One(|row| {
        row.set_version("22_01");
        row.skips(UnitVersionExcluded);
    }),
    One(|row| {
        row.set_submission("  ");
        row.fails(SubmissionTextMissing);
    }),
    One(|row| {
        row.set_submission("Attempt2");
        row.fails(AttemptNumberMissing);
    }),
    One(|row| {
        row.reports.clear();
        row.fails(ReportMissing);
    }),
    One(|row| {
        row.reports.extend(row.reports.clone().into_iter().map(|mut report| {
            report.notes.push_str(" (entered twice)");
            report
        }));
        row.fails(ReportAmbiguous);
    }),
    One(|row| {
        row.report(|report| {
            report.grade = "   ".into();
            report.available.clear();
            report.inserted.clear();
        });
        row.fails(ReportIncomplete);
    }),
    One(|row| {
        row.report(|report| report.available = "1e39".into());
        row.fails(ReportInvalid);
    }),
    One(|row| {
        row.report(|report| report.section.push_str("::7"));
        row.fails(ContextIdInvalid);
    }),
    One(|row| {
        row.set_score("Question 1", "");
        row.fails(ScoreIncomplete);
    }),
    One(|row| {
        row.email = " ".into();
        row.fails(LearnerEmailMissing);
    }),
    One(|row| {
        row.set_exercise("5KX03");
        row.fails(ExerciseInvalid);
    }),
    One(|row| {
        row.set_exercise("5XX99 PQ Attempt 1");
        row.fails(AssessmentMissing);
    }),
    One(|row| {
        row.set_exercise("5AM90 PQ Attempt 1");
        row.fails(AssessmentAmbiguous);
    }),
    One(|row| {
        row.set_score("Question 9", "4");
        row.fails(SectionMissing);
    }),
    One(|row| {
        row.set_exercise("5SA94 PQ Attempt 1");
        row.set_score("Question 2", "4");
        row.fails(SectionAmbiguous);
    }),
    One(|row| {
        row.set_grade("Grade Missed");
        row.fails(GradeMissed);
    }),
    One(|row| {
        row.set_grade("Malpractice");
        row.fails(MalpracticeLevelMissing);
    }),
    One(|row| {
        row.set_grade("Malpractice Gigantic");
        row.fails(MalpracticeLevelUnknown);
    }),
    One(|row| {
        row.learner_files.clear();
        row.marker_files.clear();
        row.fails(NoFiles);
    }),
    One(|row| {
        row.learner_files.clear();
        row.fails(NoLearnerFiles);
    }),
    One(|row| foreign(row, "https://files.elsewhere.example/learner/1/essay.docx")),
    One(|row| store(row, Stored::Missing)),
    One(|row| store(row, Stored::Corrupt)),
    One(|row| {
        row.set_learner_files(&["Essay, final version.docx"]);
        row.notes(NamesFromUrl);
    }),
    // The same codes by other causes.
    One(|row| invalid_attempt(row, "")),
    One(|row| invalid_attempt(row, "-1")),
    One(|row| invalid_attempt(row, "999999999999999999999999999999")),
    One(|row| invalid_attempt(row, "2147483648")),
    One(|row| {
        row.set_version("23_02");
        row.skips(UnitVersionExcluded);
    }),
    One(|row| {
        row.report(|report| report.achieved.clear());
        row.fails(ReportIncomplete);
    }),
    One(|row| {
        row.report(|report| report.percent = "12,5".into());
        row.fails(ReportInvalid);
    }),
    One(|row| {
        row.report(|report| report.inserted = "31 Feb 2024".into());
        row.fails(ReportInvalid);
    }),
    One(|row| {
        row.report(|report| report.notes = "see\0below".into());
        row.fails(ReportInvalid);
    }),
    One(|row| {
        row.set_score("  ", "4");
        row.fails(ScoreIncomplete);
    }),
    One(|row| {
        row.set_score("Question 1", "four");
        row.fails(ScoreIncomplete);
    }),
    One(|row| {
        row.set_exercise("5kx03 pq Attempt 1");
        row.fails(AssessmentMissing);
    }),
    One(|row| {
        row.set_score("Question 1", "4");
        row.scores.extend(row.scores.clone().into_iter().map(|mut score| {
            score.score = "5".into();
            score
        }));
        row.fails(SectionAmbiguous);
    }),
    One(|row| {
        row.set_grade("GRADE MISSED");
        row.fails(GradeMissed);
    }),
    One(|row| {
        row.set_grade("Malpractice Historic");
        row.fails(MalpracticeLevelUnknown);
    }),
    One(|row| foreign(row, "{base}/learner/../../secret/essay.docx")),
    One(|row| foreign(row, "{base}/learner/%2e%2E/%2e%2e/secret/essay.docx")),
    One(|row| foreign(row, "{base}-archive/learner/1/essay.docx")),
    One(|row| foreign(row, "{base as somebody}/learner/1/essay.docx")),
    One(|row| foreign(row, "see the shared folder")),
];

fn invalid_attempt(row: &mut Draft, cell: &str) {
    cell.clone_into(&mut row.attempt_cell);
    row.fails(AttemptIdInvalid);
}

/// The older row names the newer one's attempt, with leading zeros: attempt ids are numbers.
fn duplicate(older: &mut Draft, newer: &mut Draft) {
    older.attempt = newer.attempt;
    older.attempt_cell = format!("00{}", newer.attempt);
    older.mapping.clear();
    older.reports.clear();
    older.scores.clear();
    older.skips(DuplicateRow);
}

fn foreign(row: &mut Draft, url: &str) {
    row.set_learner_files(&["essay.docx"]);
    row.learner_files.iter_mut().for_each(|file| file.stored = Stored::Missing);
    row.urls_cell = Some(url.to_owned());
    row.fails(FileUrlForeign);
}

/// The learner's last file is missing or corrupt, after others that are sound.
fn store(row: &mut Draft, stored: Stored) {
    row.learner_files.iter_mut().rev().take(1).for_each(|file| file.stored = stored);
    row.fails(if stored == Stored::Missing { FileMissing } else { FileCorrupt });
}
