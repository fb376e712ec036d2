//! Copies in flight: how many a process makes at once, found by trying. Copies that the storage service makes by itself
//! and streamed ones have limits of their own; the rows under way follow from them.

mod climb;
mod places;

use std::sync::Arc;

pub use places::{Place, Places};

use super::copy::Budget;
use crate::{
    ports::{Permit, Permits},
    report::events::{Gain, Way},
};

/// The most copies that the storage service makes at once for us: no bytes of theirs pass through the process.
const MOST_SERVER_SIDE: usize = 512;
/// The most streamed copies, if their files are small. Of large ones the byte budget decides.
const MOST_STREAMED: usize = 512;
/// Rows for each worker that may wait for their commit beside those that are copied: one full statement on its way, and
/// one that gathers meanwhile. Each row holds some 50 kB, so that the bound is the process's and not each worker's.
const COMMITS_PER_WORKER: usize = 128;

/// The limits of a process.
pub struct InFlight {
    server_side: Arc<Places>,
    streamed: Arc<Places>,
    rows: Rows,
}

/// How many rows may be under way.
enum Rows {
    /// So many in each worker, from their first copy to their commit.
    OfEachWorker(usize),
    /// As many as there are places for copies, so that none stays empty, and so many whose files are copied already.
    AsCopies { copied: Arc<Permits>, under_way: Arc<Permits>, committed: usize },
}

/// A row's turn: to have its files copied, and to be under way at all. Empty where the rows of each worker are counted.
#[derive(Default)]
pub struct Turn {
    /// Given back when the row's files are copied.
    pub copying: Option<Permit>,
    /// Held until the row has its outcome.
    pub under_way: Option<Permit>,
}

impl InFlight {
    /// `each`: rows of each of the workers (`None`: adaptive).
    pub fn new(each: Option<usize>, workers: usize) -> Arc<Self> {
        Arc::new(each.map_or_else(|| Self::adaptive(workers), |each| Self::fixed(each, workers)))
    }

    /// Both limits start at 32, double while that helps, and follow what the services take; never below 4 or above 512.
    pub fn adaptive(workers: usize) -> Self {
        let server_side = Arc::new(Places::adaptive(MOST_SERVER_SIDE, None));
        let streamed = Arc::new(Places::adaptive(MOST_STREAMED, Some(Budget::PROCESS_BYTES)));
        let (copies, committed) = (server_side.limit().max(streamed.limit()), COMMITS_PER_WORKER * workers);
        let under_way = Permits::new(copies + committed);
        let rows = Rows::AsCopies { copied: Permits::new(copies), under_way, committed };
        Self { server_side, streamed, rows }
    }

    /// So many rows, and as many copies of either way together, for each of the workers.
    pub fn fixed(each: usize, workers: usize) -> Self {
        let places = Arc::new(Places::fixed(each * workers));
        Self { server_side: places.clone(), streamed: places, rows: Rows::OfEachWorker(each.max(1)) }
    }

    /// The places of copies of this way.
    pub fn of(&self, way: Way) -> &Places {
        match way {
            Way::ServerSide => &self.server_side,
            Way::Streamed => &self.streamed,
        }
    }

    /// Waits until one more row may be under way, and its files be copied.
    pub async fn row(&self) -> Turn {
        match &self.rows {
            Rows::OfEachWorker(_) => Turn::default(),
            Rows::AsCopies { copied, under_way, .. } => {
                let under_way = Some(under_way.take().await);
                Turn { copying: Some(copied.take().await), under_way }
            }
        }
    }

    /// The most rows of one worker that may be under way; `None` if only those of all workers together are limited, by
    /// [`InFlight::row`].
    pub fn rows_of_a_worker(&self) -> Option<usize> {
        match &self.rows {
            Rows::OfEachWorker(each) => Some(*each),
            Rows::AsCopies { .. } => None,
        }
    }

    /// Copies of both ways in flight now.
    pub fn usage(&self) -> usize {
        self.places().map(Places::usage).sum()
    }

    /// The most copies of both ways that may be in flight now.
    pub fn limit(&self) -> usize {
        self.places().map(Places::limit).sum()
    }

    fn places(&self) -> impl Iterator<Item = &Places> {
        let is_one = Arc::ptr_eq(&self.server_side, &self.streamed);
        [&*self.server_side, &*self.streamed].into_iter().take(if is_one { 1 } else { 2 })
    }

    /// Returns the place of a finished copy of so many bytes (`None`: it failed). Tells whether a raise of the limit
    /// moved more, once that is known.
    pub fn copied(&self, way: Way, place: Place, bytes: Option<u64>) -> Option<Gain> {
        let gain = self.of(way).copied(place, bytes);
        self.let_rows_follow();
        gain
    }

    /// A service throttles copies of this way: halves their limit, and pauses before the next raise.
    pub fn throttled(&self, way: Way) {
        self.of(way).throttled();
        self.let_rows_follow();
    }

    fn let_rows_follow(&self) {
        if let Rows::AsCopies { copied, under_way, committed } = &self.rows {
            let copies = self.server_side.limit().max(self.streamed.limit());
            copied.set(copies);
            under_way.set(copies + committed);
        }
    }
}

#[cfg(test)]
mod tests;
