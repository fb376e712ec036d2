//! The decision table, rows 8 to 10: what the warehouse says.

use chrono::DateTime;
use rogo_migrate::domain::{FailCode::*, Report, Score, Value};

use super::{Fails, Migrates, Row, second_report};
use crate::support::rows::text;

pub const ROWS: &[Row] = &[
    // 8
    ("no report", |c| c.facts.reports.clear(), Fails(ReportMissing, "Rogo_AssessmentReport")),
    ("reports that differ", second_report, Fails(ReportAmbiguous, "2 rows")),
    (
        "three reports, the last differs",
        |c| {
            c.facts.reports.push(c.facts.reports[0].clone());
            second_report(c);
        },
        Fails(ReportAmbiguous, "3 rows"),
    ),
    ("two equal reports", |c| c.facts.reports.push(c.facts.reports[0].clone()), Migrates),
    (
        "reports that differ in blanks only",
        |c| {
            let mut copy = c.facts.reports[0].clone();
            let Value::Text(exercise) = &copy.exercise else { panic!("{copy:?}") };
            copy.exercise = text(&format!(" {}\u{200b}", exercise.replace(' ', "\u{a0} ")));
            c.report().marker_notes = Value::Null;
            copy.marker_notes = text(" \u{feff}");
            c.facts.reports.push(copy);
        },
        Migrates,
    ),
    (
        "reports that differ in a blank that parts a word",
        |c| {
            let mut copy = c.facts.reports[0].clone();
            let Value::Text(exercise) = &copy.exercise else { panic!("{copy:?}") };
            copy.exercise = text(&format!("{} {}", &exercise[..1], &exercise[1..]));
            c.facts.reports.push(copy);
        },
        Fails(ReportAmbiguous, "2 rows"),
    ),
    // 9, missing
    ("Exercise null", |c| c.report().exercise = Value::Null, Fails(ReportIncomplete, "Exercise")),
    ("Exercise blank", |c| c.report().exercise = text("\t"), Fails(ReportIncomplete, "Exercise")),
    ("TIUserId null", |c| c.report().ti_user_id = Value::Null, Fails(ReportIncomplete, "TIUserId")),
    ("TIUserId blank", |c| c.report().ti_user_id = text(" "), Fails(ReportIncomplete, "TIUserId")),
    ("TISectionId null", |c| c.report().ti_section_id = Value::Null, Fails(ReportIncomplete, "TISectionId")),
    ("TISectionId blank", |c| c.report().ti_section_id = text(""), Fails(ReportIncomplete, "TISectionId")),
    ("Grade null", |c| c.report().grade = Value::Null, Fails(ReportIncomplete, "Grade")),
    ("Grade blank", |c| c.report().grade = text("\u{a0}"), Fails(ReportIncomplete, "Grade")),
    (
        "MarksAvailable null",
        |c| c.report().marks_available = Value::Null,
        Fails(ReportIncomplete, "MarksAvailable"),
    ),
    (
        "MarksAvailable blank",
        |c| c.report().marks_available = text(" "),
        Fails(ReportIncomplete, "MarksAvailable"),
    ),
    (
        "GradePercent null",
        |c| c.report().grade_percent = Value::Null,
        Fails(ReportIncomplete, "GradePercent"),
    ),
    (
        "DateInserted null",
        |c| c.report().date_inserted = Value::Null,
        Fails(ReportIncomplete, "DateInserted"),
    ),
    (
        "both marks null",
        |c| {
            c.report().marks_achieved = Value::Null;
            c.report().marks_awarded = Value::Null;
        },
        Fails(ReportIncomplete, "MarksAchieved and MarksAwarded"),
    ),
    (
        "everything missing",
        |c| *c.report() = Report::default(),
        Fails(
            ReportIncomplete,
            "TIUserId, TISectionId, Exercise, Grade, MarksAchieved and MarksAwarded, \
             MarksAvailable, GradePercent, DateInserted",
        ),
    ),
    (
        "one missing and one invalid",
        |c| {
            c.report().marks_available = text("x");
            c.report().date_inserted = Value::Null;
        },
        Fails(ReportIncomplete, "!MarksAvailable"),
    ),
    ("MarksAchieved null", |c| c.report().marks_achieved = Value::Null, Migrates),
    ("MarksAchieved blank text", |c| c.report().marks_achieved = text(" "), Migrates),
    ("MarksAwarded null", |c| c.report().marks_awarded = Value::Null, Migrates),
    ("MarksAwarded no number where it is not used", |c| c.report().marks_awarded = text("x"), Migrates),
    (
        "MarkerNotes, ResultsApproved, DateModified null",
        |c| {
            c.report().marker_notes = Value::Null;
            c.report().results_approved = Value::Null;
            c.report().date_modified = Value::Null;
        },
        Migrates,
    ),
    ("no scores", |c| c.facts.scores.clear(), Migrates),
    // 9, invalid numbers
    (
        "MarksAchieved no number",
        |c| c.report().marks_achieved = text("sixty"),
        Fails(ReportInvalid, "MarksAchieved (not a number)"),
    ),
    (
        "MarksAwarded no number where it is used",
        |c| {
            c.report().marks_achieved = Value::Null;
            c.report().marks_awarded = text("x");
        },
        Fails(ReportInvalid, "MarksAwarded (not a number)"),
    ),
    (
        "MarksAvailable 12,5",
        |c| c.report().marks_available = text("12,5"),
        Fails(ReportInvalid, "MarksAvailable"),
    ),
    (
        "MarksAvailable 1e39",
        |c| c.report().marks_available = text("1e39"),
        Fails(ReportInvalid, "does not fit"),
    ),
    (
        "MarksAvailable 1e39 as float",
        |c| c.report().marks_available = Value::Number(1e39),
        Fails(ReportInvalid, "does not fit"),
    ),
    ("GradePercent 61%", |c| c.report().grade_percent = text("61%"), Fails(ReportInvalid, "GradePercent")),
    ("GradePercent NaN", |c| c.report().grade_percent = text("NaN"), Fails(ReportInvalid, "GradePercent")),
    ("GradePercent inf", |c| c.report().grade_percent = text("inf"), Fails(ReportInvalid, "GradePercent")),
    (
        "GradePercent true",
        |c| c.report().grade_percent = Value::Bool(true),
        Fails(ReportInvalid, "GradePercent"),
    ),
    (
        "GradePercent 1e-60",
        |c| c.report().grade_percent = text("1e-60"),
        Fails(ReportInvalid, "GradePercent (does not fit"),
    ),
    ("GradePercent 0e-60", |c| c.report().grade_percent = text("0e-60"), Migrates),
    ("GradePercent 6.15E+1", |c| c.report().grade_percent = text("6.15E+1"), Migrates),
    ("GradePercent 0", |c| c.report().grade_percent = Value::Number(0.0), Migrates),
    ("negative marks", |c| c.report().marks_achieved = text("-1.5"), Migrates),
    // 9, invalid dates
    (
        "DateInserted no date",
        |c| c.report().date_inserted = text("yesterday"),
        Fails(ReportInvalid, "DateInserted (not a date"),
    ),
    (
        "DateInserted 01/05/2024",
        |c| c.report().date_inserted = text("01/05/2024"),
        Fails(ReportInvalid, "YYYY-MM-DD"),
    ),
    (
        "DateInserted 2024-02-30",
        |c| c.report().date_inserted = text("2024-02-30"),
        Fails(ReportInvalid, "DateInserted"),
    ),
    (
        "DateInserted a number",
        |c| c.report().date_inserted = Value::Number(45413.0),
        Fails(ReportInvalid, "DateInserted"),
    ),
    (
        "ResultsApproved no date",
        |c| c.report().results_approved = text("n/a"),
        Fails(ReportInvalid, "ResultsApproved"),
    ),
    ("ResultsApproved blank text", |c| c.report().results_approved = text(" "), Migrates),
    ("DateModified no date", |c| c.report().date_modified = text("0"), Fails(ReportInvalid, "DateModified")),
    (
        "a date that came twice",
        |c| {
            c.config.warehouse_time_zone = chrono_tz::Europe::London;
            c.report().date_inserted = text("2024-10-27 01:30");
        },
        Migrates,
    ),
    (
        "a date that never came",
        |c| {
            c.config.warehouse_time_zone = chrono_tz::Europe::London;
            c.report().date_inserted = text("2024-03-31 01:30");
        },
        Fails(ReportInvalid, "DateInserted (a time that does not exist in Europe/London)"),
    ),
    ("the same in UTC", |c| c.report().date_inserted = text("2024-03-31 01:30"), Migrates),
    ("DateInserted 1900", |c| c.report().date_inserted = text("1900-01-01"), Migrates),
    ("DateInserted 9999", |c| c.report().date_inserted = text("9999-12-31 23:59:59.9999999"), Migrates),
    (
        "DateInserted as datetime2",
        |c| {
            c.report().date_inserted = Value::Local(DateTime::from_timestamp_nanos(1).naive_utc());
        },
        Migrates,
    ),
    (
        "DateInserted as datetimeoffset",
        |c| {
            c.report().date_inserted =
                Value::Instant(DateTime::parse_from_rfc3339("2024-05-01T10:11:12+05:30").unwrap());
        },
        Migrates,
    ),
    // 9, invalid text
    (
        "NUL in Exercise",
        |c| c.report().exercise = text("5HR03 PQ\0"),
        Fails(ReportInvalid, "Exercise (contains NUL)"),
    ),
    ("NUL in TIUserId", |c| c.report().ti_user_id = text("a\0"), Fails(ReportInvalid, "TIUserId")),
    ("NUL in TISectionId", |c| c.report().ti_section_id = text("a\0::"), Fails(ReportInvalid, "TISectionId")),
    ("NUL in Grade", |c| c.report().grade = text("Grade Missed\0"), Fails(ReportInvalid, "Grade")),
    ("NUL in MarkerNotes", |c| c.report().marker_notes = text("a\0b"), Fails(ReportInvalid, "MarkerNotes")),
    (
        "a lone surrogate in MarkerNotes",
        |c| {
            c.report().marker_notes = Value::Invalid("not UTF-16: a lone surrogate".into());
        },
        Fails(ReportInvalid, "MarkerNotes (not UTF-16: a lone surrogate)"),
    ),
    (
        "a date for TIUserId",
        |c| c.report().ti_user_id = Value::Local(DateTime::UNIX_EPOCH.naive_utc()),
        Fails(ReportInvalid, "TIUserId (not text)"),
    ),
    ("an integer for TIUserId", |c| c.report().ti_user_id = Value::Number(17.0), Migrates),
    (
        "several columns invalid",
        |c| {
            c.report().marks_available = text("x");
            c.report().date_modified = text("x");
        },
        Fails(ReportInvalid, "MarksAvailable (not a number), DateModified (not a date"),
    ),
    // 9, context
    (
        ":: in TISectionId",
        |c| c.report().ti_section_id = text("a::b"),
        Fails(ContextIdInvalid, "TISectionId"),
    ),
    (": in TISectionId", |c| c.report().ti_section_id = text("a:b"), Migrates),
    // 10
    (
        "a score without label",
        |c| c.score().label = Value::Null,
        Fails(ScoreIncomplete, "ScoreLabelCorrected (blank)"),
    ),
    (
        "a score with a blank label",
        |c| c.score().label = text(" "),
        Fails(ScoreIncomplete, "ScoreLabelCorrected"),
    ),
    (
        "a score with NUL in its label",
        |c| c.score().label = text("Question 1\0"),
        Fails(ScoreIncomplete, "NUL"),
    ),
    ("a score without value", |c| c.score().score = Value::Null, Fails(ScoreIncomplete, "Score (blank)")),
    ("a score of blank text", |c| c.score().score = text(" "), Fails(ScoreIncomplete, "Score (blank)")),
    ("a score of 12,5", |c| c.score().score = text("12,5"), Fails(ScoreIncomplete, "Score (not a number)")),
    ("a score of 1e39", |c| c.score().score = text("1e39"), Fails(ScoreIncomplete, "Score (does not fit")),
    (
        "a score that cannot be read",
        |c| c.score().score = Value::Invalid("why".into()),
        Fails(ScoreIncomplete, "Score (why)"),
    ),
    (
        "a score with NUL in its comment",
        |c| c.score().marker_comment = text("\0"),
        Fails(ScoreIncomplete, "MarkerComment (contains NUL)"),
    ),
    (
        "an empty score",
        |c| *c.score() = Score::default(),
        Fails(ScoreIncomplete, "Score (blank), ScoreLabelCorrected (blank)"),
    ),
    (
        "two scores with a fault each",
        |c| {
            c.score().score = Value::Null;
            c.facts.scores[1].score = text("x");
        },
        Fails(ScoreIncomplete, "Score (blank), Score (not a number)"),
    ),
    ("a score of 0", |c| c.score().score = Value::Number(0.0), Migrates),
    ("a score as decimal text", |c| c.score().score = text(" 12.50 "), Migrates),
    ("a score without comment", |c| c.score().marker_comment = Value::Null, Migrates),
];
