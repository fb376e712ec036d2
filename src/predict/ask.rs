//! Asks the services as a shard does, but never waits: a prediction that cannot read ends, and is begun again.

use std::collections::HashSet;

use super::Subject;
use crate::{
    domain::{AttemptId, Facts, QueuedRow},
    exit::{Exit, Stop},
    gather::Ask,
    ports::{Absent, HeldSubmission, in_order},
    run::writers::Writers,
};

/// The services of a prediction.
pub struct Reading<'a> {
    subject: Subject<'a>,
    writers: Writers,
}

impl<'a> Reading<'a> {
    /// Of the subject.
    pub fn new(subject: Subject<'a>) -> Self {
        Self { subject, writers: Writers::new(subject.store.clone()) }
    }
}

impl Ask for Reading<'_> {
    type Error = Stop;

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Stop> {
        Ok(self.subject.target.held(launch_ids).await?)
    }

    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Stop> {
        Ok(self.subject.target.absent(launch_ids).await?)
    }

    async fn wrote(&self, held: &HeldSubmission) -> Result<bool, Stop> {
        Ok(self.writers.wrote(held).await?)
    }

    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Stop> {
        Ok(self.subject.target.submitted(launch_ids).await?)
    }

    async fn standing(&self, submission_ids: &[String]) -> Result<HashSet<String>, Stop> {
        Ok(self.subject.target.standing(submission_ids).await?)
    }

    /// What is moved again is a person's decision at the run's start.
    fn was_lost(&self, _: &QueuedRow) -> bool {
        false
    }

    async fn facts(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<Facts>, Stop> {
        let answers = self.subject.warehouse.fetch_some(attempts, room).await?;
        in_order(attempts, answers).map_err(|message| Stop::new(Exit::Bug, message))
    }
}
