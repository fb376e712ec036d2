//! What proves an outcome: the receipt of the stored rows, the proof of each file, the digest of the source.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Digest, Facts, MappingState, Report, Score, SubmissionRow, Value, facts_parts};

/// What a migrated submission is in the target, as a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// SHA-256 of the submission's rows in canonical form ([`super::form`]).
    pub sha256: Digest,
    /// Where the rows come from.
    #[serde(default, skip_serializing_if = "ReceiptFrom::is_sent")]
    pub from: ReceiptFrom,
    /// With malpractice: SHA-256 of the enforcement row as this attempt makes it, whether or not it is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Digest>,
    /// The commit's transaction id (`pg_current_xact_id()`, 64 bits; `xmin` holds its lower 32), if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<u64>,
}

impl Receipt {
    /// The commit's transaction as the rows that it wrote keep it (`xmin`), if it is known.
    pub fn row_transaction(&self) -> Option<u32> {
        self.transaction
            .map(|transaction| u32::try_from(transaction & u64::from(u32::MAX)).unwrap_or_default())
    }
}

/// Where the rows of a receipt come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptFrom {
    /// They were sent, and stored as they were sent.
    #[default]
    Sent,
    /// They were decided again, after a crash, a lost answer or a commit by a twin. If the target holds others, the
    /// outcome has the note `changed_since`.
    Decided,
    /// They were read from the target, because the row can no longer be decided.
    Stored,
}

impl ReceiptFrom {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_sent(&self) -> bool {
        *self == Self::Sent
    }
}

/// One file of a migrated submission, and what is proven of it.
///
/// With a SHA-256 the bytes passed through this program. With an MD5 alone the storage service made the copy, and its
/// source stores that MD5, or the file was found after a crash, and the target stores it. With neither, only the length
/// is proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReceipt {
    /// Length of the file, bytes.
    pub bytes: u64,
    /// Of its bytes, or as stored, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// Of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl FileReceipt {
    /// The receipt of a file of this length.
    pub fn new(bytes: u64, md5: Option<[u8; 16]>, sha256: Option<Digest>) -> Self {
        Self { bytes, md5: md5.map(md5_hex), sha256 }
    }
}

/// An MD5 as 32 hex digits.
pub fn md5_hex(md5: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(md5))
}

