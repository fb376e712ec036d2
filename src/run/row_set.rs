//! A set of row numbers: one bit each, so that millions of rows fit a few hundred kilobytes.

/// Row numbers from 1 to a limit.
#[derive(Debug, Clone)]
pub struct RowSet {
    words: Vec<u64>,
    limit: u64,
    len: u64,
}

/// The row number is 0 or beyond the input's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a row of the plan's input")]
pub struct OutOfRange;

impl RowSet {
    /// No rows yet, of an input of `limit` rows.
    pub fn new(limit: u64) -> Self {
        Self { words: Vec::new(), limit, len: 0 }
    }

    /// Adds a row; whether it is new.
    pub fn insert(&mut self, row: u64) -> Result<bool, OutOfRange> {
        if row == 0 || row > self.limit {
            return Err(OutOfRange);
        }
        let (word, bit) = place(row).ok_or(OutOfRange)?;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bits = self.words.get_mut(word).ok_or(OutOfRange)?;
        let new = *bits & bit == 0;
        *bits |= bit;
        self.len += u64::from(new);
        Ok(new)
    }

    /// Whether the row is in the set.
    pub fn contains(&self, row: u64) -> bool {
        place(row).and_then(|(word, bit)| Some(self.words.get(word)? & bit != 0)).unwrap_or(false)
    }

    /// First and last row of each range, ascending.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let words = (0..).step_by(64).zip(&self.words).filter(|(_, word)| **word != 0);
        for row in words.flat_map(|(first, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        }) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == row => *last = row,
                _ => ranges.push((row, row)),
            }
        }
        ranges
    }

    /// Number of rows in the set.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn place(row: u64) -> Option<(usize, u64)> {
    Some((usize::try_from(row / 64).ok()?, 1 << (row % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_new_once_and_only_rows_of_the_input_are_taken() {
        let mut rows = RowSet::new(200);
        assert_eq!(rows.insert(200), Ok(true));
        assert_eq!(rows.insert(200), Ok(false));
        assert_eq!(rows.insert(1), Ok(true));
        assert_eq!(rows.insert(0), Err(OutOfRange));
        assert_eq!(rows.insert(201), Err(OutOfRange));
        assert_eq!(rows.len(), 2);
        assert!(rows.contains(1) && rows.contains(200) && !rows.contains(2) && !rows.contains(u64::MAX));
    }

    #[test]
    fn ranges_join_rows_that_follow_on_each_other() {
        let mut rows = RowSet::new(300);
        assert_eq!(rows.ranges(), []);
        for row in [300, 1, 63, 64, 65, 128, 200] {
            rows.insert(row).unwrap();
        }
        assert_eq!(rows.ranges(), [(1, 1), (63, 65), (128, 128), (200, 200), (300, 300)]);
    }
}
