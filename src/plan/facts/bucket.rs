//! The rows of a bucket: JSON text from the scan to the facts file, which is neither parsed nor written anew on its way.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{AttemptId, FactRow},
    ports::Fault,
    run::lines::{Buckets, SpooledBuckets, value_of},
};

/// The table that a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Of {
    /// [`crate::domain::REPORT_TABLE`].
    #[serde(rename = "r")]
    Report,
    /// [`crate::domain::SCORE_TABLE`].
    #[serde(rename = "s")]
    Score,
}

/// Keeps the row in the bucket: whose it is, then its values.
pub fn push(buckets: &mut Buckets, bucket: usize, row: &FactRow) -> Result<(), Fault> {
    match row {
        FactRow::Report(attempt, report) => {
            buckets.push(bucket, &(attempt, Of::Report))?;
            buckets.push(bucket, report)
        }
        FactRow::Score(attempt, score) => {
            buckets.push(bucket, &(attempt, Of::Score))?;
            buckets.push(bucket, score)
        }
    }
}

/// A bucket in memory.
#[derive(Default)]
pub struct Bucket {
    text: Vec<u8>,
    /// Attempt, table and place in the text of each row, by attempt and table; rows of both in the order in which they came.
    rows: Vec<(AttemptId, Of, Range<usize>)>,
}

impl Bucket {
    /// All rows of the bucket, put in order.
    pub fn read(buckets: &SpooledBuckets, bucket: usize) -> Result<Self, Fault> {
        let text = buckets.text(bucket)?;
        let mut rows = Vec::new();
        let (mut at, mut of) = (0, None);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match of.take() {
                None => of = Some(value_of::<(AttemptId, Of)>(line)?),
                Some((attempt, table)) => rows.push((attempt, table, at..at + line.len() - 1)),
            }
            at += line.len();
        }
        rows.sort_by_key(|(attempt, table, _)| (*attempt, *table));
        Ok(Self { text, rows })
    }

    /// The attempt's rows of a table, as JSON text each.
    pub fn texts(&self, attempt: AttemptId, table: Of) -> impl Iterator<Item = &[u8]> + Clone {
        let key = (attempt, table);
        let first = self.rows.partition_point(|(attempt, table, _)| (*attempt, *table) < key);
        let rows = self.rows.get(first..).unwrap_or_default().iter();
        let text = &self.text;
        rows.take_while(move |(attempt, table, _)| (*attempt, *table) == key)
            .map(move |(_, _, place)| text.get(place.clone()).unwrap_or_default())
    }
}
