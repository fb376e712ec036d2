//! Facts of the first of many attempts, as many as have room, from rows that come in no order.

use std::collections::HashMap;

use crate::domain::{AttemptFacts, AttemptId, FactRow, Facts};

use super::rows::{answers, attempt_of, gather};

/// Collects the rows of a prefix of the attempts, which grows shorter while their facts have no room.
pub(super) struct Prefix<'a> {
    attempts: &'a [AttemptId],
    /// Place of each attempt among them.
    places: HashMap<AttemptId, usize>,
    /// Length of the prefix: one attempt is kept however large its facts are.
    kept: usize,
    facts: HashMap<AttemptId, Facts>,
    bytes: usize,
    room: usize,
}

impl<'a> Prefix<'a> {
    /// Of these attempts, with `room` bytes for the texts of their facts.
    pub(super) fn new(attempts: &'a [AttemptId], room: usize) -> Self {
        let mut places = HashMap::with_capacity(attempts.len());
        for (place, attempt) in attempts.iter().enumerate() {
            places.entry(*attempt).or_insert(place);
        }
        Self { attempts, places, kept: attempts.len(), facts: HashMap::new(), bytes: 0, room }
    }

    /// Keeps the row if its attempt is in the prefix.
    pub(super) fn take(&mut self, row: FactRow) {
        if !is_kept(&self.places, self.kept, attempt_of(&row)) {
            return;
        }
        self.bytes += row.size_bytes();
        gather(&mut self.facts, row);
        while self.bytes > self.room && self.kept > 1 {
            self.kept = self.kept.div_ceil(2);
            self.facts.retain(|attempt, _| is_kept(&self.places, self.kept, *attempt));
            self.bytes = self.facts.values().map(Facts::size_bytes).sum();
        }
    }

    /// The facts of the prefix, in the order of the attempts, once every row was taken.
    pub(super) fn finish(self) -> Vec<AttemptFacts> {
        answers(self.attempts.get(..self.kept).unwrap_or(self.attempts), &self.facts)
    }
}

fn is_kept(places: &HashMap<AttemptId, usize>, kept: usize, attempt: AttemptId) -> bool {
    places.get(&attempt).is_some_and(|place| *place < kept)
}
