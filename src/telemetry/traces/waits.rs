//! The waits and throttles of a step that lasted longer than a second: the longest become spans.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::ports::Service;

/// Shorter waits are no spans.
const SECOND: Duration = Duration::from_secs(1);
/// So many are kept until the step ends.
const KEPT: usize = 1_000;

/// A wait that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// Name of its span.
    pub name: &'static str,
    /// The service that was waited for, if it was one.
    pub service: Option<Service>,
    /// When it began.
    pub began: SystemTime,
    /// How long it lasted.
    pub took: Duration,
}

/// The waits of a step so far.
#[derive(Debug, Default)]
pub(super) struct Waits {
    over: Vec<Wait>,
    left_out: usize,
    /// Services that are away or throttle: since when, and which of the two.
    under_way: BTreeMap<Service, (SystemTime, &'static str)>,
}

impl Waits {
    /// A part of the process waited for another part.
    pub(super) fn waited(&mut self, on: &'static str, until: SystemTime, took: Duration) {
        let began = until.checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH);
        self.note(Wait { name: on, service: None, began, took });
    }

    /// A service throttles or is away: of a change from one to the other each is a wait of its own.
    pub(super) fn troubled(&mut self, service: Service, name: &'static str, since: SystemTime) {
        if self.under_way.get(&service).is_some_and(|(_, known)| *known != name) {
            self.answers(service, since);
        }
        self.under_way.entry(service).or_insert((since, name));
    }

    /// It answers again.
    pub(super) fn answers(&mut self, service: Service, now: SystemTime) {
        if let Some((began, name)) = self.under_way.remove(&service) {
            let took = now.duration_since(began).unwrap_or_default();
            self.note(Wait { name, service: Some(service), began, took });
        }
    }

    /// The longest waits, `most` of them, and how many are left out. What is under way ends with the step.
    pub(super) fn end(&mut self, now: SystemTime, most: usize) -> (Vec<Wait>, usize) {
        let under_way: Vec<Service> = self.under_way.keys().copied().collect();
        for service in under_way {
            self.answers(service, now);
        }
        self.keep_longest(most);
        (std::mem::take(&mut self.over), std::mem::take(&mut self.left_out))
    }

    fn note(&mut self, wait: Wait) {
        if wait.took > SECOND {
            self.over.push(wait);
            if self.over.len() > 2 * KEPT {
                self.keep_longest(KEPT);
            }
        }
    }

    fn keep_longest(&mut self, most: usize) {
        self.over.sort_by_key(|wait| std::cmp::Reverse(wait.took));
        self.left_out += self.over.len().saturating_sub(most);
        self.over.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_throttle_lasts_from_its_first_answer_to_the_next_good_one_and_a_short_one_is_none() {
        let mut waits = Waits::default();
        waits.troubled(Service::TargetBlobs, "throttled", at(10));
        waits.troubled(Service::TargetBlobs, "throttled", at(12));
        waits.answers(Service::TargetBlobs, at(15));
        waits.troubled(Service::Database, "service away", at(20));
        waits.answers(Service::Database, at(21));
        let took = Duration::from_secs(5);
        let throttled = Wait { name: "throttled", service: Some(Service::TargetBlobs), began: at(10), took };
        assert_eq!(waits.end(at(30), 9), (vec![throttled], 0));
    }

    #[test]
    fn what_is_under_way_ends_with_the_step() {
        let mut waits = Waits::default();
        waits.troubled(Service::Database, "service away", at(20));
        let took = Duration::from_secs(4);
        let away = Wait { name: "service away", service: Some(Service::Database), began: at(20), took };
        assert_eq!(waits.end(at(24), 9), (vec![away], 0));
        assert_eq!(waits.end(at(25), 9), (vec![], 0));
    }

    #[test]
    fn the_longest_are_kept_and_the_rest_is_counted() {
        let mut waits = Waits::default();
        for seconds in 2..=3_001 {
            waits.waited("memory", at(10_000), Duration::from_secs(seconds));
        }
        let (kept, left_out) = waits.end(at(10_000), 2);
        let took: Vec<_> = kept.iter().map(|wait| wait.took.as_secs()).collect();
        assert_eq!((took, left_out), (vec![3_001, 3_000], 2_998));
    }
}
