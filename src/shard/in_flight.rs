//! Copies in flight: how many a process makes at once, found by trying. Copies that the storage service makes by itself
//! and streamed ones have limits of their own; the rows under way follow from them.

mod climb;
mod places;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use places::{Place, Places};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::copy::Budget;
use crate::{
    ports::{Permit, Permits},
    report::events::{Consumer, Event, Gain, Way},
};

/// The most copies that the storage service makes at once for us: no bytes of theirs pass through the process.
const MOST_SERVER_SIDE: usize = 512;
/// The most streamed copies, if their files are small. Of large ones the byte budget decides.
const MOST_STREAMED: usize = 640;
/// Open files that are left to all else: databases, run store, inputs. A copy has two.
const OTHER_FILES: usize = 256;
/// So many copies are always tried.
const AT_LEAST: usize = 16;
/// Rows for each worker that may wait for their commit beside those that are copied, if the database is near: more would only
/// wait for it, and each holds some 50 kB …
const COMMITS_NEAR: u64 = 64;
/// … and if it is far: a full statement on the way on each of 3 connections.
const COMMITS_FAR: u64 = 192;
/// The fastest commit of a database that is far.
const FAR: Duration = Duration::from_millis(200);

/// Bytes of the texts of all rows under way: a row is held several times over until it is committed. Rows of usual size, some
/// 3 kB, never fill it.
const TEXT_BYTES: usize = 16 * 1024 * 1024;
/// Room for texts is given out in pieces of this.
const TEXT_PIECE: usize = 1024;

/// The most copies of a way at once, in a process that may have so many files open.
fn most(copies: usize, open_files: u64) -> usize {
    let room = usize::try_from(open_files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES) / 2;
    copies.min(room).max(AT_LEAST)
}

/// The limits of a process.
pub struct InFlight {
    server_side: Arc<Places>,
    streamed: Arc<Places>,
    rows: Rows,
    texts: Arc<Semaphore>,
}

/// How many rows may be under way.
enum Rows {
    /// So many in each worker, from their first copy to their commit.
    OfEachWorker(usize),
    /// As many as there are places for copies, so that none stays empty, and some whose files are copied already.
    AsCopies { copied: Arc<Permits>, under_way: Arc<Permits>, commits: Commits },
}

/// Rows that may wait for their commit.
struct Commits {
    workers: u64,
    /// Microseconds of the fastest commit so far: as near as the database is.
    fastest_us: AtomicU64,
}

impl Commits {
    /// Counts one that took so long.
    fn took(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.fastest_us.fetch_min(us, Ordering::Relaxed);
    }

    fn limit(&self) -> usize {
        let far_us = u64::try_from(FAR.as_micros()).unwrap_or(u64::MAX);
        let fastest_us = match self.fastest_us.load(Ordering::Relaxed) {
            u64::MAX => 0,
            us => us.min(far_us),
        };
        let each = COMMITS_NEAR + (COMMITS_FAR - COMMITS_NEAR) * fastest_us / far_us;
        usize::try_from(each * self.workers).unwrap_or(usize::MAX)
    }
}

/// A row's turn: to have its files copied, and to be under way at all. Where the rows of each worker are counted it holds the
/// room of its texts only.
#[derive(Default)]
pub struct Turn {
    /// Given back when the row's files are copied.
    pub copying: Option<Permit>,
    /// Held until the row has its outcome.
    pub under_way: Option<Permit>,
    /// Room of its texts; held as long.
    pub texts: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// `each`: rows of each of the workers (`None`: adaptive); `open_files`: how many the process may have.
    pub fn new(each: Option<usize>, workers: usize, open_files: u64) -> Arc<Self> {
        Arc::new(each.map_or_else(|| Self::adaptive(workers, open_files), |each| Self::fixed(each, workers)))
    }

    /// Both limits start at 32, double while that helps, and follow what the services take; never below 4, and at most
    /// what the way allows.
    pub fn adaptive(workers: usize, open_files: u64) -> Self {
        let server_side = Places::adaptive(most(MOST_SERVER_SIDE, open_files), None);
        let streamed = Places::adaptive(most(MOST_STREAMED, open_files), Some(Budget::PROCESS_BYTES));
        let (server_side, streamed) = (Arc::new(server_side), Arc::new(streamed));
        let commits = Commits { workers: workers as u64, fastest_us: AtomicU64::new(u64::MAX) };
        let copies = server_side.limit().max(streamed.limit());
        let under_way = Permits::new(copies + commits.limit());
        let rows = Rows::AsCopies { copied: Permits::new(copies), under_way, commits };
        Self { server_side, streamed, rows, texts: texts() }
    }

    /// So many rows, and as many copies of either way together, for each of the workers.
    pub fn fixed(each: usize, workers: usize) -> Self {
        let places = Arc::new(Places::fixed(each * workers));
        let rows = Rows::OfEachWorker(each.max(1));
        Self { server_side: places.clone(), streamed: places, rows, texts: texts() }
    }

    /// The places of copies of this way.
    pub fn of(&self, way: Way) -> &Places {
        match way {
            Way::ServerSide => &self.server_side,
            Way::Streamed => &self.streamed,
        }
    }

    /// Waits until one more row with so many bytes of text may be under way, and its files be copied. A row that is larger
    /// than the room for all of them goes alone.
    pub async fn row(&self, text_bytes: usize) -> Turn {
        let pieces = text_bytes.min(TEXT_BYTES).div_ceil(TEXT_PIECE);
        // Below 2^32, and never closed.
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        let texts = self.texts.clone().acquire_many_owned(pieces).await.ok();
        match &self.rows {
            Rows::OfEachWorker(_) => Turn { texts, ..Turn::default() },
            Rows::AsCopies { copied, under_way, .. } => {
                let under_way = Some(under_way.take().await);
                Turn { copying: Some(copied.take().await), under_way, texts }
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
        if let Rows::AsCopies { copied, under_way, commits } = &self.rows {
            let copies = self.server_side.limit().max(self.streamed.limit());
            copied.set(copies);
            under_way.set(copies + commits.limit());
        }
    }
}

fn texts() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(TEXT_BYTES / TEXT_PIECE))
}

/// Learns from commits how far the database is.
impl Consumer for InFlight {
    fn take(&self, _: Instant, event: &Event<'_>) {
        if let (Event::Committed { took, .. }, Rows::AsCopies { commits, .. }) = (event, &self.rows) {
            commits.took(*took);
            self.let_rows_follow();
        }
    }
}

#[cfg(test)]
mod tests;
