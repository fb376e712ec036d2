//! What the target database shows of its load, and which of it slows a process down.

use std::{fmt, time::Duration};

/// The load of the target at one moment, without the sessions of this run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetLoad {
    /// Sessions of others that wait for a lock.
    pub waiting: u64,
    /// Of them those that wait for a session of this run.
    pub waiting_for_us: u64,
    /// How long the first of them has waited; zero if none does.
    pub longest_wait: Duration,
    /// Age of the oldest transaction of another session; `None` if there is none, or none that may be seen.
    pub longest_transaction: Option<Duration>,
    /// How far the slowest replica is behind in replaying; `None` without replicas, or if it may not be seen.
    pub replication_lag: Option<Duration>,
    /// Sessions of others whose transactions this role may not see.
    pub hidden_sessions: u64,
    /// Replicas whose lag this role may not see.
    pub hidden_replicas: u64,
}

impl TargetLoad {
    /// Whether this role may not see all of it.
    pub fn hides_something(&self) -> bool {
        self.hidden_sessions > 0 || self.hidden_replicas > 0
    }
}

/// Why the target guard slows a process down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadSign {
    /// Sessions of others wait for locks, of this run or of anyone.
    LockWaits,
    /// A transaction of another session is long.
    LongTransaction,
    /// A replica is behind.
    ReplicationLag,
    /// This process's commits take longer than at best.
    CommitLatency,
    /// The server wakes sleeping sessions up later than at best: its processors are busy.
    ResponseTime,
    /// Nothing is known yet: a guarded run begins slowly.
    Start,
}

impl LoadSign {
    /// Every sign, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::LockWaits,
        Self::LongTransaction,
        Self::ReplicationLag,
        Self::CommitLatency,
        Self::ResponseTime,
        Self::Start,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LockWaits => "lock_waits",
            Self::LongTransaction => "long_transaction",
            Self::ReplicationLag => "replication_lag",
            Self::CommitLatency => "commit_latency",
            Self::ResponseTime => "response_time",
            Self::Start => "start",
        }
    }
}

impl fmt::Display for LoadSign {
    /// As a reason, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LockWaits => "other sessions wait for locks",
            Self::LongTransaction => "another session has a long transaction",
            Self::ReplicationLag => "a replica lags behind",
            Self::CommitLatency => "commits take longer than at best",
            Self::ResponseTime => "its processors answer later than at best",
            Self::Start => "it begins slowly",
        })
    }
}
