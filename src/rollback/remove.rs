//! One submission: its transaction, then its blobs, each tried again while a service is not reachable.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::{Rollback, find::Found, judge::Judged, reason::Reason};
use crate::{
    exit::Stop,
    ports::{Backoff, Fault, FaultKind, Patience, Removal, Retry, WrittenSubmission, pause, stored_form},
    run::writers::of_blob,
};

impl Rollback<'_> {
    /// Removes the submission, if it may be, and its blobs. Says what was decided inside the transaction.
    pub(super) async fn remove(&self, found: &Found, submission: &WrittenSubmission) -> Result<Judged, Stop> {
        let judged = self.remove_rows(found, submission).await?;
        if matches!(judged, Judged::Remove(_)) {
            let is_own = |name: &&String| {
                of_blob(name).is_some_and(|writer| found.writers.contains(&writer))
                    && !found.shared_blobs.contains(&*stored_form(name))
            };
            let names: Vec<String> = submission.blob_names.iter().filter(is_own).cloned().collect();
            self.steadily(async || self.files.delete_many(&names).await).await?;
        }
        Ok(judged)
    }

    async fn remove_rows(&self, found: &Found, submission: &WrittenSubmission) -> Result<Judged, Stop> {
        let first = found.judge.judge(submission, &HashSet::new());
        if matches!(first, Judged::Gone | Judged::Elsewhere) {
            return Ok(first);
        }
        let last = Mutex::new(first);
        let decide = |standing: &WrittenSubmission| {
            let judged = found.judge.judge(standing, &HashSet::new());
            let rules = if let Judged::Remove(rules) = &judged { Some(rules.clone()) } else { None };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = judged;
            rules
        };
        let in_doubt = Mutex::new(false);
        let removal = self
            .steadily(async || {
                let removed = self.undo.remove(submission, &decide).await;
                if let Err(Fault { kind: FaultKind::AnswerLost, .. }) = &removed {
                    *in_doubt.lock().unwrap_or_else(PoisonError::into_inner) = true;
                }
                removed
            })
            .await?;
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(match (removal, last) {
            (Removal::Refused(name), _) => Judged::Keep(vec![Reason::RefusedByConstraint { name }]),
            // The commit whose answer was lost took effect.
            (Removal::Left, Judged::Gone)
                if in_doubt.into_inner().unwrap_or_else(PoisonError::into_inner) =>
            {
                Judged::Remove(Vec::new())
            }
            (_, last) => last,
        })
    }

    /// Asks again while the service is not reachable.
    pub(super) async fn steadily<T>(&self, ask: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
        let mut patience = Patience::new(Backoff::OPERATION);
        loop {
            let fault = match ask().await {
                Err(fault) if fault.kind.retry() != Retry::Never => fault,
                ended => return ended,
            };
            let Some(wait) = patience.failed_within(self.give_up_after) else { return Err(fault) };
            tracing::debug!(fault = %fault.chain(), "tried again");
            pause(wait).await;
        }
    }
}
