//! The receipt of a run: one digest over what became of every row. It depends neither on the number of shards nor on the
//! processes that moved the rows.

use std::{fs::File, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::{
    domain::{AttemptId, Digest, Fate, Outcome, ShardIndex},
    inputs::Hasher,
};

/// Version of the form of the receipts, of [`crate::domain::form`] and of [`crate::domain::source_digest`].
pub const VERSION: u32 = 1;

/// Setting whose digest in the plan is salted with the plan's id. It enters with the rows, which hold its value.
const SALTED: &str = "consumer-key";

/// `receipts` in `summary.json`: who signs `root` signs what became of every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// Version of the form of all digests.
    pub version: u32,
    /// `sha256`.
    pub algorithm: String,
    /// Rows that entered: those with an outcome, and lost ones.
    pub count: u64,
    /// Digest over the four below, the count and every row.
    pub root: Digest,
    /// `submission_files.csv`, its bytes.
    pub submissions: Digest,
    /// `attempt_number_mapping.csv`, its bytes.
    pub mapping: Digest,
    /// The plan's settings that change outcomes, and the version of the rules.
    pub settings: Digest,
    /// The program that merged.
    pub program: Digest,
    /// Digest over the rows of each shard, by shard.
    pub shards: Vec<Digest>,
}

/// Folds the outcomes that stand, in the order of the input's rows.
///
/// ```text
/// row   = SHA-256 of: row number (u64), attempt (u32, 0: none), kind, code, source digest, number of files (u32), for each
///         file: length (u64), MD5 (text), then the receipt and the receipt of the enforcement row
/// shard = SHA-256 of: "rogo-migrate shard 1\n", then the rows
/// root  = SHA-256 of: "rogo-migrate run 1\n", submissions, mapping, settings, program, then the rows, then their number (u64)
/// ```
///
/// Integers are big-endian, texts have their length (u32) in front, a digest that a row does not have is 32 zeros. The kind
/// is migrated, failed, skipped or lost; the code is empty for a migrated or lost row. Of a file the MD5 enters and not the
/// SHA-256: a file that the storage service copied, or that was found after a crash, has only the MD5 that is stored with it
/// (if any; else the length alone enters), and a root must not depend on a crash. Likewise it does not enter whether a
/// receipt's rows were sent, decided again or read.
pub struct Folding {
    receipts: Receipts,
    run: Sha256,
    shards: Vec<Sha256>,
}

impl Folding {
    /// Begins with what the plan pins. `program` is the digest of the program ([`program_digest`]).
    pub fn begin(plan: &Plan, program: Digest) -> Self {
        let of_input = |sha256: &str| sha256.parse().unwrap_or_else(|_| Digest::of(sha256.as_bytes()));
        let receipts = Receipts {
            version: VERSION,
            algorithm: "sha256".to_owned(),
            count: 0,
            root: program,
            submissions: of_input(&plan.submissions.sha256),
            mapping: of_input(&plan.mapping.sha256),
            settings: settings_digest(plan),
            program,
            shards: Vec::new(),
        };
        let mut run = Sha256::new_with_prefix("rogo-migrate run 1\n");
        for digest in [receipts.submissions, receipts.mapping, receipts.settings, receipts.program] {
            run.update(digest.as_bytes());
        }
        let shards = vec![Sha256::new_with_prefix("rogo-migrate shard 1\n"); plan.shards.len()];
        Self { receipts, run, shards }
    }

    /// Adds a row's outcome; `is_lost` if the target lacks what was migrated.
    pub fn add(&mut self, shard: ShardIndex, outcome: &Outcome, is_lost: bool) {
        self.add_row(shard, &row_digest(outcome, is_lost));
    }

    /// Adds a row by its digest ([`row_digest`]).
    pub fn add_row(&mut self, shard: ShardIndex, row: &Digest) {
        self.receipts.count += 1;
        self.run.update(row.as_bytes());
        if let Some(shard) = self.shards.get_mut(shard.place()) {
            shard.update(row.as_bytes());
        }
    }

    /// The receipts of the run.
    pub fn finish(mut self) -> Receipts {
        self.run.update(self.receipts.count.to_be_bytes());
        Receipts {
            root: self.run.into(),
            shards: self.shards.into_iter().map(Digest::from).collect(),
            ..self.receipts
        }
    }
}

/// What enters of one row, as [`Folding`] says; `is_lost` if the target lacks what was migrated.
pub fn row_digest(outcome: &Outcome, is_lost: bool) -> Digest {
    let mut form = outcome.row.to_be_bytes().to_vec();
    form.extend(outcome.attempt.map_or(0, AttemptId::get).to_be_bytes());
    let (kind, code) = match &outcome.fate {
        Fate::Migrated(_) if is_lost => ("lost", ""),
        fate => fate.words(),
    };
    push(&mut form, kind);
    push(&mut form, code);
    push_digest(&mut form, outcome.source.as_ref().map(|source| &source.sha256));
    match &outcome.fate {
        Fate::Migrated(migrated) => {
            form.extend(u32::try_from(migrated.file_receipts.len()).unwrap_or(u32::MAX).to_be_bytes());
            for file in &migrated.file_receipts {
                form.extend(file.bytes.to_be_bytes());
                push(&mut form, file.md5.as_deref().unwrap_or_default());
            }
            let receipt = migrated.receipt.as_ref();
            push_digest(&mut form, receipt.map(|receipt| &receipt.sha256));
            push_digest(&mut form, receipt.and_then(|receipt| receipt.enforcement.as_ref()));
        }
        Fate::Failed { .. } | Fate::Skipped { .. } => form.extend([0; 4 + 32 + 32]),
    }
    Digest::of(&form)
}

fn settings_digest(plan: &Plan) -> Digest {
    let mut form = plan.rules_version.to_be_bytes().to_vec();
    for (name, value) in plan.settings.iter().filter(|(name, _)| *name != SALTED) {
        push(&mut form, name);
        push(&mut form, value);
    }
    Digest::of(&form)
}

fn push(form: &mut Vec<u8>, text: &str) {
    form.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    form.extend_from_slice(text.as_bytes());
}

fn push_digest(form: &mut Vec<u8>, digest: Option<&Digest>) {
    form.extend(digest.map_or([0; 32], |digest| *digest.as_bytes()));
}

/// SHA-256 of the program that runs; of nothing if the system does not show it.
pub fn program_digest() -> Digest {
    let mut hasher = Hasher::default();
    if let Ok(mut program) = File::open("/proc/self/exe") {
        // As far as it can be read.
        let _ = io::copy(&mut program, &mut hasher);
    }
    hasher.sha256()
}
