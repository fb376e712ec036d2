//! Rows with a purpose: every outcome that data alone can cause, and the odd cases that must still migrate.

mod codes;
mod odd;
mod target;

use std::collections::BTreeMap;

use super::{Shape, draft::Draft, random::Random};

/// What makes one or two plain rows special.
pub(super) enum Plant {
    One(fn(&mut Draft)),
    /// The older row of the CSV, then the newer.
    Two(fn(&mut Draft, &mut Draft)),
}

impl Plant {
    fn rows(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Two(_) => 2,
        }
    }
}

/// The planted rows by row number. A sample that is too small gets the first ones of the lists: every code before the
/// odd cases.
pub(super) fn planted(shape: &Shape) -> BTreeMap<u64, Draft> {
    let mut chosen = Vec::new();
    let mut rows = 0;
    for plant in codes::PLANTS.iter().chain(target::PLANTS).chain(odd::PLANTS) {
        if rows + plant.rows() <= shape.rows {
            rows += plant.rows();
            chosen.push(plant);
        }
    }
    shuffle(&mut chosen, &mut Random::of_row(shape.seed, 0));

    // The CSV is cut into as many equal parts as there are planted rows; each part holds one of them.
    let mut numbers = (0..rows).map(|place| {
        let (begin, end) = (place * shape.rows / rows, (place + 1) * shape.rows / rows);
        begin + 1 + Random::of_row(!shape.seed, place).below(end - begin)
    });
    let mut drafts = BTreeMap::new();
    let mut alone = || numbers.next().map(|number| Draft::alone(shape, number));
    for plant in chosen {
        match plant {
            Plant::One(change) => {
                let Some(mut row) = alone() else { break };
                change(&mut row);
                drafts.insert(row.number, row);
            }
            Plant::Two(change) => {
                let (Some(mut older), Some(mut newer)) = (alone(), alone()) else { break };
                change(&mut older, &mut newer);
                drafts.insert(older.number, older);
                drafts.insert(newer.number, newer);
            }
        }
    }
    drafts
}

/// Rows that a sample needs to hold every plant.
#[cfg(test)]
pub(super) fn rows_of_all() -> u64 {
    codes::PLANTS.iter().chain(target::PLANTS).chain(odd::PLANTS).map(Plant::rows).sum()
}

/// Shuffles in place (Fisher–Yates).
fn shuffle(plants: &mut [&Plant], random: &mut Random) {
    for place in (1..plants.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap_or_default();
        plants.swap(place, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plant_fits_into_120_rows() {
        assert!(rows_of_all() <= 120, "{} rows", rows_of_all());
    }

    #[test]
    fn planted_rows_are_within_the_sample_and_each_stands_alone() {
        for rows in [1, 2, 50, 120, 300] {
            let shape = Shape::new(7, rows);
            let drafts = planted(&shape);
            assert_eq!(drafts.len() as u64, rows.min(rows_of_all()), "{rows}");
            assert!(drafts.keys().all(|number| (1..=rows).contains(number)), "{rows}");
        }
    }
}
