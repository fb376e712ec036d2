//! One stream of events: what a process does, told once. Progress, log lines, limits, invariants and telemetry are
//! consumers of it, and none of them reads another's state.

mod kinds;
mod server;
mod stream;

use std::time::Duration;

use crate::{
    domain::{AttemptId, Books, Fate, ShardIndex},
    ports::{Fault, LoadSign, Service},
    run::{Breaker, State},
};

pub use kinds::{Bounded, Invariant, Wait, Way};
pub use server::Server;
pub use stream::{Consumer, Events, now, since};

/// What happened in a process.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A process begins with the rows of a shard.
    ShardBegan(Beginning<'a>),
    /// The facts of so many rows were fetched, in so much time.
    Gathered {
        /// Rows of the chunk.
        rows: usize,
        /// From the first question to the last answer, retries included.
        took: Duration,
    },
    /// A row left the queue and is being decided.
    RowBegan {
        /// Number of the CSV's data row.
        row: u64,
    },
    /// A row has its outcome.
    RowSettled(Settled<'a>),
    /// A stop interrupted a row: it has no outcome, and a later process moves it.
    RowDropped {
        /// Number of the CSV's data row.
        row: u64,
    },
    /// One file was copied and proven.
    FileCopied {
        /// Size of the file.
        bytes: u64,
        /// From the wait for a place to the proof, retries included.
        took: Duration,
    },
    /// Bytes of files reached the target.
    BytesMoved {
        /// Number of bytes.
        bytes: u64,
        /// Which way they took.
        way: Way,
    },
    /// A segment of outcomes stands in the run store.
    Recorded {
        /// From the request to its answer.
        took: Duration,
    },
    /// How full a queue of the process is, once a second.
    Sized {
        /// The queue in question.
        queue: Bounded,
        /// What is in it.
        usage: usize,
        /// The most that can be in it now.
        limit: usize,
    },
    /// The program broke a promise that it checks of itself: a bug.
    PromiseBroken {
        /// The broken promise.
        invariant: Invariant,
        /// The row that it happened at, if it was one.
        row: Option<u64>,
    },
    /// A statement that commits submissions was answered.
    Committed {
        /// How many shared it.
        submissions: usize,
        /// From the request to the answer, without the wait for a connection.
        took: Duration,
        /// Whether it was a transaction of several round trips.
        in_transaction: bool,
    },
    /// The target guard has looked at the target, or begins with a shard.
    Guarded(Guarded<'a>),
    /// A part of the process waited for another part of it.
    Waited {
        /// What it waited for.
        on: Wait,
        /// For how long.
        took: Duration,
    },
    /// A service answered a question of this process.
    Asked {
        /// Service that was asked.
        service: Service,
        /// The server that was asked over HTTP; `None` of a database or a folder.
        server: Option<&'a Server>,
        /// From the question to the answer.
        took: Duration,
    },
    /// A stage failed and is tried again.
    StageRetried {
        /// What it met.
        fault: &'a Fault,
        /// Failed tries of the operation so far.
        tries: u32,
        /// The pause before the next one.
        wait: Duration,
    },
    /// The whole process waits for a service that throttles or does not answer.
    ServiceTroubled {
        /// What the service answered.
        fault: &'a Fault,
        /// `throttled: …` or `waiting: …`.
        state: &'a State,
    },
    /// A service that was away or throttled answers again.
    ServiceAnswers {
        /// Service that answers.
        service: Service,
        /// `throttled: …` or `waiting: …`, which is over.
        after: &'a State,
    },
    /// The process is doing something else than before.
    StateChanged {
        /// What it is doing.
        state: &'a State,
    },
    /// The number of copies in flight was raised, and a window later it is known whether that helped.
    Raised(Gain),
    /// Figures of the process, once a second.
    Sampled(Sample),
    /// No more rows of the shard are moved by this process.
    ShardEnded {
        /// Index of the shard.
        shard: ShardIndex,
        /// Whether rows are left.
        ended: Ended,
    },
    /// The merge of outcomes goes on.
    MergeProgressed {
        /// Outcomes merged so far.
        rows: u64,
        /// Rows of the plan.
        of: u64,
    },
    /// A check of a verification has ended.
    CheckDone {
        /// Its stable name.
        check: &'a str,
        /// Rows in which it compared something.
        compared: u64,
        /// Differences that stand.
        different: u64,
    },
}

/// What a process knows of its shard before the first row.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Index of the shard.
    pub shard: ShardIndex,
    /// Rows of its queue.
    pub rows: u64,
    /// Number of the last row of the input.
    pub last_row: u64,
    /// Rows with an outcome from earlier processes.
    pub earlier: &'a Books,
    /// Workers of the process.
    pub workers: usize,
}

/// A row with its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// Number of the CSV's data row.
    pub row: u64,
    /// Its attempt, if the cell holds one.
    pub attempt: Option<AttemptId>,
    /// The worker's number, from 1.
    pub worker: usize,
    /// What became of the row.
    pub fate: &'a Fate,
    /// How long its stages took.
    pub times: StageTimes,
    /// How full the circuit breaker is with this row; `None` before the first row that reached copy, and if it is off.
    pub breaker: Option<Breaker>,
}

/// How long the stages of a row took. The stages follow one another; [`StageTimes::gather`] is over before the row begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// The facts of its whole chunk.
    pub gather: Duration,
    /// From its beginning to its decision.
    pub decide: Duration,
    /// All its files; `None` if it was not copied.
    pub copy: Option<Duration>,
    /// Its commit, or the comparison of a row that stood already; `None` if it did not come to that.
    pub commit: Option<Duration>,
    /// From its beginning to its outcome.
    pub whole: Duration,
}

/// How far the target guard slows the process down.
#[derive(Debug, Clone, Copy)]
pub struct Guarded<'a> {
    /// Share of full speed, at most 1.
    pub share: f64,
    /// Why it is less than 1.
    pub because: Option<LoadSign>,
    /// Whether share or reason are others than before.
    pub changed: bool,
    /// What was measured, in words; empty if nothing was.
    pub figures: &'a str,
}

/// Whether more copies in flight moved more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// The raise is kept.
    Gained,
    /// It is taken back.
    Nothing,
}

/// Figures of a process since the last sample.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Time since the last sample.
    pub took: Duration,
    /// Processor time that the process used meanwhile, on all cores together.
    pub cpu: Duration,
    /// Cores that the process may use.
    pub cores: usize,
}

/// How a process ended with a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every row has an outcome.
    Complete,
    /// Rows are left for a later process.
    Unfinished,
}
