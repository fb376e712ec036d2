//! Names of the documents, relative to the run's folder.

use crate::{
    domain::ShardIndex,
    run::{Epoch, PlanId, WriterId},
};

/// Document that holds the frozen plan.
pub const PLAN: &str = "plan.json";
/// Written by rollback before it removes anything ([`super::RolledBack`]).
pub const ROLLED_BACK: &str = "rolled-back.json";

/// Left by `purge`: what holds personal data is gone from the run's folder ([`super::Purged`]).
pub const PURGED: &str = "purged.json";
/// Prefix of the purges of some attempts ([`super::Purged`]).
pub const PURGED_ATTEMPTS: &str = "purged/";

/// One of them.
pub fn purged_attempts(id: &str) -> String {
    format!("{PURGED_ATTEMPTS}{id}.json")
}

/// Prefix of the rollbacks of some attempts ([`super::RolledBack`]).
pub const ROLLED_BACK_ATTEMPTS: &str = "rolled-back/";

/// One of them.
pub fn rolled_back_attempts(id: &str) -> String {
    format!("{ROLLED_BACK_ATTEMPTS}{id}.json")
}

/// The shard's rows, newest first, a JSON line each ([`crate::domain::QueuedRow`]).
pub fn queue(plan: &PlanId, shard: ShardIndex) -> String {
    format!("queues/{plan}/{shard}")
}

/// The shard's facts in the order of its queue, a JSON line each ([`crate::domain::AttemptFacts`]).
pub fn facts(plan: &PlanId, shard: ShardIndex) -> String {
    format!("facts/{plan}/{shard}")
}

/// Outcomes that one process recorded ([`crate::run::segments`]).
pub fn segment(shard: ShardIndex, writer: &WriterId, sequence: u64) -> String {
    format!("segments/{shard}/{writer}-{sequence:08}.jsonl")
}

/// Prefix of all segments.
pub const SEGMENTS: &str = "segments/";

/// Prefix of the shard's segments.
pub fn segments(shard: ShardIndex) -> String {
    format!("segments/{shard}/")
}

/// Prefix of all done markers.
pub const DONE: &str = "done/";

/// Every row of the shard has an outcome.
pub fn done(shard: ShardIndex) -> String {
    format!("done/{shard}.json")
}

/// Prefix of the heartbeats of processes that make a plan.
pub const PLANNING: &str = "planning/";

/// The plan of this epoch is being made.
pub fn planning(epoch: &Epoch) -> String {
    format!("{PLANNING}{epoch}.json")
}

/// Why the plan of this epoch was refused.
pub fn refused(epoch: &Epoch) -> String {
    format!("refused/{epoch}.json")
}

/// A process that may upload and commit.
pub fn writer(id: &WriterId) -> String {
    format!("writers/{id}.json")
}

/// Mark of a process that ended in order and left no orphans.
pub fn clean(id: &WriterId) -> String {
    format!("writers/{id}.clean")
}

/// Mark of a process that may not upload or commit any more.
pub fn retired(id: &WriterId) -> String {
    format!("retired/{id}")
}

/// Name of a process's heartbeat.
pub fn heartbeat(epoch: &Epoch, shard: ShardIndex, writer: &WriterId) -> String {
    format!("heartbeats/{epoch}/{shard}-{writer}.json")
}

/// Prefix of all heartbeats.
pub const HEARTBEATS: &str = "heartbeats/";

/// Prefix of an epoch's heartbeats.
pub fn heartbeats(epoch: &Epoch) -> String {
    format!("heartbeats/{epoch}/")
}

/// Prefix of the images of enforcement rows.
pub const ENFORCEMENT_IMAGES: &str = "enforcements/";

/// An image of an enforcement row that this run did not write, before it is changed. `number` is 0 for the first; another
/// follows if the row is not as the newest image any more.
pub fn enforcement_image(id: &str, number: u32) -> String {
    match number {
        0 => format!("{ENFORCEMENT_IMAGES}{id}.json"),
        _ => format!("{ENFORCEMENT_IMAGES}{id}.json.{number}"),
    }
}

