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

/// Statuses of the files of one submission that are tried together at most: all of four files, in about a second.
const MOST: usize = 100_000;

/// The status of a file when its submission's receipt was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// The one that stands.
    AsItStands,
    /// This one, or none.
    Was(Option<String>),
}

/// The statuses that the files of a submission may have had when its receipt was made.
pub struct Possible {
    /// Of each file.
    of_files: Vec<Vec<Earlier>>,
    /// How many there are together, if they can all be tried.
    all: Option<usize>,
}

impl Possible {
    /// A receipt of rows as they were read may be of any status.
    pub fn of(files: &[StoredRow], receipt: &Receipt) -> Self {
        let of_files: Vec<Vec<Earlier>> = files.iter().map(|file| of_file(file, receipt)).collect();
        let all = of_files.iter().try_fold(1, |all: usize, of| all.checked_mul(of.len()));
        Self { of_files, all: all.filter(|all| *all <= MOST) }
    }

    /// Whether [`Self::tries`] are all that there are.
    pub fn are_all(&self) -> bool {
        self.all.is_some()
    }

    /// What is tried: one status of each file; of too many files, of the same one for all.
    pub fn tries(&self) -> impl Iterator<Item = Vec<&Earlier>> {
        let most = self.of_files.iter().map(Vec::len).max().unwrap_or(1);
        (0..self.all.unwrap_or(most)).map(|n| {
            let mut rest = n;
            let statuses = self.of_files.iter().filter_map(|of| {
                let place = if self.all.is_some() { rest % of.len() } else { n };
                rest /= of.len();
                of.get(place).or(of.first())
            });
            statuses.collect()
        })
    }
}

fn of_file(file: &StoredRow, receipt: &Receipt) -> Vec<Earlier> {
    if receipt.from != ReceiptFrom::Stored {
        let written = || Earlier::Was(Some(WRITTEN.to_owned()));
        return vec![if moved_on(file, Some(receipt)) { written() } else { Earlier::AsItStands }];
    }
    let kind = Table::Files.place("submission_file_type").and_then(|place| file.text(place));
    let status = status(file);
    let is_as_read = receipt.row_transaction() == Some(file.transaction);
    if kind != Some("submission") || !is_known(status) || is_as_read {
        return vec![Earlier::AsItStands];
    }
    let is_upper = status.is_some_and(|status| !status.chars().any(char::is_lowercase));
    let as_written = |known: &&str| if is_upper { known.to_uppercase() } else { (*known).to_owned() };
    let known = STATUSES.iter().map(as_written).map(Some);
    [Earlier::AsItStands].into_iter().chain(known.chain([None]).map(Earlier::Was)).collect()
}

fn status(file: &StoredRow) -> Option<&str> {
    Table::Files.place("turnitin_status").and_then(|place| file.text(place))
}

/// An application that hands a file to Turnitin anew may take its status away first.
fn is_known(status: Option<&str>) -> bool {
    status.is_none_or(|status| STATUSES.iter().any(|known| known.eq_ignore_ascii_case(status)))
}

/// Whether the application moved the status of this file on. `receipt` is the one of the file's submission.
pub fn moved_on(file: &StoredRow, receipt: Option<&Receipt>) -> bool {
    let status = status(file);
    let committed = receipt.and_then(Receipt::row_transaction);
    status != Some(WRITTEN) && committed != Some(file.transaction) && is_known(status)
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
            (None, 101, Some(&own), true),
            (None, 100, Some(&own), false),
            // After a restore, or of a program that kept no receipts, it is not known when the row was written.
            (Some("processing"), 5, Some(&receipt(None)), true),
            (Some("processing"), 5, None, true),
        ] {
            assert_eq!(moved_on(&file(status, transaction), receipt), moved, "{status:?} {transaction}");
        }
    }
}
