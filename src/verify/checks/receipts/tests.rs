//! Receipts hold or not, whatever Turnitin and the numbers of transactions have become since.

use super::*;
use crate::domain::{ReceiptFrom, form::NumberType};

/// Files with these statuses; each as kind, status and transaction.
fn files(all: &[(&str, &str, u32)]) -> StoredSubmission {
    let files = all.iter().enumerate().map(|(n, (kind, status, transaction))| {
        let cell = |column: &&str| match *column {
            "id" => Cell::Text(format!("file-{n}")),
            "submission_file_type" => Cell::Text((*kind).to_owned()),
            "turnitin_status" => Cell::Text((*status).to_owned()),
            _ => Cell::Null,
        };
        StoredRow { cells: Table::Files.columns().iter().map(cell).collect(), transaction: *transaction }
    });
    StoredSubmission { files: files.collect(), ..StoredSubmission::default() }
}

#[test]
fn a_receipt_of_rows_as_they_were_read_holds_whatever_turnitin_has_said_since() {
    let layout = Layout::new(&[], |_, _| NumberType::Real);
    let receipt = |stored: &StoredSubmission, from| Receipt {
        sha256: rows_digest(&layout, Part::Submission, &forms(&layout, stored, &[])),
        from,
        enforcement: None,
        transaction: (from == ReceiptFrom::Sent).then_some(7),
    };
    let learners = "submission";
    let read = files(&[(learners, "processing", 7), (learners, "error", 7), ("feedback", "pending", 7)]);
    let read = receipt(&read, ReceiptFrom::Stored);
    let now = |one, other| files(&[(learners, one, 8), (learners, other, 8), ("feedback", "complete", 8)]);
    for (one, other, is_held) in [
        ("completed", "complete", true),
        ("processing", "error", true),
        ("pending", "pending", true),
        ("complete", "completex", false),
    ] {
        assert_eq!(holds(&layout, &read, &now(one, other)), Ok(is_held), "{one} {other}");
    }
    // Many files were of one status when they were read.
    let all = |status| files(&[(learners, status, 7); 20]);
    assert_eq!(holds(&layout, &receipt(&all("queued"), ReceiptFrom::Stored), &all("completed")), Ok(true));
    // Of different ones, all of four files are tried; of more, nothing can be said.
    let mixed = |n: usize| {
        let of = ["pending", "error", "queued", "complete", "failed"].map(|status| (learners, status, 7));
        files(of.get(..n).unwrap())
    };
    let now_complete = |n: usize| files(&vec![(learners, "completed", 8); n]);
    for (n, is_held) in [(4, Ok(true)), (5, Err(Lack::Statuses))] {
        assert_eq!(holds(&layout, &receipt(&mixed(n), ReceiptFrom::Stored), &now_complete(n)), is_held);
    }
    // Another value in the same rows is no status.
    let mut changed = now("completed", "complete");
    let name = Table::Files.place("file_name").unwrap();
    changed.files[0].cells[name] = Cell::Text("x".into());
    assert_eq!(holds(&layout, &read, &changed), Ok(false));
    // What was sent is of one status only, and of none in a row as it was committed.
    let sent = receipt(&all("complete"), ReceiptFrom::Sent);
    let later = |transaction| files(&[(learners, "queued", transaction); 20]);
    assert_eq!([8, 7].map(|transaction| holds(&layout, &sent, &later(transaction))), [Ok(true), Ok(false)]);
    let sent = receipt(&all("queued"), ReceiptFrom::Sent);
    assert_eq!(holds(&layout, &sent, &files(&[(learners, "complete", 8); 20])), Ok(false));
}

#[test]
fn only_rows_that_are_fewer_than_the_run_wrote_are_lacking() {
    let rows = |number| vec![StoredRow::default(); number];
    let stored = |files, marks| StoredSubmission {
        launch_sessions: rows(1),
        session_records: rows(1),
        submissions: rows(1),
        assignments: rows(1),
        grades: rows(1),
        files: rows(files),
        marks: rows(marks),
    };
    let outcome = Migrated { files: 2, marks: Some(3), ..Migrated::default() };
    for (files, marks, lacks) in [(2, 3, false), (3, 4, false), (1, 3, true), (2, 2, true)] {
        assert_eq!(lacks_rows(&outcome, &stored(files, marks)), lacks, "{files} {marks}");
    }
    // How many marks an earlier program wrote is not known.
    assert!(!lacks_rows(&Migrated { marks: None, ..outcome }, &stored(2, 0)));
    assert!(lacks_rows(&Migrated { files: 0, ..Migrated::default() }, &StoredSubmission::default()));
}

#[test]
fn what_was_written_after_the_commit_is_told_from_what_was_before_although_transactions_go_round() {
    let own = u32::MAX - 1;
    let row = |transaction| StoredRow { transaction, ..StoredRow::default() };
    let receipt = |transaction| Receipt {
        sha256: Digest::of(b""),
        from: ReceiptFrom::Sent,
        enforcement: None,
        transaction,
    };
    let known = receipt(Some((7 << 32) | u64::from(own)));
    let of = |receipt: &Receipt, file: u32, mark: u32| {
        let (submissions, files, marks) = (vec![row(own)], vec![row(file)], vec![row(mark)]);
        let stored = StoredSubmission { submissions, files, marks, ..StoredSubmission::default() };
        match Written::of(receipt, &stored) {
            Written::Once => "once".to_owned(),
            Written::Again(tables) => format!("again: {tables:?}"),
            Written::Unknown => "unknown".to_owned(),
        }
    };
    assert_eq!(of(&known, own, own), "once");
    assert_eq!(of(&known, own, own + 1), "again: {Marks}");
    assert_eq!(of(&known, 3, own), "again: {Files}", "the numbers began anew");
    assert_eq!(of(&known, own - 1, 3), "unknown", "a restore gives rows other numbers");
    assert_eq!(of(&receipt(None), own, own), "unknown");
    assert_eq!(of(&receipt(Some(5)), own, own), "unknown", "no row names the commit");
}

#[test]
fn an_ambiguous_row_of_a_program_that_told_blanks_apart_is_as_it_was() {
    use crate::domain::{AttemptId, Mapping, SkipCode};
    let (cells, several) = (SubmissionRow::default(), MappingState::Ambiguous);
    let mapping = |version: &str| {
        MappingState::Found(Mapping { unit_version: version.into(), submission: String::new() })
    };
    let of = |fate, taken: &MappingState| Outcome {
        row: 1,
        attempt: None::<AttemptId>,
        at: chrono::DateTime::UNIX_EPOCH,
        worker: 1,
        milliseconds: 0,
        gather_ms: 0,
        source: Some(source_digest(&cells, taken, None)),
        fate,
    };
    let failed = |code| Fate::Failed { code, message: String::new() };
    let ambiguous = || failed(FailCode::MappingAmbiguous);
    let skipped = Fate::Skipped { code: SkipCode::DuplicateRow, detail: String::new() };
    let now = mapping("24_01");
    for (fate, taken, is_unchanged) in [
        (ambiguous(), &several, true),
        (ambiguous(), &now, true),
        (ambiguous(), &mapping("24_02"), false),
        (failed(FailCode::RowInvalid), &several, false),
        (skipped, &several, false),
    ] {
        assert_eq!(
            source(&of(fate.clone(), taken), Some((&cells, &now)), None),
            Ok(is_unchanged),
            "{fate:?}"
        );
    }
}
