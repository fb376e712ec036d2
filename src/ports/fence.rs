//! The run's lock, which fences who may write.

use std::time::Duration;

use async_trait::async_trait;

use super::Fault;

/// Whether this process may still write.
#[async_trait]
pub trait MayWrite: Send + Sync {
    /// Returns at once if a connection that holds the run's shared lock answered within the last second, else asks
    /// one (or a new one, which looks for `retired/<writer>`): [`super::FaultKind::Fenced`] if this process may
    /// write no more. To be asked before every upload.
    async fn prove_fence(&self) -> Result<(), Fault>;
}

/// The run's advisory lock, held exclusively: no worker of the run writes meanwhile.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Waits for it, asking again and again without queueing, until `deadline` has passed
    /// ([`super::FaultKind::Unavailable`], naming the holders). `waiting` is told the holders
    /// (`run/shard/writer`) at each change and every 10 s.
    async fn exclusive(
        &self,
        deadline: Duration,
        waiting: &mut (dyn for<'names> FnMut(&'names [String]) + Send),
    ) -> Result<Box<dyn ExclusiveFence>, Fault>;
}

/// The lock while it is held.
#[async_trait]
pub trait ExclusiveFence: Send {
    /// Asks the server whether it is still held; to be asked before anything is deleted.
    async fn still_held(&mut self) -> Result<(), Fault>;

    /// Releases the lock and closes its connection.
    async fn release(self: Box<Self>) -> Result<(), Fault>;
}
