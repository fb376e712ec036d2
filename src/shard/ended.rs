//! What ends a shard before every row has an outcome.

use std::sync::PoisonError;

use super::{Shard, breaker::Opened};
use crate::exit::{Moment, Stop};

/// What ended the process before its shard was done.
pub(super) enum Ended {
    Breaker(Opened),
    By(Stop),
}

impl Shard {
    /// Ends the process: the first reason counts. Returns a copy of it for the caller's own `Err`. From the first row
    /// on, what ends this shard ends no other: 78 would end them all.
    pub(super) fn end(&self, stop: Stop) -> Stop {
        let stop = stop.at(Moment::AfterFirstRow);
        let copy = Stop::new(stop.exit, stop.message.clone());
        self.end_by(Ended::By(stop));
        copy
    }

    /// The circuit breaker ends the process, if nothing else did.
    pub(super) fn break_off(&self, opened: Opened) {
        self.end_by(Ended::Breaker(opened));
    }

    fn end_by(&self, ended: Ended) {
        self.ended_by.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ended);
        self.stop.cancel();
    }

    /// What ended the process, if something did; asked once, at the end.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended_by.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
