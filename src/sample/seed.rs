//! The target's seed: users, assessments, malpractice levels, and the rows of a live application.

use std::fmt::Write as _;

use super::{
    draft::unit_code,
    words::{SECTIONS, UNITS, VERSIONS},
};

/// What the catalogue needs before any row: independent of the sample's size and seed.
pub(super) fn catalogue() -> String {
    let mut sql = String::from(USERS_AND_LEVELS);
    for version in VERSIONS.into_iter().chain(["25_xx"]) {
        for (unit, title) in UNITS {
            let code = format!("{}-{version}", unit_code(unit));
            assessment(&mut sql, &code, &format!("{unit} {title} {version}"), "active", &SECTIONS);
        }
        for (code, name, status, sections) in SPECIAL {
            let name = name.replace("{version}", version);
            assessment(&mut sql, &format!("{code}-{version}"), &name, status, sections);
        }
    }
    sql
}

/// Statements that make a live submission of some other learner, created at this UTC time.
pub(super) fn submission(name: &str, launch_id: &str, created_at: &str) -> String {
    let (name, launch_id, created_at) = (text(name), text(launch_id), text(&format!("{created_at}+00")));
    format!(
        "insert into lti_launch_sessions (id, launch_id, consumer_key, expires_at) \
         values ('launch-' || {name}, {launch_id}, 'live', '2099-12-31 00:00+00');\n\
         insert into lti_session_records (id, launch_id, session_expiry) \
         values ('session-' || {name}, {launch_id}, '2099-12-31 00:00+00');\n\
         insert into assignment_submissions (id, lti_session_record_id, lti_launch_id, created_at) \
         values ('submission-' || {name}, 'session-' || {name}, {launch_id}, {created_at});\n"
    )
}

/// A statement that makes a malpractice rule for this lms user, assessment code and context.
pub(super) fn enforcement(
    name: &str,
    [lms_user_id, assessment_code, context_id]: &[String; 3],
    submission_id: Option<&str>,
    applied_at: &str,
) -> String {
    format!(
        "insert into malpractice_enforcements (id, lms_user_id, custom_assessment_code, context_id, context_title, \
         malpractice_level_id, submission_id, attempt_number, enforced_max_attempts, rule_applied_by, rule_applied_at) \
         values ({}, {}, {}, {}, 'Live course', 'level-minor', {}, 1, 2, 'user-admin-b', {});\n",
        text(&format!("rule-{name}")),
        text(lms_user_id),
        text(assessment_code),
        text(context_id),
        submission_id.map_or_else(|| "null".to_owned(), text),
        text(&format!("{applied_at}+00")),
    )
}

/// Assessments for one purpose each: code, name, status, sections.
const SPECIAL: [(&str, &str, &str, &[&str]); 9] = [
    // assessment_ambiguous
    ("5AM90A", "5AM90 PQ Alpha {version}", "active", &SECTIONS),
    ("5AM90B", "5AM90 PQ Beta {version}", "active", &SECTIONS),
    // The exact name wins.
    ("5EX91", "5EX91 PQ {version}", "active", &SECTIONS),
    ("5EX91X", "5EX91 PQ Extended {version}", "active", &SECTIONS),
    // A match counts even if the assessment is archived.
    ("5AR92", "5AR92 PQ No longer taught {version}", "archived", &SECTIONS),
    // Names are trimmed.
    ("5TR93", "  5TR93 PQ Blanks around {version}  ", "active", &SECTIONS),
    // section_ambiguous
    ("5SA94", "5SA94 PQ Two parts {version}", "active", &["Question 1", "Question 2 (a)", "Question 2 (b)"]),
    // Whole words, letter case, the version at the end: none of these is another unit's assessment.
    ("5KX03Q", "5KX03 PQR Rewarding Performance {version}", "active", &SECTIONS),
    ("5KX03V", "5KX03 PQ Rewarding Performance {version} (draft)", "draft", &SECTIONS),
];

/// The oldest admin owns applied rules; of two of the same age the lower id. An older marker is no admin.
const USERS_AND_LEVELS: &str = "\
insert into users (id, username, email, password, role, created_at) values
    ('user-marker', 'marker', 'marker@staff.example', 'none', 'marker', '2018-01-01 00:00+00'),
    ('user-admin-c', 'admin.c', 'admin.c@staff.example', 'none', 'admin', '2019-01-01 00:00+00'),
    ('user-admin-a', 'admin.a', 'admin.a@staff.example', 'none', 'admin', '2018-06-01 00:00+00'),
    ('user-admin-b', 'admin.b', 'admin.b@staff.example', 'none', 'admin', '2018-06-01 00:00+00');
insert into malpractice_levels (id, level_text, sort_order, is_active) values
    ('level-minor', 'Minor', 1, 'true'),
    ('level-moderate', 'Moderate', 2, 'true'),
    ('level-considerable', 'Considerable', 3, 'true'),
    ('level-severe', ' Severe ', 4, 'true'),
    ('level-historic', 'Historic', 5, 'false');
";

fn assessment(sql: &mut String, code: &str, name: &str, status: &str, sections: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        sql,
        "insert into assessments (id, assessment_id, code, name, status, total_marks) \
         values ({}, {}, {}, {}, {}, 100);",
        text(&format!("assessment-{code}")),
        text(&format!("ASS_{code}")),
        text(code),
        text(name),
        text(status),
    );
    let rows: Vec<String> = (1..)
        .zip(sections)
        .map(|(order, section)| {
            let id = text(&format!("section-{code}-{order}"));
            format!("({id}, {}, {}, {order})", text(&format!("assessment-{code}")), text(section))
        })
        .collect();
    let _ = writeln!(
        sql,
        "insert into assessment_sections (id, assessment_id, question_text, \"order\") values\n    {};",
        rows.join(",\n    ")
    );
}

/// The value as an SQL text literal.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
