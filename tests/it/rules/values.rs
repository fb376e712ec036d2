//! What a migrated row becomes, value by value.

use rogo_migrate::{
    domain::{FileKind, Migration, NoteCode},
    rules::{
        blob_name::{blob_name, metadata},
        malpractice::RuleAge,
    },
};

use proptest::prelude::*;

use crate::support::rows::{Case, SOURCE, text};

/// What differs from a good row, which value is read, and what it must be.
type Row = (fn(&mut Case), fn(&Migration) -> String, &'static str);

fn same(_: &mut Case) {}

fn grade(grade: &'static str, code: &str) -> Case {
    let mut case = Case::good();
    case.report().grade = text(grade);
    case.assessment().code = code.into();
    case
}

const GUID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

const VALUES: &[Row] = &[
    (same, |m| m.attempt_number.to_string(), "2"),
    (|c| c.map("24_01", "Retake Attempt 1"), |m| m.attempt_number.to_string(), "1"),
    (same, |m| m.lms_user_id.replace(GUID, "G"), "G::11111111-1111-1111-1111-111111111111"),
    (|c| c.report().ti_user_id = text(" u "), |m| m.lms_user_id.replace(GUID, "G"), "G::u"),
    (same, |m| m.context_id.replace(GUID, "G"), "G::22222222-2222-2222-2222-222222222222"),
    (same, |m| m.return_url.clone(), "https://lms.example.org/section/22222222-2222-2222-2222-222222222222"),
    (same, |m| m.course_name.clone(), "5HR03 PQ Attempt 2"),
    (|c| c.report().exercise = text(" 5HR03  PQ "), |m| m.course_name.clone(), " 5HR03  PQ "),
    (|c| c.cells().course_title = " P ".into(), |m| m.context_title.clone(), "P"),
    (
        |c| {
            c.cells().course_title = " ".into();
            c.report().exercise = text(" 5HR03 PQ ");
        },
        |m| m.context_title.clone(),
        " 5HR03 PQ ",
    ),
    (
        |c| c.cells().first_name = " Ann ".into(),
        |m| format!("{}|{}|{}", m.first_name, m.last_name, m.full_name),
        "Ann|Lee|Ann Lee",
    ),
    (
        |c| c.cells().first_name = " ".into(),
        |m| format!("{}|{}|{}", m.first_name, m.last_name, m.full_name),
        "|Lee|Lee",
    ),
    (
        |c| c.cells().surname.clear(),
        |m| format!("{}|{}|{}", m.first_name, m.last_name, m.full_name),
        "Ann||Ann",
    ),
    (
        |c| {
            c.cells().first_name.clear();
            c.cells().surname.clear();
            c.cells().rogo_user_name = " alee ".into();
        },
        |m| m.full_name.clone(),
        "alee",
    ),
    (|c| c.cells().learner_email = " a@b.c\t".into(), |m| m.email.clone(), "a@b.c"),
    (same, |m| format!("{} {}", m.assessment_id, m.assessment_code), "id-5HR03_24 5HR03_24"),
    (same, |m| m.grade.total_marks_awarded.to_string(), "61"),
    (|c| c.report().marks_achieved = text("0"), |m| m.grade.total_marks_awarded.to_string(), "0"),
    (|c| c.report().marks_achieved = text(""), |m| m.grade.total_marks_awarded.to_string(), "60"),
    (same, |m| format!("{} {}", m.grade.total_marks_possible, m.grade.percentage_score), "100 61.5"),
    (same, |m| format!("{:?}", m.grade.overall_summary), "Some(\"Well argued\")"),
    (|c| c.report().marker_notes = text(" \n"), |m| format!("{:?}", m.grade.overall_summary), "None"),
    (same, |m| m.submitted_at.to_rfc3339(), "2024-05-03T12:00:00+00:00"),
    (
        |c| c.report().results_approved = text(""),
        |m| m.submitted_at.to_rfc3339(),
        "2024-05-01T10:11:12.123456+00:00",
    ),
    (same, |m| m.date_inserted.to_rfc3339(), "2024-05-01T10:11:12.123456+00:00"),
    (same, |m| m.date_modified.to_rfc3339(), "2024-05-02T00:00:00+00:00"),
    (
        |c| c.report().date_modified = text(""),
        |m| m.date_modified.to_rfc3339(),
        "2024-05-01T10:11:12.123456+00:00",
    ),
    (
        |c| c.config.warehouse_time_zone = chrono_tz::Europe::London,
        |m| m.submitted_at.to_rfc3339(),
        "2024-05-03T11:00:00+00:00",
    ),
    (same, |m| marks(m), "5HR03_24-1=30 Good; 5HR03_24-2=31 -"),
    (|c| c.facts.scores.reverse(), |m| marks(m), "5HR03_24-1=30 Good; 5HR03_24-2=31 -"),
    (
        |c| c.score().score = text("33.333333333333336"),
        |m| marks(m),
        "5HR03_24-1=33.333333333333336 Good; 5HR03_24-2=31 -",
    ),
    (|c| c.facts.scores.push(c.facts.scores[1].clone()), |m| marks(m), "5HR03_24-1=30 Good; 5HR03_24-2=31 -"),
    (|c| c.score().marker_comment = text(" x "), |m| marks(m), "5HR03_24-1=30 x; 5HR03_24-2=31 -"),
    (same, |m| names(m), "1 essay.docx; 2 notes.pdf; 3 5HR03_A_Ann-Lee_feedback.docx"),
    (
        |c| c.learner("a.docx,,c.docx", &format!("{SOURCE}/1,,{SOURCE}/3")),
        |m| names(m),
        "1 a.docx; 2 c.docx; 3 5HR03_A_Ann-Lee_feedback.docx",
    ),
    (
        |c| c.cells().marker_blob_urls = format!("{SOURCE}/f, ,{SOURCE}/g"),
        |m| names(m),
        "1 essay.docx; 2 notes.pdf; 3 5HR03_A_Ann-Lee_feedback_1.docx; 4 5HR03_A_Ann-Lee_feedback_2.docx",
    ),
    (|c| c.cells().assessment_id = " ".into(), |m| m.files[2].name.clone(), "5HR03_24_Ann-Lee_feedback.docx"),
    (
        |c| {
            c.cells().assessment_id.clear();
            c.assessment().code = " ".into();
        },
        |m| m.files[2].name.clone(),
        "feedback_987.docx",
    ),
    (
        |c| {
            c.cells().first_name = " Zoë J.".into();
            c.cells().surname = "O'Neil-Day_2".into();
        },
        |m| m.files[2].name.clone(),
        "5HR03_A_Zo__J_-O_Neil-Day_2_feedback.docx",
    ),
    (
        |c| {
            c.config.migrate_marker_only = true;
            c.learner("", "");
        },
        |m| names(m),
        "1 5HR03_A_Ann-Lee_feedback.docx",
    ),
    (same, |m| format!("{:?}", owners(m)), "[Some(\"u-1\"), Some(\"u-1\"), None]"),
    (
        |c| c.cells().rogo_user_id = " ".into(),
        |m| format!("{:?}", owners(m)),
        "[Some(\"ann@example.org\"), Some(\"ann@example.org\"), None]",
    ),
    (
        |c| c.learner("A.PDF,b", &format!("{SOURCE}/1,{SOURCE}/2")),
        |m| types(m),
        "pdf application/pdf application/pdf;  application/octet-stream application/octet-stream",
    ),
    (
        |c| c.learner("a.xlsx,b.JPG", &format!("{SOURCE}/1,{SOURCE}/2")),
        |m| types(m),
        "xlsx application/octet-stream application/vnd.openxmlformats-officedocument.spreadsheetml.sheet; \
         jpg image/jpeg image/jpeg",
    ),
    (
        |c| c.learner("a.txt,b.tar.gif", &format!("{SOURCE}/1,{SOURCE}/2")),
        |m| types(m),
        "txt text/plain text/plain; gif image/gif image/gif",
    ),
    (
        |c| c.learner("a.doc,b.png", &format!("{SOURCE}/1,{SOURCE}/2")),
        |m| types(m),
        "doc application/msword application/msword; png image/png image/png",
    ),
    (|c| c.learner("x/y\\z.pdf", &format!("{SOURCE}/1")), |m| m.files[0].name.clone(), "x/y\\z.pdf"),
    (
        same,
        |m| blob_name(m.attempt, &m.files[1], &"0123456789ab".parse().unwrap()),
        "LTI_Uploads/0123456789ab/987_2_notes.pdf",
    ),
    (
        same,
        |m| blob_name(m.attempt, &m.files[2], &"0123456789ab".parse().unwrap()),
        "Marker_files/0123456789ab/987_3_5HR03_A_Ann-Lee_feedback.docx",
    ),
    (same, |m| format!("{:?}", m.malpractice), "None"),
    (
        |c| c.report().grade = text(" Malpractices Considerable twice "),
        |m| malpractice(m),
        "Refer level-2 Malpractices Considerable twice Some(3) admin-1",
    ),
    (
        |c| c.report().grade = text("malpractice Moderate"),
        |m| malpractice(m),
        "Refer level-1 malpractice Moderate Some(3) admin-1",
    ),
    (
        |c| c.report().grade = text("Malpractice Severe"),
        |m| malpractice(m),
        "Refer level-3 Malpractice Severe Some(2) admin-1",
    ),
    (
        |c| c.report().grade = text("Malpractice Minor"),
        |m| malpractice(m),
        "Refer level-4 Malpractice Minor None admin-1",
    ),
];

fn marks(migration: &Migration) -> String {
    let mark = |mark: &rogo_migrate::domain::SectionMark| {
        format!("{}={} {}", mark.section_id, mark.marks_awarded, mark.feedback.as_deref().unwrap_or("-"))
    };
    migration.section_marks.iter().map(mark).collect::<Vec<_>>().join("; ")
}

fn names(migration: &Migration) -> String {
    let name = |file: &rogo_migrate::domain::PlannedFile| format!("{} {}", file.upload_order, file.name);
    migration.files.iter().map(name).collect::<Vec<_>>().join("; ")
}

fn owners(migration: &Migration) -> Vec<Option<&str>> {
    migration.files.iter().map(|file| file.uploaded_by.as_deref()).collect()
}

/// Of the learner's files.
fn types(migration: &Migration) -> String {
    let learner = migration.files.iter().filter(|file| file.kind == FileKind::Learner);
    learner
        .map(|f| format!("{} {} {}", f.file_type, f.file_mime_type, f.content_type))
        .collect::<Vec<_>>()
        .join("; ")
}

fn malpractice(migration: &Migration) -> String {
    let rule = migration.malpractice.as_ref().unwrap();
    let limit = rule.enforced_max_attempts;
    format!(
        "{} {} {} {limit:?} {}",
        migration.grade.final_grade, rule.level_id, rule.notes, rule.rule_applied_by
    )
}

#[test]
fn every_value_of_a_migrated_row_is_as_the_rules_say() {
    for (n, (change, read, expected)) in VALUES.iter().enumerate() {
        let mut case = Case::good();
        change(&mut case);
        assert_eq!(read(&case.migrate()), *expected, "value {n}");
    }
}

#[test]
fn the_final_grade_follows_the_level_of_the_assessment() {
    for (given, expected) in [
        ("Refer/Fail", ["Refer", "Refer", "Refer", "Refer", "Refer/Fail"]),
        ("Refer", ["Refer"; 5]),
        ("Fail", ["Refer", "Refer", "Refer", "Refer", "Fail"]),
        ("Pass", ["Pass", "Pass", "Pass", "Low Pass", "Pass"]),
        ("Merit", ["Merit", "Merit", "Merit", "Pass", "Merit"]),
        ("Distinction", ["Distinction", "Distinction", "Distinction", "High Pass", "Distinction"]),
        (" Pass ", ["Pass", "Pass", "Pass", "Low Pass", "Pass"]),
        ("pass", ["pass"; 5]),
        ("Withdrawn", ["Withdrawn"; 5]),
    ] {
        for (code, expected) in ["3CO", "4X", "5HR03", "7HR", "6X"].iter().zip(expected) {
            assert_eq!(grade(given, code).migrate().grade.final_grade, expected, "{given} of {code}");
        }
    }
    assert_eq!(grade("Pass", "").migrate().grade.final_grade, "Pass");
    assert_eq!(grade("Pass", " 7HR").migrate().grade.final_grade, "Low Pass");
}

#[test]
fn a_name_that_is_not_certain_is_taken_from_the_url_and_noted() {
    let urls = format!("{SOURCE}/1700000000000_e%20x.docx,{SOURCE}/1700000000001_?sig=secret");
    for (names_cell, expected, detail) in [
        ("a.docx,b.docx", "1 a.docx; 2 b.docx", None),
        ("a.docx, ", "1 a.docx; 2 learner_file_2", Some("2")),
        (",b.docx", "1 e x.docx; 2 b.docx", Some("1")),
        ("a, b.docx, c.docx", "1 e x.docx; 2 learner_file_2", Some("1, 2")),
        ("a.docx", "1 e x.docx; 2 learner_file_2", Some("1, 2")),
        ("a.docx,b.docx,", "1 e x.docx; 2 learner_file_2", Some("1, 2")),
        ("", "1 e x.docx; 2 learner_file_2", Some("1, 2")),
    ] {
        let mut case = Case::good();
        case.learner(names_cell, &urls);
        case.cells().marker_blob_urls.clear();
        case.cells().marker_files_count.clear();
        let migration = case.migrate();
        assert_eq!(names(&migration), expected, "{names_cell:?}");
        let notes: Vec<_> = migration.notes.iter().map(|note| (note.code, note.detail.as_str())).collect();
        let detail = detail.map(|files| format!("learner files by upload order: {files}"));
        let expected: Vec<_> =
            detail.iter().map(|detail| (NoteCode::NamesFromUrl, detail.as_str())).collect();
        assert_eq!(notes, expected, "{names_cell:?}");
    }
}

#[test]
fn metadata_names_the_attempt_the_run_and_the_try() {
    let attempt = Case::good().migrate().attempt;
    let (run, writer) = ("r1".parse().unwrap(), "0123456789ab".parse().unwrap());
    let as_text = |kind| format!("{:?}", metadata(attempt, kind, &run, &writer));
    let common = r#"("attemptId", "987"), ("migratedFrom", "rogo_warehouse"), ("run", "r1"), ("writer", "0123456789ab")"#;
    assert_eq!(as_text(FileKind::Learner), format!("[{common}]"));
    assert_eq!(as_text(FileKind::Marker), format!(r#"[{common}, ("fileType", "marker_feedback")]"#));
}

#[test]
fn a_migration_is_as_old_as_its_attempt_not_as_its_number() {
    let mut older = Case::good();
    older.map("24_01", "Attempt 3");
    let mut newer = Case::good();
    newer.map("24_01", "Retake Attempt 1");
    newer.report().date_inserted = text("2024-05-01 10:11:12.1234570");
    assert!(RuleAge::of_migration(&newer.migrate()) > RuleAge::of_migration(&older.migrate()));
}

#[test]
fn the_same_row_becomes_the_same_in_every_process() {
    assert_eq!(Case::good().migrate(), Case::good().migrate());
    assert_eq!(Case::good().migrate().notes, []);
}

/// The notes of a migrated row.
fn notes(case: &Case) -> Vec<(NoteCode, String)> {
    case.migrate().notes.into_iter().map(|note| (note.code, note.detail)).collect()
}

#[test]
fn a_count_that_names_another_number_than_the_list_holds_is_noted_with_both() {
    for (learner, marker, expected) in [
        ("2", "1", None),
        (" 2.0\u{a0}", "01", None),
        ("", "many", None),
        ("3", "1", Some("Learner Files Count is 3, the list of URLs holds 2")),
        ("1", "", Some("Learner Files Count is 1, the list of URLs holds 2")),
        ("3.0", "1.0", Some("Learner Files Count is 3, the list of URLs holds 2")),
        (
            "0",
            "2",
            Some(
                "Learner Files Count is 0, the list of URLs holds 2, Marker Files Count is 2, the list of URLs holds 1",
            ),
        ),
    ] {
        let mut case = Case::good();
        case.cells().learner_files_count = learner.into();
        case.cells().marker_files_count = marker.into();
        let expected: Vec<_> =
            expected.into_iter().map(|detail| (NoteCode::FilesCountDiffers, detail.to_owned())).collect();
        assert_eq!(notes(&case), expected, "{learner:?} {marker:?}");
    }
    let mut case = Case::good();
    case.learner("a,,c", &format!("{SOURCE}/1,,{SOURCE}/3"));
    case.cells().learner_files_count = "3".into();
    assert_eq!(notes(&case)[0].1, "Learner Files Count is 3, the list of URLs holds 2");
}

#[test]
fn text_that_was_misread_is_noted_by_its_columns_and_stored_as_it_came() {
    let mut case = Case::good();
    case.cells().first_name = "BjÃ¶rn".into();
    case.cells().learner_email = "bjÃ¶rn@example.org".into();
    case.cells().course_title = "Learning â€“ and more".into();
    case.cells().learner_file_names = "rÃ©sumÃ©.docx, notes.pdf".into();
    let migration = case.migrate();
    assert_eq!(migration.first_name, "BjÃ¶rn");
    assert_eq!(
        notes(&case),
        [(
            NoteCode::TextMisread,
            "looks like UTF-8 read as Windows-1252: First Name, Learner Email, Course Title, Learner File Names".into()
        )]
    );
}

proptest! {
    #[test]
    fn what_a_row_becomes_does_not_depend_on_the_order_of_the_warehouses_rows(
        marks in prop::collection::vec(0_u8..100, 4),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        unknown in any::<bool>(),
    ) {
        let mut case = Case::good();
        let sections = ["Question 10", "Question 2", "Question 1", "Essay"];
        case.catalogue.assessments = vec![crate::support::rows::assessment("5HR03 PQ 24_01", "5HR03_24", &sections)];
        let mut scores: Vec<_> = sections
            .iter()
            .zip(&marks)
            .map(|(label, mark)| {
                let mut score = case.facts.scores[0].clone();
                score.label = text(label);
                score.score = text(&mark.to_string());
                score
            })
            .collect();
        scores.push(scores[1].clone());
        scores.push(scores[3].clone());
        if unknown {
            scores[4].label = text("Question 7");
            scores[5].label = text("Question 8");
        }
        case.facts.scores = scores.clone();
        let expected = case.decide();
        case.facts.scores = order.iter().map(|place| scores[*place].clone()).collect();
        prop_assert_eq!(case.decide(), expected);
    }
}
