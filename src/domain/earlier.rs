//! What a later export is compared with: an attempt as an earlier run moved it.

use std::{collections::BTreeSet, fmt::Write};

use serde::{Deserialize, Serialize};

use super::{
    Digest, Facts, MappingState, REPORT_COLUMNS, SourceDigest, SubmissionRow,
    receipt::{report_form, score_form, source_form},
};

/// What an earlier run says of an attempt that it migrated. The plan puts it into the queue, so that shards need neither
/// that run nor its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Name of the run.
    pub run: String,
    /// The row that it migrated, in its own input.
    pub row: u64,
    /// What it was decided from.
    pub source: SourceDigest,
    /// [`source_key`] of the row as it was then; `None` if that run's queue is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// Columns of the submissions and the mapping whose cells differ now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Whether a person accepted that the target no longer holds it (`finalize --accept lost`): no `--redo lost` creates it
    /// again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

/// What a change of the scores is called.
const SCORES: &str = "the scores";
/// Digits of a part: enough to name a column that differs, too few to tell what it holds.
const PART_DIGITS: usize = 4;

/// Digest of a row's cells and mapping, version 1. It salts the parts of the facts, so that they tell nothing once the
/// queues, which hold the row, are purged.
pub fn source_key(cells: &SubmissionRow, mapping: &MappingState) -> Digest {
    Digest::of(&source_form(cells, mapping))
}

/// Four hex digits for each column of the report and for the scores: which of the facts differ from these later. Order and
/// copies of rows do not count.
pub fn facts_parts(key: &Digest, facts: &Facts) -> String {
    let mut columns: Vec<BTreeSet<Vec<u8>>> = vec![BTreeSet::new(); REPORT_COLUMNS.len()];
    for report in &facts.reports {
        for (column, value) in columns.iter_mut().zip(report_form(report)) {
            column.insert(value);
        }
    }
    columns.push(facts.scores.iter().map(score_form).collect());
    let mut parts = String::with_capacity(columns.len() * PART_DIGITS);
    for (number, values) in (0_u8..).zip(columns) {
        let mut form = key.as_bytes().to_vec();
        form.push(number);
        for value in values {
            form.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            form.extend(value);
        }
        let [first, second, ..] = *Digest::of(&form).as_bytes();
        // Writing to a String cannot fail.
        let _ = write!(parts, "{first:02x}{second:02x}");
    }
    parts
}

impl Earlier {
    /// Whether the row is what it was; facts count if they counted then.
    pub fn is_unchanged(&self, now: &SourceDigest) -> bool {
        self.source.sha256 == now.sha256
    }

    /// What differs now: columns of the submissions, the mapping and the warehouse; empty if that cannot be told.
    pub fn differences(&self, facts: &Facts) -> Vec<String> {
        let mut named = self.changed.clone();
        if let (Some(key), Some(then)) = (&self.key, &self.source.parts) {
            let now = facts_parts(key, facts);
            let differs = |place: usize| {
                let part = |parts: &str| {
                    parts.get(place * PART_DIGITS..(place + 1) * PART_DIGITS).map(str::to_owned)
                };
                part(then) != part(&now)
            };
            let columns = REPORT_COLUMNS.into_iter().chain([SCORES]);
            named.extend(
                columns.enumerate().filter(|(place, _)| differs(*place)).map(|(_, name)| name.to_owned()),
            );
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Mapping, Report, Score, Value, source_with_parts};

    fn facts() -> Facts {
        let score = |label: &str| Score {
            label: Value::Text(label.into()),
            score: Value::Number(1.0),
            marker_comment: Value::Null,
        };
        Facts { reports: vec![Report::default()], scores: vec![score("a"), score("b")] }
    }

    fn earlier(facts: &Facts) -> Earlier {
        let cells = SubmissionRow::default();
        let mapping =
            MappingState::Found(Mapping { unit_version: "24_01".into(), submission: "Attempt 1".into() });
        let key = source_key(&cells, &mapping);
        let source = source_with_parts(&cells, &mapping, Some(facts));
        Earlier { run: "first".into(), row: 7, source, key: Some(key), changed: Vec::new(), accepted: false }
    }

    #[test]
    fn each_column_of_the_warehouse_is_named_when_it_changes_and_no_other() {
        let then = earlier(&facts());
        assert_eq!(then.differences(&facts()), Vec::<String>::new());
        let plain = serde_json::to_value(Report::default()).unwrap();
        let fields: Vec<String> = plain.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields.len(), REPORT_COLUMNS.len());
        for field in fields {
            let mut changed = plain.clone();
            changed[&field] = serde_json::to_value(Value::Text("new".into())).unwrap();
            let report = serde_json::from_value(changed).unwrap();
            let named = then.differences(&Facts { reports: vec![report], ..facts() });
            assert_eq!(named.len(), 1, "{field}: {named:?}");
            assert_eq!(named[0].to_lowercase(), field.replace('_', ""), "the column's own name");
        }
        let mut scores = facts();
        scores.scores.pop();
        assert_eq!(then.differences(&scores), [SCORES]);
    }

    #[test]
    fn order_and_copies_of_the_warehouses_rows_are_no_change() {
        let then = earlier(&facts());
        let mut now = facts();
        now.scores.reverse();
        now.reports.extend(facts().reports);
        assert_eq!(then.differences(&now), Vec::<String>::new());
    }

    #[test]
    fn without_that_runs_queue_only_the_fact_of_the_change_is_known() {
        let then = Earlier { key: None, ..earlier(&facts()) };
        assert_eq!(then.differences(&Facts::default()), Vec::<String>::new());
    }
}
