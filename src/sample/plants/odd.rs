//! Odd but valid: rows that a careless reader would lose, and that must migrate.

use super::Plant::{self, One, Two};
use crate::{
    domain::NoteCode::{FilesCountDiffers, NamesFromUrl, TextMisread},
    sample::draft::{Draft, MappingLine, ScoreLine, Stored},
};

pub(super) const PLANTS: &[Plant] = &[
    // Inputs: numbers with leading zeros and blanks, equal mapping rows, texts of every kind.
    One(|row| {
        row.attempt_cell = format!(" 000{}\t", row.attempt);
        row.mapping.iter_mut().for_each(|line| line.attempt.insert_str(0, "0000"));
    }),
    One(|row| row.mapping.extend(row.mapping.clone())),
    One(|row| row.set_submission("Retake Attempt 1")),
    One(|row| row.set_submission("Attempt of the second kind, final ATTEMPT \t 2")),
    One(|row| row.set_version("25_xx")),
    One(|row| {
        row.first_name = " ".into();
        row.surname.clear();
        row.rogo_user_name = "  Quill, Ada  ".into();
    }),
    One(|row| {
        row.first_name = "Anne \"Annie\"".into();
        row.surname = "Doe, Jr.".into();
        row.course_title = "Line one\nline \"two\", with a comma\r\nline three".into();
    }),
    One(|row| row.course_title = "   ".into()),
    One(|row| {
        row.rogo_user_id.clear();
        row.email = format!("  {} ", row.email);
    }),
    // Warehouse.
    One(|row| row.reports.extend(row.reports.clone())),
    One(|row| {
        row.set_score("Question 1", "7.25");
        row.scores.extend(row.scores.clone());
    }),
    One(|row| row.scores.clear()),
    One(|row| {
        row.scores = vec![
            ScoreLine { label: "Question 10".into(), score: "0".into(), comment: "  ".into() },
            ScoreLine { label: "Question 1".into(), score: "1.5E1".into(), comment: "a,\"b\"\nc".into() },
        ];
    }),
    One(|row| {
        row.report(|report| {
            report.awarded = std::mem::take(&mut report.achieved);
            report.approved.clear();
            report.modified.clear();
        });
    }),
    One(|row| {
        row.report(|report| {
            report.achieved = "0".into();
            report.awarded = "55".into();
        });
    }),
    One(|row| {
        row.report(|report| {
            report.inserted = "1900-01-01 00:00:00.000".into();
            report.modified = "9999-12-31 23:59:59.997".into();
        });
    }),
    One(|row| {
        let unit = row.unit.0.replace(' ', " \t ");
        row.set_exercise(&format!("  {unit}   Attempt 2 "));
    }),
    One(|row| row.report(|report| report.section = report.section.to_uppercase())),
    // Assessments: the exact name wins; an archived one counts; blanks around a name do not.
    One(|row| special(row, "5EX91 PQ")),
    One(|row| special(row, "5AR92 PQ")),
    One(|row| special(row, "5TR93 PQ")),
    // Grades of every kind of code.
    One(|row| graded(row, ("3FN11 WR", "Essentials of Practice"), "Refer/Fail")),
    One(|row| graded(row, ("4BK07 PQ", "Planning and Review"), "Fail")),
    One(|row| graded(row, ("5KX03 PQ", "Rewarding Performance"), "Distinction")),
    One(|row| graded(row, ("7ZL02 CS", "Strategy in Context"), "Merit")),
    One(|row| graded(row, ("7ZL02 CS", "Strategy in Context"), "Pass")),
    One(|row| graded(row, ("CRT09 WR", "Certificate \"Bridge\" Unit"), "Refer/Fail")),
    Two(|older, newer| {
        older.set_grade("Malpractice Severe - appeal heard");
        newer.set_grade("malpractice  Severe");
    }),
    // Files.
    One(|row| {
        row.set_learner_files(&["a.docx", "b.docx"]);
        row.names_cell = Some("a.docx, b.docx ,".into());
        row.urls_cell = Some(format!("{} , {},", url(row, 0), url(row, 1)));
    }),
    One(|row| {
        // A blank URL drops its name too.
        row.set_learner_files(&["a.docx", "c.docx"]);
        row.names_cell = Some("a.docx,b.docx,c.docx".into());
        row.urls_cell = Some(format!("{},,{}", url(row, 0), url(row, 1)));
    }),
    One(|row| {
        row.set_learner_files(&["report.pdf", "annex.pdf"]);
        row.names_cell = Some("report.pdf, ".into());
        row.notes(NamesFromUrl);
    }),
    One(|row| {
        // Nothing of the URL's name is left: learner_file_1.
        row.set_learner_files(&[""]);
        row.notes(NamesFromUrl);
    }),
    One(|row| {
        // Blanks and letters as they are, not percent-encoded.
        row.set_learner_files(&["Zusammenfassung für Ädne.docx"]);
        row.urls_cell = row.learner_files.first().map(|file| format!("{{base}}/{}", file.blob));
    }),
    One(|row| row.set_learner_files(&["🎓 thesis \"final\".pdf"])),
    One(|row| {
        // The old system's name holds characters that a blob name must not have; the blob has a plain name.
        row.set_learner_files(&["x"]);
        row.names_cell = Some("C:\\Users\\me/../essay.docx".into());
    }),
    One(|row| {
        row.set_learner_files(&["x"]);
        row.names_cell = Some(format!("{}.docx", "long name ".repeat(30).trim_end()));
    }),
    One(|row| {
        // Names that a storage service changes or refuses.
        row.set_learner_files(&["x", "y", "z"]);
        row.names_cell = Some("essay.docx. .,v1...,a\u{202e}b\u{e000}c\u{fffd}.pdf".into());
    }),
    One(|row| {
        // The export was cut: the row announces a file that it does not bring.
        row.count_cell = Some((row.learner_files.len() + 1).to_string());
        row.notes(FilesCountDiffers);
    }),
    One(|row| {
        // UTF-8 that a spreadsheet read as Windows-1252.
        row.first_name = "BjÃ¶rn".into();
        row.course_title = "Learning â€“ and Development".into();
        row.notes(TextMisread);
    }),
    One(|row| {
        // Blanks that no one sees, wherever texts are trimmed or compared.
        row.attempt_cell = format!("\u{a0}{}\u{a0}", row.attempt);
        row.email = format!("\u{a0}{}\u{a0}", row.email);
        row.set_submission("Attempt\u{a0}2");
        row.set_exercise(&format!("{} Attempt 2", row.unit.0.replace(' ', "\u{a0}")));
        row.set_score("\u{feff}Question\u{a0}\u{200b}1", "7");
    }),
    One(|row| row.set_marker_files(0)),
    One(|row| {
        row.set_marker_files(3);
        row.assessment_id.clear();
    }),
    // A row of the mapping that differs only for another attempt does no harm.
    One(|row| {
        let attempt = row.unused_attempt().to_string();
        row.mapping.push(MappingLine { attempt, version: "21_01".into(), submission: String::new() });
    }),
    // The same file twice is two files.
    One(|row| {
        row.set_learner_files(&["twice.pdf"]);
        let twice = url(row, 0);
        row.names_cell = Some("twice.pdf,twice.pdf".into());
        row.urls_cell = Some(format!("{twice},{twice}"));
    }),
];

/// The row's learner file at this place, as a URL cell holds it.
fn url(row: &Draft, place: usize) -> String {
    row.learner_files
        .get(place)
        .filter(|file| file.stored == Stored::Sound)
        .map_or_else(String::new, |file| format!("{{base}}/{}", file.encoded_blob()))
}

/// One of the assessments that the seed of the target makes for this purpose.
fn special(row: &mut Draft, unit: &str) {
    row.set_exercise(&format!("{unit} Attempt 1"));
    row.set_score("Question 1", "4");
}

fn graded(row: &mut Draft, unit: (&'static str, &'static str), grade: &str) {
    row.unit = unit;
    row.set_exercise(&format!("{} Attempt 2", unit.0));
    row.set_grade(grade);
}
