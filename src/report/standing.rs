//! Where a run stands, as `status` tells it.

mod map;
mod rows;

use std::{fmt::Write, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::grid::{Align, Grid, count, percent, permille, span};
use crate::{
    domain::{Level, ShardIndex},
    run::{Limit, PlanId, RunName, VerifyResult},
};

pub use rows::Rows;

/// Shards, or processes of a verification, with a line of their own: those that need a look first. JSON has them all.
const LINES_SHOWN: usize = 8;

/// A run at an instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Name of the run.
    pub run: RunName,
    /// Where plan and results are kept.
    pub run_store: String,
    /// State of the run in a word.
    pub state: RunState,
    /// Why it is in this state, in a sentence.
    pub reason: String,
    /// Exit code with which `status` ends.
    pub exit_code: u8,
    /// The plan's id; `None` before there is one.
    pub plan: Option<PlanId>,
    /// When it was made (UTC).
    pub planned_at: Option<DateTime<Utc>>,
    /// Rows by what became of them, over all shards.
    pub rows: Rows,
    /// Time of the result whose books they are (UTC); absent if they are counted from what the shards recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_at: Option<DateTime<Utc>>,
    /// Rows per second of all processes whose heartbeat is younger than a minute.
    pub rows_per_second: f64,
    /// Seconds left at this rate; `None` where it means nothing.
    pub eta_s: Option<u64>,
    /// Shards whose done marker stands.
    pub shards_done: usize,
    /// Every shard, in order.
    pub shards: Vec<ShardStanding>,
    /// Verifications that are not over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verifying: Vec<Verifying>,
    /// The result of the last verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// What limits the speed, the most important first.
    pub limits: Vec<Limit>,
    /// The run's Jobs, where there is a cluster.
    pub jobs: Vec<String>,
    /// What to type next; empty where there is nothing to do but wait.
    pub next_command: String,
    /// When this was looked at (UTC).
    pub at: DateTime<Utc>,
}

/// A verification that is not over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verifying {
    /// How much it reads.
    pub level: Level,
    /// Rows of the input.
    pub rows: u64,
    /// Rows that are compared.
    pub rows_done: u64,
    /// Rows per second of all its processes.
    pub rows_per_second: f64,
    /// Seconds left at this rate; `None` if it cannot be said.
    pub eta_s: Option<u64>,
    /// What each process at work does; empty: none is at work, and the next `verify` goes on.
    pub processes: Vec<String>,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// In a word.
    pub result: VerifyResult,
    /// In a sentence.
    pub verdict: String,
    /// Whether it compared exactly the rows of the results as they are now.
    pub of_these_results: bool,
    /// When it ended (UTC).
    pub at: DateTime<Utc>,
}

/// State of the run in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// There is no plan yet.
    Planning,
    /// The plan was refused.
    Refused,
    /// Shards are under way.
    Running,
    /// The shard Job is suspended.
    Paused,
    /// All shards are done or have ended; the results are not written yet.
    Finalizing,
    /// Every row has an outcome, and the results stand.
    Complete,
    /// Rows are without an outcome, and no process works on them.
    Incomplete,
    /// No process is at work, and none will begin by itself.
    Stalled,
    /// It was rolled back.
    RolledBack,
}

impl RunState {
    /// The word that `status` shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finalizing => "finalizing",
            Self::Complete => "COMPLETE",
            Self::Incomplete => "INCOMPLETE",
            Self::Stalled => "stalled",
            Self::RolledBack => "rolled back",
        }
    }
}

/// What a shard is doing, that which needs a look first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardPhase {
    /// It began, and no process gave word of it for a minute.
    Silent,
    /// Its process ended before all rows had an outcome.
    EndedEarly,
    /// A process gave word of it within a minute.
    AtWork,
    /// No process has begun it.
    NotBegun,
    /// Its done marker stands.
    Done,
}

/// State of one shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShardStanding {
    /// Index of the shard.
    pub shard: ShardIndex,
    /// Its rows by what became of them.
    pub rows: Rows,
    /// Whether its done marker stands.
    pub done: bool,
    /// What it is doing, in a word.
    pub phase: ShardPhase,
    /// `done`, what its process says, or how long ago its last heartbeat was.
    pub state: String,
    /// Rows per second of a process whose heartbeat is younger than a minute.
    pub rows_per_second: f64,
}

