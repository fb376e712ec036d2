//! Which listed blobs a row may name: a container may hold a thousand times as many, and they need no room on the disk.

use crate::run::source_files::NameKey;

/// Bits for a name: with two of them set by each, one of 70 other names passes.
const BITS_PER_NAME: u64 = 16;
/// Names that a row has, about.
const NAMES_PER_ROW: u64 = 3;
/// 32 MiB at most: more names than that is for let more others pass.
const MOST_BITS: u64 = 1 << 28;

/// A Bloom filter.
pub struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Empty, for the files of so many rows.
    pub fn for_rows(rows: u64) -> Self {
        let bits = (rows * NAMES_PER_ROW * BITS_PER_NAME).clamp(u64::from(u64::BITS), MOST_BITS);
        Self { words: vec![0; usize::try_from(bits / u64::from(u64::BITS)).unwrap_or(1)] }
    }

    /// Adds a name.
    pub fn add(&mut self, key: NameKey) {
        for (word, bit) in self.places(key) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether the name was added; some that were not pass too.
    pub fn may_hold(&self, key: NameKey) -> bool {
        let is_set = |(word, bit): (usize, u64)| self.words.get(word).is_some_and(|word| word & bit != 0);
        self.places(key).into_iter().all(is_set)
    }

    fn places(&self, key: NameKey) -> [(usize, u64); 2] {
        let bits = self.words.len() as u64 * u64::from(u64::BITS);
        let (one, other) = key.halves();
        [one, other].map(|half| {
            // Names of one bucket agree in the lowest bits.
            let bit = (half >> 16) % bits;
            let word = usize::try_from(bit / u64::from(u64::BITS)).unwrap_or_default();
            (word, 1 << (bit % u64::from(u64::BITS)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_was_added_passes_and_few_others_do() {
        let mut filter = Filter::for_rows(1_000);
        let key = |name: u32| NameKey::of(0, &name.to_string(), false);
        (0..3_000).map(key).for_each(|key| filter.add(key));
        assert!((0..3_000).all(|name| filter.may_hold(key(name))));
        let others = (3_000..103_000).filter(|name| filter.may_hold(key(*name))).count();
        assert!(others < 3_000, "{others} of 100,000");
        assert!(!Filter::for_rows(0).may_hold(key(1)));
    }
}
