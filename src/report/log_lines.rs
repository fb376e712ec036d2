//! Events as log lines, without personal data.

use std::time::Instant;

use super::events::{Consumer, Event, Guarded, Settled};
use crate::{
    domain::{AttemptId, Fate},
    ports::LoadSign,
    run::State,
};

/// Writes what a person looks for in a log afterwards. Holds nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogLines;

impl Consumer for LogLines {
    fn take(&self, _: Instant, event: &Event<'_>) {
        match event {
            Event::RowSettled(Settled { row, attempt, fate: Fate::Failed { code, message }, .. }) => {
                let attempt = attempt.map(AttemptId::get);
                tracing::warn!(row, attempt, code = code.code(), message, "row failed");
            }
            Event::StageRetried { fault, tries, wait } => {
                tracing::debug!(service = %fault.service, fault = %fault.chain(), tries, ?wait, "trying again");
            }
            Event::ServiceTroubled { fault, state } => {
                let throttled = matches!(state, State::Throttled(_));
                tracing::warn!(service = %fault.service, fault = %fault.chain(), throttled, "the process waits");
            }
            Event::ServiceAnswers { service, after: State::Waiting(_) } => {
                tracing::info!(%service, "answers again");
            }
            Event::PromiseBroken { invariant, row } => {
                let invariant = invariant.id();
                tracing::error!(invariant, row, "a bug: a promise of the run was broken");
            }
            Event::Guarded(Guarded { share, because, changed: true, figures }) => {
                let (percent, because) = (share * 100.0, because.map(LoadSign::name));
                tracing::info!(percent, because, figures, "the target guard sets the speed");
            }
            Event::MergeProgressed { rows, of } => tracing::info!(rows, of, "outcomes are merged"),
            Event::CheckDone { check, compared, different } => {
                tracing::debug!(check, compared, different, "checked");
            }
            Event::ShardBegan(_)
            | Event::Gathered { .. }
            | Event::RowBegan { .. }
            | Event::RowSettled(_)
            | Event::RowDropped { .. }
            | Event::FileCopied { .. }
            | Event::Committed { .. }
            | Event::Guarded(_)
            | Event::BytesMoved { .. }
            | Event::Recorded { .. }
            | Event::Sized { .. }
            | Event::Waited { .. }
            | Event::Asked { .. }
            | Event::ServiceAnswers { .. }
            | Event::StateChanged { .. }
            | Event::Raised(_)
            | Event::Sampled(_)
            | Event::ShardEnded { .. } => {}
        }
    }
}
