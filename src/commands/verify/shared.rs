//! What one of several processes reads for all: the target's launch ids, and a warehouse that is read whole.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::parts::Process;
use crate::{
    exit::{Exit, Stop},
    ports::{Backoff, Patience, pause},
    run::outcomes::Outcomes,
    verify::{
        facts::{FactsSource, SharedLines},
        run as comparing,
        surplus::OtherSubmissions,
    },
};

const WAITING: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));

/// Whether the first process works on another state is looked for at every so many looks, since all states are listed for it.
const ELSEWHERE_EVERY: u32 = 10;

/// What the first process reads for all.
#[derive(Serialize, Deserialize)]
struct Shared {
    others: OtherSubmissions,
    /// The warehouse's facts, if it is read whole.
    facts: Option<Vec<SharedLines>>,
}

impl Process<'_> {
    /// What the first of several processes reads for all; a process alone reads only a warehouse that is read whole.
    pub(super) async fn shared<'f>(
        &'f self,
        facts: &mut Option<FactsSource<'f>>,
    ) -> Result<Option<OtherSubmissions>, Stop> {
        if self.part.of == 1 {
            if facts.is_none() {
                *facts = Some(self.split().await?);
            }
            return Ok(None);
        }
        let shared: Shared = loop {
            let read =
                if self.part.index == 0 { self.state.shared().await? } else { self.await_shared().await? };
            match read {
                Some(shared) => break shared,
                None => self.share(facts.is_none()).await?,
            }
        };
        if let (None, Some(files)) = (&facts, shared.facts) {
            *facts = Some(FactsSource::Shared(self.state.store().clone(), files));
        }
        Ok(Some(shared.others))
    }

    /// Reads the warehouse whole.
    async fn split<'f>(&self) -> Result<FactsSource<'f>, Stop> {
        self.known.progress.says("reading the warehouse");
        let Some(index) = self.known.index else {
            return Err(Stop::new(Exit::Bug, "the warehouse is read whole without inputs"));
        };
        let split = FactsSource::split(self.known.warehouse.as_ref(), index, self.ranges).await?;
        Ok(FactsSource::Split(split))
    }

    /// Reads for all: submissions under foreign launch ids, and the warehouse if it is read whole.
    async fn share(&self, reads_whole: bool) -> Result<(), Stop> {
        let mut facts = None;
        if reads_whole && let FactsSource::Split(split) = self.split().await? {
            let name = |part: usize| self.state.shared_name(&format!("{part:05}.jsonl"));
            facts = Some(FactsSource::share(&split, self.state.store(), name).await?);
        }
        let outcomes = Outcomes::none(self.ranges)?;
        let absent = FactsSource::Absent(String::new());
        let others = comparing::others(&self.known.world(&outcomes, &absent)).await?;
        Ok(self.state.share(&Shared { others, facts }).await?)
    }

    /// Waits until the first process has read for all: as long as it shows life, else up to wait-plan. `None` if it reads nothing
    /// for this state, because it has ended or is at work beside another result, or where more or less could be read.
    async fn await_shared(&self) -> Result<Option<Shared>, Stop> {
        let first = format!("0/{}", self.part.of);
        let began = Instant::now();
        let mut patience = Patience::new(WAITING);
        self.known
            .progress
            .says(format!("waiting for part {first}, which reads the target's launch ids for all"));
        for turn in 0_u32.. {
            if let Some(shared) = self.state.shared().await? {
                return Ok(Some(shared));
            }
            if turn.is_multiple_of(ELSEWHERE_EVERY) && self.state.is_elsewhere(&first).await? {
                break;
            }
            if began.elapsed() > self.asked.settings.wait_plan && !self.state.is_at_work(&first).await? {
                let message = format!(
                    "part {first} of this verification has not read for the others within {} s (wait-plan), and no \
                     process of it shows life: start `rogo-migrate verify --shard {first}`",
                    began.elapsed().as_secs()
                );
                return Err(Stop::new(Exit::Temporary, message));
            }
            pause(patience.failed()).await;
        }
        Ok(None)
    }
}