/// Rows that stand in the target.
pub const MIGRATED: &str = "migrated.csv";
/// Rows that failed: an input for the next run.
pub const FAILED: &str = "submissions_failed_migration.csv";
/// Rows that were skipped.
pub const SKIPPED: &str = "skipped.csv";
/// Notes on migrated rows.
pub const NOTES: &str = "notes.csv";
/// Rows that were migrated, and that the target no longer holds.
pub const LOST: &str = "lost.csv";
/// Those of them of which another run's submission stands: an input for `rollback --attempts` of that run.
pub const LOST_TO_ANOTHER: &str = "lost_to_another_run.csv";
/// The rows of which the target lacked what was migrated ([`crate::run::Standing`]).
pub const ABSENT: &str = "absent.json";
/// What the last rollback did with each attempt.
pub const ROLLED_BACK_ROWS: &str = "rolled_back.csv";
/// The books ([`super::Summary`]).
pub const SUMMARY: &str = "summary.json";
/// How the run went ([`super::Course`]); the report is made from it.
pub const TELEMETRY: &str = "telemetry.json";
/// The report for people: one self-contained page.
pub const REPORT: &str = "report.html";
/// What a verification compared ([`super::Verification`]).
pub const VERIFICATION: &str = "verification.json";
/// SHA-256 of every file whose bytes were read: an input for `verify --manifest`.
pub const MANIFEST: &str = "manifest.csv";
/// The manifest of one part, from 1, of several.
pub fn manifest_of_part(part: u32, of: u32) -> String {
    format!("manifest-{part}-of-{of}.csv")
}
/// SHA-256 of every file whose bytes were read, if not all of them were compared: it takes the place of no manifest.
pub const MANIFEST_UNPROVEN: &str = "manifest-unproven.csv";
/// The same of one part, from 1, of several.
pub fn unproven_manifest_of_part(part: u32, of: u32) -> String {
    format!("manifest-unproven-{part}-of-{of}.csv")
}
/// Whether a file is a manifest, of all files or of one part.
pub fn is_manifest(file: &str) -> bool {
    let part = file.strip_prefix("manifest-").and_then(|rest| rest.strip_suffix(".csv"));
    let part = part.map(|part| part.strip_prefix("unproven-").unwrap_or(part));
    let of = part.and_then(|part| part.split_once("-of-"));
    [MANIFEST, MANIFEST_UNPROVEN].contains(&file)
        || of.is_some_and(|(part, of)| [part, of].iter().all(|one| one.parse::<u32>().is_ok()))
}
/// Prefix of the parts of all verifications at level content.
pub const VERIFIED_PARTS: &str = "verify/content/";
/// Prefix of the parts of a verification at level content that were verified, of so many.
pub fn verified_parts(of: u32) -> String {
    format!("{VERIFIED_PARTS}{of}/")
}
/// One of them, from 1.
pub fn verified_part(part: u32, of: u32) -> String {
    format!("{}{part}.json", verified_parts(of))
}
/// What it found: an input for `rollback --attempts` and `verify --attempts`.
pub const VERIFICATION_FAILURES: &str = "verification_failures.csv";
/// Results of a verification: if it has a store elsewhere, those that count are there.
pub const VERIFIED: [&str; 2] = [VERIFICATION, VERIFICATION_FAILURES];
/// Every file that finalize or rollback may write into a folder of the user's.
pub const RESULTS: [&str; 9] =
    [MIGRATED, FAILED, SKIPPED, NOTES, LOST, LOST_TO_ANOTHER, ROLLED_BACK_ROWS, SUMMARY, REPORT];
/// Results that hold nothing by which a learner is known: a purge leaves them, and every bundle holds them.
pub const WITHOUT_PERSONAL_DATA: [&str; 9] =
    [SUMMARY, REPORT, MIGRATED, SKIPPED, NOTES, LOST, LOST_TO_ANOTHER, ROLLED_BACK_ROWS, VERIFICATION];

/// What the run was predicted to do ([`super::Prediction`]).
pub const PREDICTION: &str = "prediction.json";
/// What exists and no row of the input names.
pub const NOT_IN_INPUT: &str = "not_in_input.csv";
/// What the rules make of each distinct value.
pub const TRANSFORMATIONS: &str = "transformations.csv";
/// Sums by unit version and grade.
pub const CONTROLS: &str = "controls.csv";
/// The statement by which `verify` counts them in the target.
pub const CONTROLS_SQL: &str = "controls.sql";
/// Every file that `plan --predict` may write into a folder of the user's.
pub const PREDICTED: [&str; 3] = [NOT_IN_INPUT, TRANSFORMATIONS, CONTROLS];

/// Prefix of the decisions that accept lost rows ([`super::Acceptance`]).
pub const ACCEPTED: &str = "accepted/";

/// One of them.
pub fn accepted(id: &str) -> String {
    format!("{ACCEPTED}{id}.json")
}

/// Every decision of a person, a JSON line each ([`super::Decided`]), made of the documents under [`DECIDED`].
pub const DECISIONS: &str = "decisions.jsonl";

/// Prefix of the decisions, a document each: processes that decide at the same time lose none.
pub const DECIDED: &str = "decisions/";

/// One of them; `id` sorts by time, or says what is decided once.
pub fn decided(id: &str) -> String {
    format!("{DECIDED}{id}.json")
}

/// Prefix of the states of verifications, in the verify store ([`crate::run::verifying`]).
pub const VERIFYING: &str = "verifying/";

/// A result of the run.
pub fn result(file: &str) -> String {
    format!("results/{file}")
}
