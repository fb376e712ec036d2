//! What is signed: the receipt of the run. What became of every row is folded anew from the segments, and compared with
//! what `summary.json` says.

use super::{
    findings::{Difference, Kind, Lack},
    pass::{Tally, World},
    table::CheckId,
};
use crate::{
    domain::{Digest, Fate, Outcome, ShardIndex, SkipCode, newest},
    ports::Fault,
    run::receipts::{Receipts, row_digest},
};

/// What enters the receipt of each row of a partition that has an outcome, whatever attempts are asked for.
pub fn digests(world: &World<'_>, part: usize) -> Result<Vec<(ShardIndex, Digest)>, Fault> {
    let settled = |outcome: &Outcome| world.settled(outcome.row, outcome.attempt);
    let one = |earlier: Outcome, later: Outcome| match settled(&later) {
        Some(_) => newest(earlier, later),
        None => world.standing.of(earlier, later),
    };
    let outcomes = world.outcomes.of(part, one)?.into_iter().flatten();
    let digest = |(shard, mut outcome): (ShardIndex, Outcome)| {
        if let (Fate::Migrated(_), Some(code)) = (&outcome.fate, settled(&outcome)) {
            outcome.fate = skipped(code);
        }
        (shard, row_digest(&outcome, false))
    };
    Ok(outcomes.map(digest).collect())
}

/// The sentence does not enter.
fn skipped(code: SkipCode) -> Fate {
    Fate::Skipped { code, detail: String::new() }
}

/// Compares what was folded anew with what the summary says; names the document that was altered.
pub fn compare(found: &Receipts, told: Result<&Receipts, Lack>, tally: &mut Tally) -> Vec<Difference> {
    let check = CheckId::RunReceipt;
    let told = match told {
        Ok(told) => told,
        Err(lack) => {
            tally.lack(check, lack, 1);
            return Vec::new();
        }
    };
    tally.compare(check, found.count);
    let difference = |issue| Difference { check, kind: Kind::Other, issue, values: None };
    altered(found, told).into_iter().map(difference).collect()
}

fn altered(found: &Receipts, told: &Receipts) -> Vec<String> {
    let mut issues = Vec::new();
    let of_plan = [
        ("submissions", found.submissions == told.submissions),
        ("mapping", found.mapping == told.mapping),
        ("settings", found.settings == told.settings),
        ("shards", found.shards.len() == told.shards.len()),
        ("algorithm", found.algorithm == told.algorithm),
    ];
    for (name, is_same) in of_plan {
        if !is_same {
            issues.push(format!("summary.json: receipts.{name} is not what plan.json pins"));
        }
    }
    let is_same_root = found.root == told.root;
    let mut is_of_segments = false;
    for (shard, (folded, told)) in found.shards.iter().zip(&told.shards).enumerate() {
        if folded == told {
            continue;
        }
        is_of_segments = true;
        issues.push(if is_same_root {
            format!("summary.json: the digest of shard {shard} in receipts.shards is not that of its rows")
        } else {
            format!(
                "segments/{shard}/: the outcomes of shard {shard} are not those that receipts.shards of summary.json \
                 is of"
            )
        });
    }
    if found.count != told.count {
        issues.push(format!(
            "summary.json: receipts.count is {}, and {} rows have an outcome in the segments",
            told.count, found.count
        ));
    }
    if !is_same_root && !is_of_segments {
        issues.push(
            "summary.json: receipts.root is not the digest of its rows, inputs, settings and program"
                .to_owned(),
        );
    }
    issues
}
