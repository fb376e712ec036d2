//! What the time of processes went into: sums in done markers and heartbeats, from which the advice of a run is made.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// What a process did and waited for. All times are sums in microseconds, so that those of many processes add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// From the first row on.
    pub elapsed_us: u64,
    /// That, times the workers.
    pub worker_us: u64,
    /// Processor time that was used, while it was measured.
    pub cpu_us: u64,
    /// Processor time that could have been used meanwhile.
    pub core_us: u64,
    /// Rows that got an outcome.
    pub rows: u64,
    /// From the beginning to the outcome of each of them.
    pub row_us: u64,
    /// Fetching facts, chunk by chunk.
    pub gather_us: u64,
    /// Copying the files of each row.
    pub copy_us: u64,
    /// Files that were copied.
    pub files: u64,
    /// Copying each of them, waits included.
    pub file_us: u64,
    /// Bytes that were copied.
    pub bytes: u64,
    /// Waits for another part of the process, by what was waited for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waited_us: BTreeMap<String, u64>,
    /// Time in which a service throttled the process, by service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub throttled_us: BTreeMap<String, u64>,
    /// Time in which the process waited for a service that did not answer, by service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub away_us: BTreeMap<String, u64>,
    /// Time in which the target guard slowed the process down, by the sign of load.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slowed_us: BTreeMap<String, u64>,
    /// Answers of services, by service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, Answers>,
    /// Statements that committed submissions.
    pub commits: Commits,
    /// How often the number of copies in flight was raised.
    pub raises: u64,
    /// How often that brought nothing.
    pub raises_lost: u64,
    /// How full the breaker was; of several processes the fullest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
}

/// Statements that committed submissions, and how many of these each carried: those that waited for a connection at the
/// same time share one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commits {
    /// Statements that were answered.
    pub statements: u64,
    /// Submissions that they carried.
    pub submissions: u64,
    /// The most of one statement.
    pub largest: u64,
}

impl Commits {
    /// Adds those of others.
    pub fn add(&mut self, other: Self) {
        self.statements += other.statements;
        self.submissions += other.submissions;
        self.largest = self.largest.max(other.largest);
    }
}

/// Answers of one service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Number of answers.
    pub answers: u64,
    /// The time until each of them.
    pub us: u64,
}

/// Failures among the newest rows that reached copy, and how many would open the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Newest rows that reached copy, at most 1,000.
    pub rows: u64,
    /// Of them failed there or at commit.
    pub failures: u64,
    /// More failures than this would open the breaker.
    pub allowed: u64,
}

impl Breaker {
    fn is_fuller_than(self, other: Self) -> bool {
        u128::from(self.failures) * u128::from(other.allowed.max(1))
            > u128::from(other.failures) * u128::from(self.allowed.max(1))
    }

    /// The fuller of two.
    pub fn fullest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.is_fuller_than(one) { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

impl Work {
    /// Adds what another process did.
    pub fn add(&mut self, other: &Self) {
        self.each(other, |own, other| *own += other);
        self.commits.largest = self.commits.largest.max(other.commits.largest);
        self.breaker = Breaker::fullest(self.breaker, other.breaker);
    }

    /// What was done since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.clone();
        rest.each(earlier, |own, earlier| *own = own.saturating_sub(earlier));
        rest
    }

    fn each(&mut self, other: &Self, change: impl Fn(&mut u64, u64)) {
        for (own, other) in [
            (&mut self.elapsed_us, other.elapsed_us),
            (&mut self.worker_us, other.worker_us),
            (&mut self.cpu_us, other.cpu_us),
            (&mut self.core_us, other.core_us),
            (&mut self.rows, other.rows),
            (&mut self.row_us, other.row_us),
            (&mut self.gather_us, other.gather_us),
            (&mut self.copy_us, other.copy_us),
            (&mut self.files, other.files),
            (&mut self.file_us, other.file_us),
            (&mut self.bytes, other.bytes),
            (&mut self.commits.statements, other.commits.statements),
            (&mut self.commits.submissions, other.commits.submissions),
            (&mut self.raises, other.raises),
            (&mut self.raises_lost, other.raises_lost),
        ] {
            change(own, other);
        }
        for (own, other) in [
            (&mut self.waited_us, &other.waited_us),
            (&mut self.throttled_us, &other.throttled_us),
            (&mut self.away_us, &other.away_us),
            (&mut self.slowed_us, &other.slowed_us),
        ] {
            for (name, us) in other {
                change(own.entry(name.clone()).or_default(), *us);
            }
        }
        for (name, answers) in &other.asked {
            let own = self.asked.entry(name.clone()).or_default();
            change(&mut own.answers, answers.answers);
            change(&mut own.us, answers.us);
        }
    }
}

/// Something that limits the speed of a run, or is about to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its stable code, which `explain` explains.
    pub code: LimitCode,
    /// What was measured, the threshold above which it is shown, and what to do.
    pub text: String,
}

/// Stable code of a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitCode {
    /// A service throttled the process.
    ThrottledService,
    /// A service did not answer.
    ServiceAway,
    /// A service answers late.
    ServiceLatency,
    /// Workers waited for a connection of their PostgreSQL pool.
    DatabasePool,
    /// The processor is busy.
    Cpu,
    /// Copies waited for memory.
    MemoryBudget,
    /// Copies waited for a place.
    InFlightCap,
    /// Workers waited for facts of the warehouse.
    WarehouseBatch,
    /// Files are so small that requests count, not bytes.
    SmallFiles,
    /// One shard takes longer than the others.
    SlowShard,
    /// Outcomes waited for the run store.
    RunStoreFlush,
    /// More copies in flight move no more bytes.
    Bandwidth,
    /// So many rows fail that the breaker is about to stop the shard.
    BreakerNear,
    /// The target guard slowed the process down.
    TargetGuard,
}

impl LimitCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::ThrottledService,
        Self::ServiceAway,
        Self::ServiceLatency,
        Self::DatabasePool,
        Self::Cpu,
        Self::MemoryBudget,
        Self::InFlightCap,
        Self::WarehouseBatch,
        Self::SmallFiles,
        Self::SlowShard,
        Self::RunStoreFlush,
        Self::Bandwidth,
        Self::BreakerNear,
        Self::TargetGuard,
    ];

    /// As it stands in `summary.json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::ThrottledService => "throttled_service",
            Self::ServiceAway => "service_away",
            Self::ServiceLatency => "service_latency",
            Self::DatabasePool => "database_pool",
            Self::Cpu => "cpu",
            Self::MemoryBudget => "memory_budget",
            Self::InFlightCap => "in_flight_cap",
            Self::WarehouseBatch => "warehouse_batch",
            Self::SmallFiles => "small_files",
            Self::SlowShard => "slow_shard",
            Self::RunStoreFlush => "run_store_flush",
            Self::Bandwidth => "bandwidth",
            Self::BreakerNear => "breaker_near",
            Self::TargetGuard => "target_guard",
        }
    }
}

impl fmt::Display for LimitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
