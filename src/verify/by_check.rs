//! Rows by check, a bit each: what differs in millions of rows is kept in few bytes.

use std::collections::BTreeMap;

use super::table::CheckId;
use crate::run::RowSet;

/// Rows of a range, each with the checks that name it.
#[derive(Debug, Clone, Default)]
pub struct ByCheck {
    /// The number of the row before the first one.
    before: u64,
    /// The number of the last row.
    last: u64,
    rows: BTreeMap<CheckId, RowSet>,
}

impl ByCheck {
    /// None yet, of the rows from `first` to `last`, both included.
    pub fn of_range(first: u64, last: u64) -> Self {
        Self { before: first.saturating_sub(1), last, rows: BTreeMap::new() }
    }

    /// The same range without a row.
    #[must_use]
    pub fn empty(&self) -> Self {
        Self::of_range(self.before + 1, self.last)
    }

    /// Adds the row to those of the check. A row outside of the range is none of a look at it, and is left out.
    pub fn insert(&mut self, row: u64, check: CheckId) {
        let (place, rows) = (self.place(row), self.last.saturating_sub(self.before));
        let of_check = self.rows.entry(check).or_insert_with(|| RowSet::new(rows));
        let _ = of_check.insert(place);
    }

    /// Whether the check names the row.
    pub fn contains(&self, row: u64, check: CheckId) -> bool {
        self.rows.get(&check).is_some_and(|rows| rows.contains(self.place(row)))
    }

    /// Whether any check names the row.
    pub fn names(&self, row: u64) -> bool {
        let place = self.place(row);
        self.rows.values().any(|rows| rows.contains(place))
    }

    /// Number of pairs of row and check.
    pub fn len(&self) -> u64 {
        self.rows.values().map(RowSet::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that checks name, in rising order.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        let last = if self.is_empty() { self.before } else { self.last };
        (self.before + 1..=last).filter(|row| self.names(*row))
    }

    /// Each row with each check that names it, in the order of rows.
    pub fn all(&self) -> impl Iterator<Item = (u64, CheckId)> {
        let checks = move |row: u64| {
            let place = self.place(row);
            let named = self.rows.iter().filter(move |(_, rows)| rows.contains(place));
            named.map(move |(check, _)| (row, *check))
        };
        self.rows().flat_map(checks)
    }

    /// Place of the row in the range, from 1; 0 for one before it.
    pub fn place(&self, row: u64) -> u64 {
        row.saturating_sub(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_differences_are_counted_exactly_in_a_bit_each() {
        let (first, last) = (1_000_001, 2_000_000);
        let mut all = ByCheck::of_range(first, last);
        for row in (first..=last).chain([1, first - 1, last + 1]) {
            all.insert(row, CheckId::BlobPresent);
        }
        for row in [last, first] {
            all.insert(row, CheckId::BlobLength);
            all.insert(row, CheckId::BlobLength);
        }
        assert_eq!((all.len(), all.rows().count()), (1_000_002, 1_000_000));
        assert!(!all.contains(1, CheckId::BlobPresent) && !all.names(last + 1));
        let pairs: Vec<(u64, CheckId)> = all.all().take(3).collect();
        let [present, length] = [CheckId::BlobPresent, CheckId::BlobLength];
        assert_eq!(pairs, [(first, present), (first, length), (first + 1, present)]);
        assert_eq!((all.empty().len(), all.empty().all().count()), (0, 0));
    }
}
