//! Kinds of waits, ways and queues, with their stable names.

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
