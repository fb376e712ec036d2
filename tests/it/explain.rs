//! Promises of `explain`: a text for each code that a person can meet, with all its parts.

mod attempt;

use std::collections::BTreeSet;

use rogo_migrate::{
    domain::{FailCode, NoteCode, SkipCode},
    exit::Exit,
    explain::{Kind, TEXTS, text},
    rollback::reason::Reason,
    run::{LimitCode, WarningCode},
    verify::CHECKS,
};
use tokio::process::Command;

use crate::support::process::output;

#[test]
fn every_code_of_the_catalogue_has_its_text() {
    let exits = [
        Exit::Done,
        Exit::Differences,
        Exit::Usage,
        Exit::DataRefused,
        Exit::Incomplete,
        Exit::Bug,
        Exit::Temporary,
        Exit::Configuration,
        Exit::Stopped,
    ];
    let exits = exits.map(|exit| (exit as u8).to_string());
    let warnings = [
        WarningCode::SourceNotFrozen,
        WarningCode::SourceNotCompared,
        WarningCode::NoScores,
        WarningCode::InvariantViolated,
        WarningCode::OrphansKept,
        WarningCode::SweepFailed,
        WarningCode::PredictionNotCompared,
        WarningCode::BreakerOpened,
    ];
    let reasons = [
        Reason::Changed { table: String::new() },
        Reason::MarkerAssigned,
        Reason::RowsAdded { table: String::new(), constraint: String::new() },
        Reason::RowsRemoved { table: "" },
        Reason::SubmissionDeleted,
        Reason::BlobShared,
        Reason::RuleChanged { by: None },
        Reason::RuleNeeded { by: 1.try_into().unwrap() },
        Reason::ImageMissing { rule: String::new() },
        Reason::RefusedByConstraint { name: String::new() },
        Reason::NotRecorded,
    ];
    let codes = FailCode::ALL.iter().map(|code| code.code());
    let codes = codes.chain(SkipCode::ALL.iter().map(|code| code.code()));
    let codes = codes.chain(NoteCode::ALL.iter().map(|code| code.code()));
    let codes = codes.chain(LimitCode::ALL.iter().map(|code| code.code()));
    let codes = codes.chain(warnings.map(WarningCode::code)).chain(reasons.iter().map(Reason::code));
    for code in codes.map(str::to_owned).chain(exits) {
        assert!(
            text(&code).is_some(),
            "src/explain/codes/{code}.md is missing, or its line in src/explain.rs"
        );
    }
}

#[test]
fn every_check_of_verify_has_its_text_and_no_text_is_of_a_check_that_is_not_made() {
    for check in CHECKS {
        let name = check.name;
        assert!(
            text(name).is_some_and(|text| text.kind == Kind::Check),
            "the check {name} of src/verify/table.rs has no text: write src/explain/codes/{name}.md (as the other checks' \
             files: a title, what it means, \"How to see it\", \"What to do\") and add the line `Check \"{name}\";` to \
             src/explain.rs"
        );
    }
    for text in TEXTS.iter().filter(|text| text.kind == Kind::Check) {
        assert!(CHECKS.iter().any(|check| check.name == text.code), "verify makes no check {}", text.code);
    }
}

#[test]
fn every_text_says_what_it_means_how_to_see_it_and_what_to_do() {
    let mut seen = BTreeSet::new();
    for text in TEXTS {
        assert!(seen.insert(text.code), "{} stands twice", text.code);
        assert!(text.markdown.starts_with(&format!("# {}\n\n", text.code)), "{}", text.code);
        let parts: Vec<&str> = text.markdown.split("\n## ").collect();
        assert_eq!(parts.len(), 3, "{}", text.code);
        assert!(parts[1].starts_with("How to see it\n\n") && parts[2].starts_with("What to do\n\n"));
        for part in parts {
            assert!(part.split_once("\n\n").unwrap().1.trim().len() > 7, "{}: an empty part", text.code);
        }
    }
    assert_eq!(text(" 69 ").unwrap().code, "exit_69");
    assert!(text("no_such_code").is_none());
}

/// The commands of a text, each on a line of its own.
fn commands_of(markdown: &'static str) -> Vec<&'static str> {
    markdown
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("rogo-"))
        .collect()
}

/// Two commands repair what a check named, and they are the same wherever they are printed. What was changed after the run they
/// leave: the command that removes it comes later, and not of the whole file of differences.
#[test]
fn the_commands_that_repair_are_the_same_in_every_text_and_leave_what_was_changed_after_the_run() {
    let moves_again = |commands: &Vec<&str>| commands.iter().any(|line| line.contains(" run "));
    let repairs: Vec<Vec<&str>> =
        TEXTS.iter().map(|text| commands_of(text.markdown)).filter(moves_again).collect();
    assert!(repairs.len() > 40, "{}", repairs.len());
    assert_eq!(repairs.iter().collect::<BTreeSet<_>>().len(), 1, "{repairs:?}");
    let [rollback, run, forced] = repairs[0].as_slice() else { panic!("three commands: {repairs:?}") };
    let failures = "--attempts verification_failures.csv";
    for (line, verb) in [(rollback, " rollback "), (run, " run ")] {
        assert!(line.contains(verb) && line.contains(failures), "{line}");
        assert!(!line.contains("--force-touched"), "{line}");
    }
    assert!(
        forced.contains(" --force-touched ") && !forced.contains("verification_failures.csv"),
        "{forced}"
    );
    let markdown = text("grade_final").unwrap().markdown;
    for says in
        ["labelled `changed_after`", "`verify --accept`", "with everything that people and the application"]
    {
        assert!(markdown.contains(says), "{says:?} is not said");
    }
}

/// In the target all is well: a rollback would remove the right copy, and no run could bring it back.
#[test]
fn no_rollback_is_printed_for_a_source_that_changed() {
    for code in ["source_unchanged", "source_files_unchanged"] {
        let markdown = text(code).unwrap().markdown;
        assert_eq!(commands_of(markdown), Vec::<&str>::new(), "{code}");
        assert!(markdown.contains("Leave ") || markdown.contains(" leave "), "{code}");
    }
}

#[test]
fn exit_69_says_what_it_means_of_verify() {
    let markdown = text("69").unwrap().markdown;
    for says in ["VERIFIED IN PART", "`not_possible`", "deploy/RUNNING.md"] {
        assert!(markdown.contains(says), "{says:?} is not said");
    }
}

#[tokio::test]
async fn it_needs_no_settings_and_names_all_codes() {
    let explain = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
        command.arg("explain").args(arguments).env_clear();
        output(command)
    };
    let said = explain(&["file_archived"]).await.expect(0);
    assert!(said.stdout.contains("Rehydrate the file"), "{}", said.stdout);
    let said = explain(&["file_archive"]).await.expect(64);
    assert!(said.stderr.contains("file_archived"), "{}", said.stderr);
    let said = explain(&[]).await.expect(0);
    assert!(TEXTS.iter().all(|text| said.stdout.contains(text.code)), "{}", said.stdout);
}
