//! Kinds of waits, ways, queues and promises, with their stable names.

/// What one part of a process waits for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wait {
    /// A connection of the worker's PostgreSQL pool.
    Connection,
    /// Room in the memory that all copies share.
    Memory,
    /// A place among the copies in flight, whose number cannot rise.
    Place,
    /// The recorder, which takes outcomes no faster than the run store does.
    Recorder,
    /// Rows with their facts, while the worker has nothing else to begin.
    Facts,
    /// The turn of a statement, because the target guard slows the process down.
    Guard,
}

impl Wait {
    /// Every kind of wait.
    pub const ALL: [Self; 6] =
        [Self::Connection, Self::Memory, Self::Place, Self::Recorder, Self::Facts, Self::Guard];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Memory => "memory",
            Self::Place => "place",
            Self::Recorder => "recorder",
            Self::Facts => "facts",
            Self::Guard => "guard",
        }
    }
}

/// How a file reaches the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The storage service copies by itself.
    ServerSide,
    /// Its bytes pass through this process.
    Streamed,
}

impl Way {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerSide => "server",
            Self::Streamed => "streamed",
        }
    }
}

/// What a process may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// Outcomes that wait for the recorder.
    Outcomes,
    /// Copies in flight.
    Copies,
    /// PostgreSQL connections in use.
    Pool,
}

impl Bounded {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outcomes => "outcomes",
            Self::Copies => "copies",
            Self::Pool => "pool",
        }
    }
}

/// A promise of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A shard that ends complete has exactly as many outcomes as rows.
    BooksBalance,
    /// No row gets two outcomes from one process.
    OneOutcome,
    /// Only a row that has begun gets an outcome or is dropped: the number of rows under way is never negative.
    InFlight,
    /// A row's number is one of the input's.
    KnownRow,
    /// Earlier and new outcomes together are never more than the shard's rows.
    WithinShard,
    /// A row's stages take no longer than the row.
    StageTimes,
    /// A row that is migrated here was copied and committed here.
    MigratedByStages,
    /// A shard begins once and ends once.
    BeginsOnce,
}

impl Invariant {
    /// Every promise that is checked.
    pub const ALL: [Self; 8] = [
        Self::BooksBalance,
        Self::OneOutcome,
        Self::InFlight,
        Self::KnownRow,
        Self::WithinShard,
        Self::StageTimes,
        Self::MigratedByStages,
        Self::BeginsOnce,
    ];

    /// Its stable id, in logs, metrics and `summary.json`.
    pub fn id(self) -> &'static str {
        match self {
            Self::BooksBalance => "books_balance",
            Self::OneOutcome => "one_outcome",
            Self::InFlight => "in_flight_not_negative",
            Self::KnownRow => "row_of_the_input",
            Self::WithinShard => "within_shard",
            Self::StageTimes => "stages_within_row",
            Self::MigratedByStages => "migrated_by_stages",
            Self::BeginsOnce => "shard_begins_once",
        }
    }
}
