//! The top of the page: the verdict and why, the books, the receipts, whether it was verified.

use super::{Cells, instant};
use crate::{
    domain::shard_list,
    report::grid::count,
    run::{RunResult, Summary, Verification, VerifyResult},
};

/// The top of the page.
pub(super) struct Verdict {
    pub(super) result: String,
    pub(super) run: String,
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    pub(super) why: String,
    pub(super) books: String,
    pub(super) verified: String,
    pub(super) receipts: String,
}

pub(super) fn of(summary: &Summary, verification: Option<&Verification>) -> Verdict {
    let is_complete = summary.result == RunResult::Complete;
    let differs = verification.is_some_and(|verification| verification.result == VerifyResult::Differences);
    let is_outdated = verification.is_some_and(|verification| !verification.covers(summary));
    let (class, mark) = match (is_complete && !differs, is_outdated) {
        (false, _) => ("bad", "✗"),
        (true, true) => ("open", "!"),
        (true, false) => ("good", "✓"),
    };
    Verdict {
        result: summary.result.to_string(),
        run: summary.run.to_string(),
        class,
        mark,
        why: why(summary),
        books: summary.below_the_verdict(),
        verified: verification.map_or_else(not_verified, |verification| verified(verification, summary)),
        receipts: summary.receipts.as_ref().map_or_else(
            || "none".to_owned(),
            |receipts| {
                format!("{} {} over {} rows", receipts.algorithm, receipts.root, count(receipts.count))
            },
        ),
    }
}

fn why(summary: &Summary) -> String {
    let mut reasons = Vec::new();
    if summary.missing.rows > 0 {
        let shards = shard_list(&summary.missing.shards);
        reasons.push(format!("{} rows have no outcome, in shard(s) {shards}", count(summary.missing.rows)));
    }
    if summary.lost.rows > 0 {
        let shards = shard_list(&summary.lost.shards);
        reasons.push(format!(
            "{} rows were migrated and the target no longer holds them, in shard(s) {shards}{}",
            count(summary.lost.rows),
            summary.lost.of_another_told()
        ));
    }
    match (reasons.is_empty(), summary.rows) {
        (true, 0) => "The plan has no rows.".to_owned(),
        (true, _) if summary.books.rows_failed() > 0 => {
            let failed = count(summary.books.rows_failed());
            format!("Every row of the plan has an outcome; {failed} failed and need a person.")
        }
        (true, _) => "Every row of the plan has an outcome.".to_owned(),
        _ => format!("{}.", reasons.join("; ")),
    }
}

fn not_verified() -> String {
    "Not verified: rogo-migrate verify compares what the target holds with the inputs.".to_owned()
}

fn verified(verification: &Verification, summary: &Summary) -> String {
    format!("{} ({} UTC).", verification.verdict_on(summary), instant(verification.at))
}

/// What each check of the verification did.
pub(super) fn checks(verification: &Verification) -> Vec<Cells> {
    let cells = verification.checks.iter().map(|check| Cells {
        name: check.name.clone(),
        cells: vec![count(check.compared), count(check.different), check.left_out()],
    });
    cells.collect()
}
