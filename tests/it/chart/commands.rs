//! The commands of the documents: what a person copies must run. Those for a cluster run in `live`.

use std::{path::Path, process::Command};

use clap::{Parser, error::ErrorKind};
use rogo_migrate::cli::Cli;

use super::rendered::notes;
use crate::support::{
    documents::{commands, read},
    process,
};

const DOCUMENTS: [&str; 5] = [
    "README.md",
    "deploy/RUNNING.md",
    "deploy/aks/README.md",
    "charts/rogo-migrate/README.md",
    "charts/rogo-migrate/templates/NOTES.txt",
];

/// The program's own command lines in a text: lines of blocks, and code between backticks.
fn own_commands(text: &str) -> Vec<String> {
    let spans = text.split('`').filter(|span| !span.contains('\n'));
    let lines = text.lines().map(str::trim);
    let without_comment = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    spans
        .chain(lines)
        .filter(|line| line.starts_with("rogo-migrate ") && !line.contains('`'))
        .map(without_comment)
        .collect()
}

#[test]
fn every_command_of_the_program_in_a_document_is_one_that_it_takes() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    let mut texts: Vec<_> = DOCUMENTS.map(|document| (document, read(document))).into();
    texts.push(("NOTES", notes("")));
    for (document, text) in texts {
        for command in own_commands(&text) {
            let mut words =
                command.split_whitespace().map(|word| word.trim_matches(['\'', '"', '.', ',', ';']));
            checked += 1;
            match Cli::try_parse_from(words.by_ref()) {
                Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                    wrong.push(format!("{document}: {command}\n  {error}"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 8, "only {checked} commands were found");
}

/// Commands for `az` need a subscription; a shell at least can read them.
#[test]
fn every_block_of_commands_is_one_that_a_shell_reads() {
    for document in DOCUMENTS {
        let script = commands(document, None).join("\n");
        let output = process::blocking_given(&script, Command::new("bash").arg("-n"));
        assert!(output.status.success(), "{document}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Scripts that documents call stand where they are called.
#[test]
fn every_script_of_the_documents_exists() {
    for document in DOCUMENTS {
        for line in commands(document, None) {
            let program = line.split_whitespace().next().unwrap_or_default();
            let is_script =
                ["deploy/", "tests/", "benches/"].iter().any(|folder| program.starts_with(folder));
            let exists = || Path::new(env!("CARGO_MANIFEST_DIR")).join(program).exists();
            assert!(!is_script || exists(), "{document}: {line}");
        }
    }
}