/// The MD5 of 32 hex digits; `None` if the text is none.
pub fn md5_from_hex(hex: &str) -> Option<[u8; 16]> {
    let is_plain = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| u128::from_str_radix(hex, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// Digest of everything that a row was decided from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDigest {
    /// [`source_digest`].
    pub sha256: Digest,
    /// Whether the decision took the warehouse's facts: then they entered.
    pub facts: bool,
    /// Of a migrated row: which of the facts differ later ([`super::facts_parts`]). Enters no other digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<String>,
}

/// SHA-256 of what a row is decided from, in a fixed form, version 1.
///
/// ```text
/// form   = "rogo-migrate source 1\n", cells, mapping, facts
/// cells  = number of cells (u32), then for each: header name, cell (as it came, untrimmed), in the order of `SubmissionRow`
/// mapping = 0 (no row) or 2 (rows that differ), or 1 and the texts Unit Code Version, Submission
/// facts  = 0 if the decision took none, else 1, then the reports, then the scores
/// rows   = number of rows (u32), then each row's values in the order of the struct's fields; sorted by their bytes, equal
///          rows once, since neither order nor copies change a decision
/// text   = length in bytes (u32), UTF-8
/// value  = 0 (null), 1 text, 2 f64, 3 text (date without offset, ISO 8601), 4 text (date with offset, RFC 3339), 5 one
///          byte 0 or 1, or 6 text (why the value could not be read)
/// ```
///
/// Integers and floats are big-endian, tags are one byte.
pub fn source_digest(cells: &SubmissionRow, mapping: &MappingState, facts: Option<&Facts>) -> SourceDigest {
    let mut hasher = Sha256::new_with_prefix(source_form(cells, mapping));
    hasher.update(source_facts(facts));
    SourceDigest { sha256: hasher.into(), facts: facts.is_some(), parts: None }
}

/// [`source_digest`] of a row that is migrated: a later export is compared with it, so it tells which of the facts differ.
pub fn source_with_parts(
    cells: &SubmissionRow,
    mapping: &MappingState,
    facts: Option<&Facts>,
) -> SourceDigest {
    let mut hasher = Sha256::new_with_prefix(source_form(cells, mapping));
    // The form up to the facts: [`super::source_key`], without a second pass over the cells.
    let key = hasher.clone().into();
    hasher.update(source_facts(facts));
    let parts = facts.map(|facts| facts_parts(&key, facts));
    SourceDigest { sha256: hasher.into(), facts: facts.is_some(), parts }
}

/// The form up to the facts.
pub(super) fn source_form(cells: &SubmissionRow, mapping: &MappingState) -> Vec<u8> {
    let mut form = b"rogo-migrate source 1\n".to_vec();
    let used = cells.used();
    push_count(&mut form, used.len());
    for (column, cell) in used {
        push_text(&mut form, column);
        push_text(&mut form, cell);
    }
    match mapping {
        MappingState::Missing => form.push(0),
        MappingState::Found(found) => {
            form.push(1);
            push_text(&mut form, &found.unit_version);
            push_text(&mut form, &found.submission);
        }
        MappingState::Ambiguous => form.push(2),
    }
    form
}

/// The rest of the form.
fn source_facts(facts: Option<&Facts>) -> Vec<u8> {
    let Some(Facts { reports, scores }) = facts else { return vec![0] };
    let mut form = vec![1];
    push_rows(&mut form, reports.iter().map(|report| report_form(report).concat()));
    push_rows(&mut form, scores.iter().map(score_form));
    form
}

/// Each value of a report, in the order of its columns.
pub(super) fn report_form(report: &Report) -> [Vec<u8>; 12] {
    report.values().map(value_form)
}

/// All values of a score.
pub(super) fn score_form(score: &Score) -> Vec<u8> {
    score.values().map(value_form).concat()
}

fn value_form(value: &Value) -> Vec<u8> {
    let mut form = Vec::new();
    match value {
        Value::Null => form.push(0),
        Value::Text(text) => push_tagged(&mut form, 1, text),
        Value::Number(number) => {
            form.push(2);
            form.extend(number.to_be_bytes());
        }
        Value::Local(at) => push_tagged(&mut form, 3, &at.format("%Y-%m-%dT%H:%M:%S%.9f").to_string()),
        Value::Instant(at) => push_tagged(&mut form, 4, &at.format("%Y-%m-%dT%H:%M:%S%.9f%:z").to_string()),
        Value::Bool(is) => form.extend([5, u8::from(*is)]),
        Value::Invalid(why) => push_tagged(&mut form, 6, why),
    }
    form
}

fn push_rows(form: &mut Vec<u8>, rows: impl Iterator<Item = Vec<u8>>) {
    let mut rows: Vec<Vec<u8>> = rows.collect();
    rows.sort_unstable();
    rows.dedup();
    push_count(form, rows.len());
    form.extend(rows.concat());
}

fn push_tagged(form: &mut Vec<u8>, tag: u8, text: &str) {
    form.push(tag);
    push_text(form, text);
}

fn push_text(form: &mut Vec<u8>, text: &str) {
    push_count(form, text.len());
    form.extend_from_slice(text.as_bytes());
}

fn push_count(form: &mut Vec<u8>, count: usize) {
    form.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mapping;

    fn facts() -> Facts {
        let score = |label: &str, score| Score {
            label: Value::Text(label.into()),
            score: Value::Number(score),
            marker_comment: Value::Null,
        };
        Facts { reports: vec![Report::default()], scores: vec![score("a", 1.0), score("b", 2.0)] }
    }

    fn mapping() -> MappingState {
        MappingState::Found(Mapping { unit_version: "24_01".into(), submission: "Attempt 2".into() })
    }

    #[test]
    fn neither_the_order_of_rows_nor_copies_change_the_digest_of_the_source() {
        let cells = SubmissionRow::default();
        let expected = source_digest(&cells, &mapping(), Some(&facts()));
        let mut other = facts();
        other.scores.reverse();
        other.scores.extend(facts().scores);
        other.reports.extend(facts().reports);
        assert_eq!(source_digest(&cells, &mapping(), Some(&other)), expected);
    }

    #[test]
    fn every_cell_and_value_changes_the_digest_of_the_source() {
        let cells = SubmissionRow::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut add = |cells: &SubmissionRow, mapping: &MappingState, facts: Option<&Facts>| {
            assert!(seen.insert(source_digest(cells, mapping, facts).sha256));
        };
        add(&cells, &mapping(), Some(&facts()));
        add(&cells, &mapping(), None);
        add(&cells, &MappingState::Missing, None);
        add(&cells, &MappingState::Ambiguous, None);
        // Each cell, by its name in JSON: a cell that is left out of the form shows here.
        let plain = serde_json::to_value(&cells).unwrap();
        let names: Vec<String> = plain.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), cells.used().len());
        for name in names {
            let mut changed = plain.clone();
            changed[name] = "x".into();
            add(&serde_json::from_value(changed).unwrap(), &mapping(), Some(&facts()));
        }
        let plain = serde_json::to_value(Report::default()).unwrap();
        for name in plain.as_object().unwrap().keys() {
            for value in
                [Value::Bool(true), Value::Number(1.0), Value::Text("1".into()), Value::Invalid("1".into())]
            {
                let mut changed = plain.clone();
                changed[name] = serde_json::to_value(value).unwrap();
                let report = serde_json::from_value(changed).unwrap();
                add(&cells, &mapping(), Some(&Facts { reports: vec![report], ..facts() }));
            }
        }
    }
}
