//! One fake for each port, all in memory: for tests of what is done with a service, and of its bad days. What is done
//! with them goes to a journal.

mod blobs;
mod fence;
mod source;
mod target;
mod warehouse;

use std::sync::{Arc, Mutex};

pub use blobs::InMemoryBlobs;
pub use fence::InMemoryFence;
pub use source::InMemorySource;
pub use target::InMemoryTarget;
pub use warehouse::InMemoryWarehouse;

use rogo_migrate::{
    domain::AttemptId,
    ports::{Fault, FaultKind, Service},
};

/// What happened, in order, over several fakes.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// Adds an entry.
    pub fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    /// All entries.
    pub fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The place of the first entry that holds this; panics where there is none.
    #[track_caller]
    pub fn at(&self, wanted: &str) -> usize {
        let entries = self.entries();
        entries
            .iter()
            .position(|entry| entry.contains(wanted))
            .unwrap_or_else(|| panic!("never happened: {wanted}; but {entries:#?}"))
    }

    /// How many entries hold this.
    pub fn count(&self, wanted: &str) -> usize {
        self.entries().iter().filter(|entry| entry.contains(wanted)).count()
    }
}

/// When an injected fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing was done.
    Before,
    /// It was done, and the answer was lost.
    After,
}

/// A fault that says no more than its kind.
fn no(service: Service, kind: FaultKind) -> Fault {
    Fault::new(service, kind, "no")
}

/// The attempt with this number.
pub fn attempt(number: i32) -> AttemptId {
    AttemptId::try_from(number).unwrap()
}
