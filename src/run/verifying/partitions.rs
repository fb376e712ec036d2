//! The partitions of a verification.

use crate::run::outcomes::Ranges;

/// A partition has so many rows at least.
const LEAST_ROWS: u64 = 50;
/// So many rows serve well: a partition has no more, as long as there are few partitions.
const GOOD_ROWS: u64 = 1_200;
/// At least so many partitions, so that little is done again.
const LEAST_PARTS: u64 = 16;
/// At most so many: a process holds the cells, facts and outcomes of one partition in memory, of 3,000,000 rows about 2,930.
const MOST_PARTS: u64 = 1_024;

/// The partitions of a run's rows. They depend on the number of rows only, so that any number of processes shares them.
pub fn partitions(rows: u64) -> Ranges {
    let good = rows.div_ceil(LEAST_PARTS).clamp(LEAST_ROWS, GOOD_ROWS);
    Ranges::new(rows, rows.div_ceil(MOST_PARTS).max(good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_hold_every_row_once_and_depend_on_the_number_of_rows_only() {
        for (rows, count, each) in [
            (0, 1, 50),
            (10, 1, 50),
            (600, 12, 50),
            (24_000, 20, 1_200),
            (80_000, 67, 1_200),
            (3_000_000, 1_024, 2_930),
        ] {
            let ranges = partitions(rows);
            assert_eq!((ranges.count(), ranges.each()), (count, each), "{rows}");
            assert_eq!((0..count).map(|part| ranges.rows(part)).sum::<u64>(), rows);
        }
    }
}
