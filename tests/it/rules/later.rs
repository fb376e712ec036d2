//! A later export: what the owner leaves out, and what an earlier run has moved.

use rogo_migrate::{
    domain::{
        Decision, Earlier, Facts, Held, MappingState,
        SkipCode::{
            self, AlreadyMigrated, ChangedAtSource, DeletedInTarget, DuplicateRow, ExcludedByOwner, Withdrawn,
        },
        SubmissionIds, source_digest, source_key, source_with_parts,
    },
    rules::{asks_target, decide_without_facts, needs_facts},
};

use super::{Fails, Migrates, Recovers, Row, Skips};
use crate::support::rows::{Case, text};

pub const ROWS: &[Row] = &[
    (
        "excluded",
        |c| c.row.excluded = Some("asked to be erased".into()),
        Skips(ExcludedByOwner, "asked to be erased"),
    ),
    (
        "excluded, so that no failure CSV holds the row",
        |c| {
            c.row.excluded = Some("x".into());
            c.cells().surname.push('\0');
        },
        Skips(ExcludedByOwner, ""),
    ),
    (
        "excluded, and held by the target",
        |c| {
            moved(c);
            c.row.excluded = Some("x".into());
        },
        Skips(ExcludedByOwner, ""),
    ),
    (
        "withdrawn",
        |c| c.row.withdrawn = Some("run first migrated it, row 7 of its input".into()),
        Skips(Withdrawn, "run first migrated it, row 7 of its input; no row of this input names the attempt"),
    ),
    (
        "unchanged since the earlier run",
        moved,
        Skips(AlreadyMigrated, "unchanged since run first migrated it from row 7"),
    ),
    (
        "a cell changed since",
        |c| {
            moved(c);
            c.cells().course_title.push('!');
            name(c, &["Course Title"]);
        },
        Skips(ChangedAtSource, ": Course Title; the target holds the earlier values"),
    ),
    (
        "a cell and a fact changed since",
        |c| {
            moved(c);
            c.cells().course_title.push('!');
            name(c, &["Course Title"]);
            c.report().grade = text("Refer");
        },
        Skips(ChangedAtSource, ": Course Title, Grade; "),
    ),
    (
        "a score changed since",
        |c| {
            moved(c);
            c.score().score = text("1");
        },
        Skips(ChangedAtSource, ": the scores; "),
    ),
    (
        "its report is gone since",
        |c| {
            moved(c);
            c.facts = Facts::default();
        },
        Skips(ChangedAtSource, "MarksAvailable"),
    ),
    (
        "its unit version is excluded now, and the target holds it",
        |c| {
            moved(c);
            c.map("21_01", "Attempt 2");
            name(c, &["Unit Code Version"]);
        },
        Skips(ChangedAtSource, "Unit Code Version"),
    ),
    (
        "it lost its mapping since",
        |c| {
            moved(c);
            c.row.mapping = MappingState::Missing;
        },
        Skips(ChangedAtSource, "its cells, its mapping or the warehouse's facts"),
    ),
    (
        "deleted in the target since",
        |c| {
            moved(c);
            c.held = Held::Nothing;
        },
        Skips(
            DeletedInTarget,
            "run first migrated it from row 7 of its input, and the target no longer holds it",
        ),
    ),
    (
        "deleted in the target, but for its launch session",
        |c| {
            moved(c);
            c.held = Held::SessionOnly("x".into());
        },
        Skips(DeletedInTarget, ""),
    ),
    (
        "an accepted deletion stays one, whatever is redone",
        |c| {
            moved(c);
            c.held = Held::Lost;
            c.row.earlier.as_mut().unwrap().accepted = true;
        },
        Skips(DeletedInTarget, "a person has accepted that"),
    ),
    (
        "an older row of an attempt that an earlier run moved",
        |c| {
            moved(c);
            c.row.newer_row = Some(9);
        },
        Skips(DuplicateRow, ""),
    ),
    (
        "this run moved it again",
        |c| {
            moved(c);
            c.held = Held::ByThisRun;
        },
        Recovers(true),
    ),
    (
        "another program holds it",
        |c| {
            moved(c);
            c.held = Held::Elsewhere("rogo_987_1733011200000k3x9q0z7a".into());
            c.cells().course_title.push('!');
        },
        Skips(AlreadyMigrated, "the target holds launch id rogo_987_1733"),
    ),
    ("an earlier run did not move it", |c| c.row.earlier = None, Migrates),
    (
        "an earlier run moved it, and this program cannot read its id",
        |c| {
            moved(c);
            c.row.attempt = None;
        },
        Fails(rogo_migrate::domain::FailCode::AttemptIdInvalid, ""),
    ),
];

/// Run `first` moved the row as it is, and the target holds it.
fn moved(case: &mut Case) {
    let key = source_key(&case.row.cells, &case.row.mapping);
    let source = source_with_parts(&case.row.cells, &case.row.mapping, Some(&case.facts));
    case.row.earlier = Some(Box::new(Earlier {
        run: "first".into(),
        row: 7,
        source,
        key: Some(key),
        changed: Vec::new(),
        accepted: false,
    }));
    let attempt = case.row.attempt.unwrap();
    case.held = Held::Elsewhere(SubmissionIds::new(&case.config.lms_instance, attempt).launch_id());
}

/// The plan found that these cells differ.
fn name(case: &mut Case, columns: &[&str]) {
    case.row.earlier.as_mut().unwrap().changed = columns.iter().map(|&column| column.to_owned()).collect();
}

#[test]
fn a_row_that_is_compared_brings_its_facts_whatever_its_mapping_says_now() {
    let mut case = Case::good();
    moved(&mut case);
    case.row.mapping = MappingState::Missing;
    assert!(needs_facts(&case.row, &case.config));
    assert_eq!(decide_without_facts(&case.row, &case.held, &case.config), None);
    // Of a row that was recovered without its facts, these do not count.
    let source = source_digest(&case.row.cells, &case.row.mapping, None);
    case.row.earlier.as_mut().unwrap().source = source;
    assert!(!needs_facts(&case.row, &case.config));
    let decided = decide_without_facts(&case.row, &case.held, &case.config);
    assert!(matches!(decided, Some(Decision::Skip(skip)) if skip.code == SkipCode::AlreadyMigrated));
}

#[test]
fn neither_services_nor_facts_are_asked_about_what_is_excluded_or_withdrawn() {
    let excluded: fn(&mut Case) = |c| c.row.excluded = Some("x".into());
    let withdrawn: fn(&mut Case) = |c| c.row.withdrawn = Some("x".into());
    for change in [excluded, withdrawn] {
        let mut case = Case::good();
        moved(&mut case);
        change(&mut case);
        assert!(!asks_target(&case.row) && !needs_facts(&case.row, &case.config));
    }
}
