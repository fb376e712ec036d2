//! The decision table, rows 1 to 7 and 11: what the input and the mapping say.

use rogo_migrate::domain::{FailCode::*, Held, MappingState, SkipCode::*};

use super::{Fails, Migrates, Recovers, Row, Skips};
use crate::support::rows::text;

pub const ROWS: &[Row] = &[
    ("nothing", |_| {}, Migrates),
    // 1
    ("no attempt id", |c| c.row.attempt = None, Fails(AttemptIdInvalid, "Attempt ID")),
    (
        "an e-mail address for an attempt id",
        |c| {
            c.row.attempt = None;
            c.cells().attempt_id = "ann@example.org".into();
        },
        Fails(AttemptIdInvalid, "!ann"),
    ),
    ("NUL in First Name", |c| c.cells().first_name.push('\0'), Fails(RowInvalid, "First Name")),
    ("NUL in Surname", |c| c.cells().surname = "\0".into(), Fails(RowInvalid, "Surname")),
    ("NUL in Learner Email", |c| c.cells().learner_email.push('\0'), Fails(RowInvalid, "Learner Email")),
    ("NUL in Course Title", |c| c.cells().course_title.push('\0'), Fails(RowInvalid, "Course Title")),
    ("NUL in Assessment ID", |c| c.cells().assessment_id.push('\0'), Fails(RowInvalid, "Assessment ID")),
    (
        "NUL in Assessment ID, which names no file",
        |c| {
            c.cells().assessment_id.push('\0');
            c.cells().marker_blob_urls.clear();
        },
        Migrates,
    ),
    ("NUL in Rogo User ID", |c| c.cells().rogo_user_id.push('\0'), Fails(RowInvalid, "Rogo User ID")),
    ("NUL in Rogo User Name, which is not stored", |c| c.cells().rogo_user_name.push('\0'), Migrates),
    (
        "NUL in Rogo User Name, the only name",
        |c| {
            c.cells().first_name = " ".into();
            c.cells().surname.clear();
            c.cells().rogo_user_name.push('\0');
        },
        Fails(RowInvalid, "NUL in Rogo User Name"),
    ),
    (
        "NUL in a file name",
        |c| c.cells().learner_file_names.push('\0'),
        Fails(RowInvalid, "Learner File Names"),
    ),
    (
        "NUL in a file name that is not used",
        |c| {
            c.cells().learner_file_names.push_str("\0,,,");
        },
        Migrates,
    ),
    (
        "NUL in a URL",
        |c| c.cells().learner_blob_urls.push('\0'),
        Fails(FileUrlForeign, "Learner Azure Blob URLs, item 2: is not a URL"),
    ),
    (
        "NUL in a marker URL",
        |c| c.cells().marker_blob_urls.push('\0'),
        Fails(FileUrlForeign, "Marker Azure Blob URLs, item 1: is not a URL"),
    ),
    ("% that encodes nothing in a URL", |c| c.cells().learner_blob_urls.push('%'), Migrates),
    (
        "NUL in two cells",
        |c| {
            c.cells().first_name.push('\0');
            c.cells().surname.push('\0');
        },
        Fails(RowInvalid, "NUL in First Name, Surname"),
    ),
    ("NUL in Submission, which is not stored", |c| c.map("24_01", "Attempt 2\0"), Migrates),
    ("other control characters", |c| c.cells().course_title = "a\u{1}\u{7f}\u{85}b".into(), Migrates),
    ("emoji and accents", |c| c.cells().first_name = "Zoë 😀".into(), Migrates),
    // 2
    ("a newer row", |c| c.row.newer_row = Some(4711), Skips(DuplicateRow, "row 4711")),
    // 3
    (
        "held by the target",
        |c| c.held = Held::Elsewhere("rogo_987_1700000000ab".into()),
        Skips(AlreadyMigrated, "rogo_987_1700000000ab"),
    ),
    ("held by this run", |c| c.held = Held::ByThisRun, Recovers(true)),
    (
        "held by this run, while its report is gone",
        |c| {
            c.held = Held::ByThisRun;
            c.facts.reports.clear();
        },
        Recovers(false),
    ),
    (
        "held by this run, while its mapping is gone",
        |c| {
            c.held = Held::ByThisRun;
            c.row.mapping = MappingState::Missing;
        },
        Recovers(false),
    ),
    (
        "held by this run, and an older row of it",
        |c| {
            c.held = Held::ByThisRun;
            c.row.newer_row = Some(9);
        },
        Skips(DuplicateRow, "row 9"),
    ),
    (
        "a launch session without a submission",
        |c| c.held = Held::SessionOnly("rogo_987_ab".into()),
        Fails(TargetRejected, "lti_launch_sessions.launch_id refuses the row: rogo_987_ab"),
    ),
    (
        "a launch session without a submission, of a row that fails anyway",
        |c| {
            c.held = Held::SessionOnly("rogo_987_ab".into());
            c.report().grade = text("Grade Missed");
        },
        Fails(GradeMissed, ""),
    ),
    (
        "a launch session without a submission, of a version that is excluded",
        |c| {
            c.held = Held::SessionOnly("rogo_987_ab".into());
            c.map("22_01", "Attempt 1");
        },
        Skips(UnitVersionExcluded, ""),
    ),
    // 4
    ("no mapping", |c| c.row.mapping = MappingState::Missing, Fails(MappingMissing, "mapping")),
    ("mappings that differ", |c| c.row.mapping = MappingState::Ambiguous, Fails(MappingAmbiguous, "differ")),
    // 5
    ("no unit version", |c| c.map("", "Attempt 2"), Fails(UnitVersionMissing, "Unit Code Version")),
    ("blank unit version", |c| c.map(" \t\u{a0}", "Attempt 2"), Fails(UnitVersionMissing, "blank")),
    // 6
    ("unit version 22_01", |c| c.map("22_01", "Attempt 2"), Skips(UnitVersionExcluded, "\"22_01\"")),
    ("unit version 124_01", |c| c.map("124_01", "Attempt 2"), Skips(UnitVersionExcluded, "\"24\", \"25\"")),
    ("unit version 2", |c| c.map("2", "Attempt 2"), Skips(UnitVersionExcluded, "")),
    ("unit version 24_01 with white space", |c| c.map(" 24_01\u{2003}", "Attempt 2"), Migrates),
    (
        "unit version 25_03",
        |c| {
            c.map("25_03", "Attempt 2");
            c.assessment().name = "5HR03 PQ 25_03".into();
        },
        Migrates,
    ),
    (
        "unit version 22_01 where it is to be migrated",
        |c| {
            c.map("22_01", "Attempt 2");
            c.config.unit_versions = vec!["22".into()];
            c.assessment().name = "5HR03 PQ 22_01".into();
        },
        Migrates,
    ),
    ("no unit version to be migrated", |c| c.config.unit_versions.clear(), Skips(UnitVersionExcluded, "")),
    // 7
    ("no Submission", |c| c.map("24_01", ""), Fails(SubmissionTextMissing, "Submission")),
    ("blank Submission", |c| c.map("24_01", "\u{3000}\n"), Fails(SubmissionTextMissing, "blank")),
    ("Submission Attempt2", |c| c.map("24_01", "Attempt2"), Fails(AttemptNumberMissing, "\"Attempt2\"")),
    ("Submission Attempt", |c| c.map("24_01", "Attempt"), Fails(AttemptNumberMissing, "")),
    ("Submission Attempt two", |c| c.map("24_01", "Attempt two"), Fails(AttemptNumberMissing, "")),
    ("Submission 2", |c| c.map("24_01", "2"), Fails(AttemptNumberMissing, "")),
    ("Submission 2 Attempt", |c| c.map("24_01", "2 Attempt"), Fails(AttemptNumberMissing, "")),
    ("Submission Attempt -2", |c| c.map("24_01", "Attempt -2"), Fails(AttemptNumberMissing, "")),
    ("Submission Attempt #2", |c| c.map("24_01", "Attempt #2"), Fails(AttemptNumberMissing, "")),
    (
        "an attempt number of 30 digits",
        |c| c.map("24_01", &format!("Attempt {}", "9".repeat(30))),
        Fails(AttemptNumberMissing, "fit"),
    ),
    (
        "a Submission of a million characters",
        |c| c.map("24_01", &"Attempt".repeat(150_000)),
        Fails(AttemptNumberMissing, "…"),
    ),
    ("Submission Retake Attempt 1", |c| c.map("24_01", "Retake Attempt 1"), Migrates),
    ("Submission aTTEMPT with a tab", |c| c.map("24_01", "aTTEMPT\t 2"), Migrates),
    // 11
    ("no Learner Email", |c| c.cells().learner_email.clear(), Fails(LearnerEmailMissing, "Learner Email")),
    ("blank Learner Email", |c| c.cells().learner_email = " \u{a0}".into(), Fails(LearnerEmailMissing, "")),
    (
        "no Rogo User ID, no Assessment ID, no Course Title",
        |c| {
            c.cells().rogo_user_id.clear();
            c.cells().assessment_id.clear();
            c.cells().course_title.clear();
        },
        Migrates,
    ),
    (
        "no name at all",
        |c| {
            c.cells().first_name.clear();
            c.cells().surname.clear();
            c.cells().rogo_user_name.clear();
        },
        Migrates,
    ),
];
