//! The run's lock in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rogo_migrate::ports::{ExclusiveFence, Fault, FaultKind, Fence, Service};

use super::Journal;

/// A fence that no other process holds; it can be told when it is lost.
#[derive(Clone)]
pub struct InMemoryFence {
    journal: Journal,
    looks_left: Arc<AtomicUsize>,
}

impl InMemoryFence {
    /// Never lost.
    pub fn new(journal: Journal) -> Self {
        Self { journal, looks_left: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// Held for so many looks more.
    pub fn lose_after(&self, looks: usize) {
        self.looks_left.store(looks, Ordering::SeqCst);
    }
}

#[async_trait]
impl Fence for InMemoryFence {
    async fn exclusive(
        &self,
        _: Duration,
        waiting: &mut (dyn for<'names> FnMut(&'names [String]) + Send),
    ) -> Result<Box<dyn ExclusiveFence>, Fault> {
        let holders = ["run/0/abcdefabcdef".to_owned()];
        waiting(&holders);
        self.journal.add("fence: taken");
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl ExclusiveFence for InMemoryFence {
    async fn still_held(&mut self) -> Result<(), Fault> {
        let left = self.looks_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(Fault::new(Service::Database, FaultKind::Unavailable, "the run's lock was lost"));
        }
        self.looks_left.store(left - 1, Ordering::SeqCst);
        self.journal.add("fence: still held");
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), Fault> {
        self.journal.add("fence: released");
        Ok(())
    }
}
