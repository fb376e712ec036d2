//! Permits whose number changes while they are held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore that can shrink: permits that are held beyond the limit are withdrawn when they come back.
pub struct Permits {
    semaphore: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Clone, Copy)]
struct Size {
    limit: usize,
    /// Permits to be withdrawn.
    debt: usize,
}

/// Held until it is dropped.
pub struct Permit {
    of: Arc<Permits>,
    /// `None` only while it is dropped.
    held: Option<OwnedSemaphorePermit>,
}

impl Permits {
    /// So many permits.
    pub fn new(limit: usize) -> Arc<Self> {
        let size = Mutex::new(Size { limit, debt: 0 });
        Arc::new(Self { semaphore: Arc::new(Semaphore::new(limit)), size })
    }

    /// Waits for one.
    pub async fn take(self: &Arc<Self>) -> Permit {
        // The semaphore is never closed.
        let held = self.semaphore.clone().acquire_owned().await.ok();
        Permit { of: self.clone(), held }
    }

    /// Their present number.
    pub fn limit(&self) -> usize {
        self.size().limit
    }

    /// Permits that can be had at once.
    pub fn free(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// Permits that are held, those that are to be withdrawn too.
    pub fn held(&self) -> usize {
        let size = self.size();
        (size.limit + size.debt).saturating_sub(self.free())
    }

    /// Changes the number of permits.
    pub fn set(&self, limit: usize) {
        let mut size = self.size();
        if limit > size.limit {
            let more = limit - size.limit;
            let forgiven = more.min(size.debt);
            size.debt -= forgiven;
            self.semaphore.add_permits(more - forgiven);
        } else {
            let fewer = size.limit - limit;
            size.debt += fewer - self.semaphore.forget_permits(fewer);
        }
        size.limit = limit;
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut size = self.of.size();
        if let Some(held) = self.held.take().filter(|_| size.debt > 0) {
            size.debt -= 1;
            held.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn permits_in_use_are_withdrawn_when_they_come_back() {
        let permits = Permits::new(3);
        let (one, two, three) = (permits.take().await, permits.take().await, permits.take().await);
        permits.set(1);
        assert_eq!((permits.limit(), permits.free(), permits.held()), (1, 0, 3));
        drop((one, two));
        assert_eq!(permits.free(), 0, "both were withdrawn");
        drop(three);
        assert_eq!(permits.free(), 1);
        let held = permits.take().await;
        permits.set(0);
        permits.set(2);
        assert_eq!(permits.free(), 1, "what was to be withdrawn is forgiven first");
        drop(held);
        assert_eq!(permits.free(), 2);
    }
}