impl Standing {
    /// The text for people; a map of many shards is no wider than `columns`.
    pub fn text(&self, columns: usize) -> String {
        let mut text = format!("{}: run {}: {}\n", self.state.name(), self.run, self.reason);
        if self.plan.is_some() {
            self.progress(&mut text);
            self.unfinished_shards(columns, &mut text);
        }
        self.verification(&mut text);
        for job in &self.jobs {
            let _ = writeln!(text, "{job}");
        }
        if !self.next_command.is_empty() {
            let _ = writeln!(text, "next: {}", self.next_command);
        }
        text
    }

    fn progress(&self, text: &mut String) {
        let rows = self
            .of_before()
            .map_or_else(|| self.rows.progress(), |when| format!("{when}: {}", self.rows.outcomes()));
        let _ = writeln!(text, "{rows}; {} of {} shards done", self.shards_done, self.shards.len());
        if self.rows_per_second > 0.0 {
            let _ = write!(text, "{:.1} rows/s", self.rows_per_second);
            if let Some(seconds) = self.eta_s {
                let _ = write!(text, ", about {} left", span(Duration::from_secs(seconds)));
            }
            text.push('\n');
        }
        for limit in &self.limits {
            let _ = writeln!(text, "limit: {}", limit.text);
        }
    }

    /// Words for the time that the rows are of, if they say nothing of the rows as they are now: then there is no share of them.
    fn of_before(&self) -> Option<&'static str> {
        match self.state {
            RunState::RolledBack => Some("before the rollback"),
            RunState::Complete => None,
            RunState::Incomplete if self.rows.done() < self.rows.total => None,
            _ => self.rows_at.map(|_| "at the last result"),
        }
    }

    fn verification(&self, text: &mut String) {
        for verifying in &self.verifying {
            let Verifying { level, rows, rows_done, rows_per_second, eta_s, processes } = verifying;
            let _ = write!(
                text,
                "verify at level {level}: {} of {} rows ({})",
                count(*rows_done),
                count(*rows),
                percent(permille(*rows_done, *rows))
            );
            if processes.is_empty() {
                text.push_str("; no process is at work on it: the next `rogo-migrate verify` goes on");
            } else {
                let _ = write!(text, ", {rows_per_second:.1} rows/s");
            }
            if let Some(seconds) = eta_s {
                let _ = write!(text, ", about {} left", span(Duration::from_secs(*seconds)));
            }
            text.push('\n');
            for process in processes.iter().take(LINES_SHOWN) {
                let _ = writeln!(text, "  {process}");
            }
            more(text, processes.len());
        }
        if let Some(verified) = &self.verified {
            let _ = writeln!(text, "verify, {}: {}", verified.at.format("%F %H:%M UTC"), verified.verdict);
        }
    }

    fn unfinished_shards(&self, columns: usize, text: &mut String) {
        let mut unfinished: Vec<_> = self.shards.iter().filter(|shard| !shard.done).collect();
        if unfinished.is_empty() {
            return;
        }
        text.push('\n');
        if self.shards.len() > LINES_SHOWN {
            text.push_str(&map::map(&self.shards, columns));
            text.push('\n');
        }
        if unfinished.len() > LINES_SHOWN {
            unfinished.sort_by_key(|shard| (shard.phase, permille(shard.rows.done(), shard.rows.total)));
        }
        let mut grid = Grid::new([
            ("shard", Align::Right),
            ("done", Align::Right),
            ("of", Align::Right),
            ("rows/s", Align::Right),
            ("state", Align::Left),
        ]);
        for shard in unfinished.iter().take(LINES_SHOWN) {
            grid.row([
                shard.shard.to_string(),
                count(shard.rows.done()),
                count(shard.rows.total),
                format!("{:.1}", shard.rows_per_second),
                shard.state.clone(),
            ]);
        }
        text.push_str(&grid.render());
        more(text, unfinished.len());
        text.push('\n');
    }
}

/// Says how many lines are left out.
fn more(text: &mut String, all: usize) {
    if let Some(more) = all.checked_sub(LINES_SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "… and {more} more (--json has them all)");
    }
}
