//! `turnitin_status` of a learner's file: the run writes `complete`, and the application moves it on when it hands the file to
//! Turnitin again. A status that it sets is a result of Turnitin, and so no difference; another value is, and so is any value
//! but the written one in a row that is as the run's commit left it.

use crate::{
    domain::{Receipt, ReceiptFrom},
    ports::{StoredRow, Table},
};

/// What the run writes.
pub const WRITTEN: &str = "complete";

/// What an application sets while a file is on its way to a report of similarity and back. Compared without regard to case.
const STATUSES: [&str; 15] = [
    "pending",
    "queued",
    "created",
    "submitted",
    "uploading",
    "uploaded",
    "processing",
    "in_progress",
    "complete",
    "completed",
    "error",
    "failed",
    "skipped",
    "retry",
    "expired",
];

/// Statuses of the files of one submission that are tried together at most.
const MOST: usize = 4_096;

/// The statuses that these files may have had when the receipt was made, together: one of each file, `None` for the one that
/// stands. A receipt of rows as they were read may be of any status; of too many files, of the same one for all.
pub fn earlier(files: &[StoredRow], receipt: &Receipt) -> impl Iterator<Item = Vec<Option<String>>> {
    let possible: Vec<Vec<Option<String>>> = files.iter().map(|file| of_file(file, receipt)).collect();
    let all = possible.iter().try_fold(1, |all: usize, of| all.checked_mul(of.len()));
    let all = all.filter(|all| *all <= MOST);
    let most = possible.iter().map(Vec::len).max().unwrap_or(1);
    (0..all.unwrap_or(most)).map(move |n| {
        let mut rest = n;
        let status = |of: &Vec<Option<String>>| {
            let place = if all.is_some() { rest % of.len() } else { n };
            rest /= of.len();
            of.get(place).or(of.first()).cloned().flatten()
        };
        possible.iter().map(status).collect()
    })
}

fn of_file(file: &StoredRow, receipt: &Receipt) -> Vec<Option<String>> {
    if receipt.from != ReceiptFrom::Stored {
        return vec![moved_on(file, Some(receipt)).then(|| WRITTEN.to_owned())];
    }
    let text = |column| Table::Files.place(column).and_then(|place| file.text(place)).unwrap_or_default();
    let (status, kind) = (text("turnitin_status"), text("submission_file_type"));
    if kind != "submission" || !is_known(status) || receipt.row_transaction() == Some(file.transaction) {
        return vec![None];
    }
    let is_upper = !status.chars().any(char::is_lowercase);
    let as_written = |known: &&str| if is_upper { known.to_uppercase() } else { (*known).to_owned() };
    [None].into_iter().chain(STATUSES.iter().map(as_written).map(Some)).collect()
}

fn is_known(status: &str) -> bool {
    STATUSES.iter().any(|known| known.eq_ignore_ascii_case(status))
}

/// Whether the application moved the status of this file on. `receipt` is the one of the file's submission.
pub fn moved_on(file: &StoredRow, receipt: Option<&Receipt>) -> bool {
    let place = Table::Files.place("turnitin_status");
    let Some(status) = place.and_then(|place| file.text(place)) else { return false };
    let committed = receipt.and_then(Receipt::row_transaction);
    status != WRITTEN && committed != Some(file.transaction) && is_known(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Digest, ReceiptFrom},
        ports::Cell,
    };

    #[test]
    fn only_a_row_that_was_written_again_may_hold_another_status_and_only_one_of_turnitins() {
        let receipt = |transaction| Receipt {
            sha256: Digest::of(b""),
            from: ReceiptFrom::Sent,
            enforcement: None,
            transaction,
        };
        // The commit's number is longer than what rows keep of it.
        let own = receipt(Some((7 << 32) + 100));
        let file = |status: Option<&str>, transaction| {
            let status = status.map_or(Cell::Null, |status| Cell::Text(status.into()));
            let is_status = |column: &&str| *column == "turnitin_status";
            let cell = |column: &&str| if is_status(column) { status.clone() } else { Cell::Null };
            StoredRow { cells: Table::Files.columns().iter().map(cell).collect(), transaction }
        };
        for (status, transaction, receipt, moved) in [
            (Some("processing"), 101, Some(&own), true),
            (Some("Error"), 101, Some(&own), true),
            (Some("pending"), 100, Some(&own), false),
            (Some("complete"), 101, Some(&own), false),
            (Some("completex"), 101, Some(&own), false),
            (Some(""), 101, Some(&own), false),
            (None, 101, Some(&own), false),
            // After a restore, or of a program that kept no receipts, it is not known when the row was written.
            (Some("processing"), 5, Some(&receipt(None)), true),
            (Some("processing"), 5, None, true),
        ] {
            assert_eq!(moved_on(&file(status, transaction), receipt), moved, "{status:?} {transaction}");
        }
    }
}
