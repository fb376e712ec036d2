//! Promises of the rules: the decision table, its order, and what a migrated row becomes.

mod row;
mod later;
mod warehouse;
mod catalogue;
mod files;
mod values;

use std::collections::BTreeSet;

use rogo_migrate::{
    domain::{Decision, FailCode, Held, MappingState, SkipCode, SubmissionIds},
    rules::{asks_target, decide_without_facts, needs_facts},
};

use crate::support::rows::{Case, text};

/// What differs from a good row, in words and in deed, and the fate that follows.
type Row = (&'static str, fn(&mut Case), Fate);

/// The expected decision; the text must stand in the message or, where it begins with `!`, must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Migrates,
    /// Recorded as migrated, with the notes of what it would be now or without.
    Recovers(bool),
    Skips(SkipCode, &'static str),
    Fails(FailCode, &'static str),
}

use Fate::{Fails, Migrates, Recovers, Skips};

fn table() -> Vec<Row> {
    [row::ROWS, later::ROWS, warehouse::ROWS, catalogue::ROWS, files::ROWS].concat()
}

/// What the cell of a table row means, against what was decided.
fn holds(decision: &Decision, expected: Fate) -> bool {
    let says = |message: &str, part: &str| match part.strip_prefix('!') {
        Some(absent) => !message.contains(absent),
        None => message.contains(part),
    };
    match (decision, expected) {
        (Decision::Migrate(_), Migrates) => true,
        (Decision::Recover(migration), Recovers(with_notes)) => migration.is_some() == with_notes,
        (Decision::Skip(skip), Skips(code, part)) => skip.code == code && says(&skip.detail, part),
        (Decision::Fail(failure), Fails(code, part)) => failure.code == code && says(&failure.message, part),
        _ => false,
    }
}

#[test]
fn every_row_of_the_table_meets_its_fate() {
    let rows = table();
    assert!(rows.len() >= 150, "only {} rows", rows.len());
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|(what, change, expected)| {
            let mut case = Case::good();
            change(&mut case);
            let decision = case.decide();
            (!holds(&decision, expected)).then(|| format!("{what}: expected {expected:?}, got {decision:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_reaches_every_code_that_rules_can_give() {
    let not_by_rules = [
        FailCode::FileMissing,
        FailCode::FileForbidden,
        FailCode::FileArchived,
        FailCode::FileChanged,
        FailCode::FileCorrupt,
        FailCode::FileNameRefused,
        FailCode::TargetAltered,
        FailCode::Unavailable,
        FailCode::InternalError,
    ];
    let every: BTreeSet<&str> = FailCode::ALL
        .iter()
        .filter(|code| !not_by_rules.contains(code))
        .map(|code| code.code())
        // Finalize gives it, to rows that were rolled back.
        .chain(SkipCode::ALL.iter().filter(|code| **code != SkipCode::RolledBack).map(|code| code.code()))
        .collect();
    let reached: BTreeSet<&str> = table()
        .iter()
        .filter_map(|(_, _, fate)| match fate {
            Migrates | Recovers(_) => None,
            Skips(code, _) => Some(code.code()),
            Fails(code, _) => Some(code.code()),
        })
        .collect();
    assert_eq!(reached, every);
}

/// One fault for each line of the decision table, in its order.
const FAULTS: &[Row] = &[
    ("attempt id", |c| c.row.attempt = None, Fails(FailCode::AttemptIdInvalid, "")),
    ("excluded", |c| c.row.excluded = Some("x".into()), Skips(SkipCode::ExcludedByOwner, "")),
    ("withdrawn", |c| c.row.withdrawn = Some("x".into()), Skips(SkipCode::Withdrawn, "")),
    ("NUL", |c| c.cells().surname.push('\0'), Fails(FailCode::RowInvalid, "")),
    ("duplicate", |c| c.row.newer_row = Some(9), Skips(SkipCode::DuplicateRow, "")),
    ("held", |c| c.held = Held::Elsewhere("rogo_987_x".into()), Skips(SkipCode::AlreadyMigrated, "")),
    ("mapping missing", |c| c.row.mapping = MappingState::Missing, Fails(FailCode::MappingMissing, "")),
    ("version missing", |c| c.map("", ""), Fails(FailCode::UnitVersionMissing, "")),
    ("version excluded", |c| c.map("22_01", "Attempt"), Skips(SkipCode::UnitVersionExcluded, "")),
    ("attempt number", |c| c.map("24_01", "Attempt"), Fails(FailCode::AttemptNumberMissing, "")),
    ("report ambiguous", second_report, Fails(FailCode::ReportAmbiguous, "")),
    ("report incomplete", |c| c.report().grade = text(" "), Fails(FailCode::ReportIncomplete, "")),
    ("report invalid", |c| c.report().date_modified = text("x"), Fails(FailCode::ReportInvalid, "")),
    ("context id", |c| c.report().ti_section_id = text("a::b"), Fails(FailCode::ContextIdInvalid, "")),
    ("score", |c| c.facts.scores[1].score = text("x"), Fails(FailCode::ScoreIncomplete, "")),
    ("email", |c| c.cells().learner_email.clear(), Fails(FailCode::LearnerEmailMissing, "")),
    ("exercise", |c| c.report().exercise = text("5HR03"), Fails(FailCode::ExerciseInvalid, "")),
    ("assessment", |c| c.assessment().name = "5HR03 PQ 25_01".into(), Fails(FailCode::AssessmentMissing, "")),
    ("section missing", |c| c.score().label = text("Question 3"), Fails(FailCode::SectionMissing, "")),
    (
        "section ambiguous",
        |c| c.facts.scores[1].label = text("Question"),
        Fails(FailCode::SectionAmbiguous, ""),
    ),
    ("grade missed", |c| c.report().grade = text("Grade Missed"), Fails(FailCode::GradeMissed, "")),
    ("malpractice", |c| c.report().grade = text("Malpractice"), Fails(FailCode::MalpracticeLevelMissing, "")),
    ("no learner files", |c| c.learner("", ""), Fails(FailCode::NoLearnerFiles, "")),
    (
        "foreign",
        |c| c.cells().marker_blob_urls = "https://x.org/f".into(),
        Fails(FailCode::FileUrlForeign, ""),
    ),
];

/// A second report that differs from every first one.
fn second_report(case: &mut Case) {
    let mut other = case.facts.reports[0].clone();
    other.marker_notes = text("another");
    case.facts.reports.push(other);
}

#[test]
fn of_two_faults_in_one_row_the_first_of_the_table_counts() {
    for (n, (first, change_first, expected)) in FAULTS.iter().enumerate() {
        for (second, change_second, _) in &FAULTS[n + 1..] {
            let mut case = Case::good();
            // Where both change one cell, the first one's change stands.
            change_second(&mut case);
            change_first(&mut case);
            let decision = case.decide();
            assert!(holds(&decision, *expected), "{first} before {second}: {decision:?}");
        }
    }
}

#[test]
fn a_fate_that_needs_no_facts_is_the_same_without_them() {
    for (what, change, _) in table() {
        let mut case = Case::good();
        change(&mut case);
        if let Some(early) = decide_without_facts(&case.row, &case.held, &case.config) {
            assert_eq!(early, case.decide(), "{what}");
        }
    }
    assert_eq!(decide_without_facts(&Case::good().row, &Held::Nothing, &Case::good().config), None);
}

#[test]
fn facts_are_wanted_of_every_row_that_they_decide_and_of_no_other() {
    for (what, change, _) in table() {
        let mut case = Case::good();
        change(&mut case);
        // What an earlier run says of the row counts only while the target holds it.
        case.row.earlier = None;
        let is_decided = decide_without_facts(&case.row, &Held::Nothing, &case.config).is_some();
        assert_eq!(needs_facts(&case.row, &case.config), !is_decided, "{what}");
    }
}

#[test]
fn what_the_plan_saw_in_the_target_is_looked_up_again_and_may_need_its_facts() {
    let mut case = Case::good();
    let own = SubmissionIds::new(&case.config.lms_instance, case.row.attempt.unwrap()).launch_id();
    for launch_id in [own.as_str(), "rogo_987_1700000000ab"] {
        case.row.held_launch_id = Some(launch_id.to_owned());
        assert!(needs_facts(&case.row, &case.config), "{launch_id}");
        assert!(asks_target(&case.row), "{launch_id}");
    }
    case.row.newer_row = Some(9);
    assert!(!asks_target(&case.row), "its newer row's submission would count twice");
}
