//! `turnitin_status` of a learner's file: the run writes `complete`, and the application moves it on when it hands the file to
//! Turnitin again. A status that it sets is a result of Turnitin, and so no difference; another value is, and so is any value
//! but the written one in a row that is as the run's commit left it.

use crate::{
    domain::Receipt,
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

/// Whether the application moved the status of this file on. `receipt` is the one of the file's submission.
pub fn moved_on(file: &StoredRow, receipt: Option<&Receipt>) -> bool {
    let place = Table::Files.place("turnitin_status");
    let Some(status) = place.and_then(|place| file.text(place)) else { return false };
    let committed = receipt.and_then(Receipt::row_transaction);
    status != WRITTEN
        && committed != Some(file.transaction)
        && STATUSES.iter().any(|known| known.eq_ignore_ascii_case(status))
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
