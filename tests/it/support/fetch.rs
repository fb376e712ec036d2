//! Every answer of a warehouse, for tests that look at its facts and not at the parts in which they come.

use rogo_migrate::{
    domain::{AttemptId, Facts},
    ports::{Fault, Warehouse, in_order},
};

pub trait FetchAll {
    /// The facts of every attempt asked for, in the order asked.
    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault>;
}

impl<W: Warehouse + ?Sized> FetchAll for W {
    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault> {
        let mut all = Vec::with_capacity(attempts.len());
        while all.len() < attempts.len() {
            let rest = &attempts[all.len()..];
            all.extend(in_order(rest, self.fetch_some(rest, usize::MAX).await?).unwrap());
        }
        Ok(all)
    }
}
