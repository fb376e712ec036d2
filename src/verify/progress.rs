//! How far a process is.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// Counters that the comparing counts up and that heartbeats show.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    before: AtomicU64,
    rows: AtomicU64,
    unwritten: AtomicU64,
    state: Mutex<String>,
}

impl Progress {
    /// Rows of this process's partitions, and how many of them were compared before it began.
    pub fn begin(&self, total: u64, before: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.before.store(before, Ordering::Relaxed);
    }

    /// Rows of this process's partitions.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Those of them that are compared.
    pub fn done(&self) -> u64 {
        (self.before.load(Ordering::Relaxed) + self.rows()).min(self.total())
    }

    /// Rows that were compared since this process began.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Of them rows of the partition that is not written yet.
    pub fn rows_unwritten(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// What the process does.
    pub fn state(&self) -> String {
        self.state.lock().map(|state| state.clone()).unwrap_or_default()
    }

    /// Says what the process does now.
    pub fn says(&self, state: impl Into<String>) {
        if let Ok(mut says) = self.state.lock() {
            *says = state.into();
        }
    }

    /// Counts rows that were compared.
    pub fn compared(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.unwritten.fetch_add(rows, Ordering::Relaxed);
    }

    /// Their partition is written.
    pub fn written(&self) {
        self.unwritten.store(0, Ordering::Relaxed);
    }
}
