//! Slices of time: as short as possible, but never more than [`MOST`] from the first to the last.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::run::{Slice, State, Waited};

/// Slices from the first to the last.
const MOST: i64 = 600;

/// What happened when. The lengths are powers of two of a second, so that slices join in pairs; the result does not depend
/// on the order in which things are added.
#[derive(Debug)]
pub(super) struct Slices {
    length_s: i64,
    /// By number since 1970.
    by_number: BTreeMap<i64, Slice>,
    waits: Vec<Waited>,
}

impl Default for Slices {
    fn default() -> Self {
        Self { length_s: 1, by_number: BTreeMap::new(), waits: Vec::new() }
    }
}

/// Waits are kept until they are this many.
const WAITS_KEPT: usize = 1_000;

impl Slices {
    /// The slice of an instant.
    pub(super) fn at(&mut self, at: DateTime<Utc>) -> &mut Slice {
        self.reach(at.timestamp());
        self.by_number.entry(at.timestamp().div_euclid(self.length_s)).or_default()
    }

    /// Spreads a time of waiting over its slices. Waits are spread when the outcomes' slices are known or when there are
    /// many, so that a long wait is not spread over seconds.
    pub(super) fn waited(&mut self, wait: &Waited) {
        self.waits.push(wait.clone());
        if self.waits.len() >= WAITS_KEPT {
            self.spread();
        }
    }

    /// The length of a slice in seconds, and all that hold something, ascending.
    pub(super) fn finish(mut self) -> (u64, Vec<Slice>) {
        self.spread();
        let length_s = self.length_s;
        let slices =
            self.by_number.into_iter().map(|(number, slice)| Slice { from_s: number * length_s, ..slice });
        (length_s.unsigned_abs(), slices.collect())
    }

    fn spread(&mut self) {
        for wait in std::mem::take(&mut self.waits) {
            self.reach(wait.from.timestamp());
            self.reach(wait.to.timestamp());
            let (from, to) = (wait.from.timestamp_millis(), wait.to.timestamp_millis());
            let length_ms = self.length_s * 1_000;
            for number in from.div_euclid(length_ms)..=to.div_euclid(length_ms) {
                let overlap = to.min((number + 1) * length_ms) - from.max(number * length_ms);
                let milliseconds = u64::try_from(overlap).unwrap_or_default();
                let slice = self.by_number.entry(number).or_default();
                match wait.state {
                    State::Throttled(_) | State::Slowed(_) => slice.throttled_ms += milliseconds,
                    _ => slice.waiting_ms += milliseconds,
                }
            }
        }
    }

    /// Makes the slices long enough for this second beside the others.
    fn reach(&mut self, second: i64) {
        let number = second.div_euclid(self.length_s);
        let mut first = self.by_number.first_key_value().map_or(number, |(first, _)| number.min(*first));
        let mut last = self.by_number.last_key_value().map_or(number, |(last, _)| number.max(*last));
        while last - first >= MOST {
            self.length_s *= 2;
            (first, last) = (first.div_euclid(2), last.div_euclid(2));
            let mut joined: BTreeMap<i64, Slice> = BTreeMap::new();
            for (number, slice) in std::mem::take(&mut self.by_number) {
                add(joined.entry(number.div_euclid(2)).or_default(), &slice);
            }
            self.by_number = joined;
        }
    }
}

fn add(to: &mut Slice, other: &Slice) {
    to.migrated += other.migrated;
    to.failed += other.failed;
    to.skipped += other.skipped;
    to.bytes += other.bytes;
    to.throttled_ms += other.throttled_ms;
    to.waiting_ms += other.waiting_ms;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn there_are_never_more_than_600_and_nothing_is_lost_whatever_the_order() {
        let seconds: Vec<i64> = (0..100_000).step_by(7).collect();
        let fold = |order: &mut dyn Iterator<Item = i64>| {
            let mut slices = Slices::default();
            order.for_each(|second| slices.at(at(second)).migrated += 1);
            slices.finish()
        };
        let (length_s, forwards) = fold(&mut seconds.iter().copied());
        let (same_length_s, backwards) = fold(&mut seconds.iter().rev().copied());
        assert_eq!((length_s, &forwards), (same_length_s, &backwards));
        let span = (forwards.last().unwrap().from_s - forwards[0].from_s) / 256 + 1;
        assert_eq!(length_s, 256);
        assert!((300..=600).contains(&span), "{span}");
        assert_eq!(forwards.iter().map(|slice| slice.migrated).sum::<u64>(), seconds.len() as u64);
    }

    #[test]
    fn a_wait_is_spread_over_its_slices() {
        let mut slices = Slices::default();
        let state = State::Throttled("503 from target blobs".into());
        slices.waited(&Waited { from: at(0), to: at(3), state });
        let (length_s, found) = slices.finish();
        assert_eq!(length_s, 1);
        let throttled: Vec<u64> = found.iter().map(|slice| slice.throttled_ms).collect();
        assert_eq!(throttled, [1_000, 1_000, 1_000, 0]);
    }
}
