//! Rows that a result is without: missing ones, and lost ones.

use serde::{Deserialize, Serialize};

use super::names;
use crate::domain::ShardIndex;

/// Rows without an outcome, named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Number of rows with this code.
    pub rows: u64,
    /// Their numbers, in order: first and last of each run of rows; of each shard at most 100 runs.
    pub ranges: Vec<(u64, u64)>,
    /// The shards they belong to.
    pub shards: Vec<ShardIndex>,
}

impl Missing {
    /// Adds a row; rows come in rising order.
    pub fn add(&mut self, row: u64) {
        self.rows += 1;
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => self.ranges.push((row, row)),
        }
    }
}

/// Rows that were migrated and that the target no longer holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many; `lost.csv` names them.
    pub rows: u64,
    /// Those of them of which another run's submission stands: no `--redo lost` moves them.
    #[serde(default)]
    pub of_another_run: u64,
    /// The shards they belong to, ascending.
    pub shards: Vec<ShardIndex>,
}

impl Lost {
    /// Whether `--redo lost` moves any of them again.
    pub fn redo_helps(&self) -> bool {
        self.rows > self.of_another_run
    }

    /// Of how many of them another run's submission stands, behind a sentence about all; empty if of none.
    pub fn of_another_told(&self) -> String {
        if self.of_another_run == 0 {
            return String::new();
        }
        format!(
            "; of {} of them another run's submission stands, which --redo lost does not move ({} names them)",
            self.of_another_run,
            names::LOST_TO_ANOTHER
        )
    }

    /// What may be done about them and when, behind a sentence about all: the next line is one of these.
    pub fn ways_on(&self) -> &'static str {
        if self.redo_helps() {
            "; if the database lost them, move them again (--redo lost); if they were deleted on purpose, accept that \
             (finalize --accept lost)"
        } else {
            "; if that is right, accept that this run's are gone (finalize --accept lost)"
        }
    }
}
