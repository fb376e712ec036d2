//! The prediction of a run that has ended, beside what the run did.

use chrono::{DateTime, Utc};

use crate::{
    finalize::books::Totals,
    ports::Fault,
    run::{Compared, Plan, RunStore, Took},
};

/// Compares with the prediction of this plan; `None` if there is none. `ended` is the time of the last outcome.
pub async fn compared(
    store: &RunStore,
    plan: &Plan,
    totals: &Totals,
    ended: DateTime<Utc>,
) -> Result<Option<Compared>, Fault> {
    let Some(prediction) = &totals.prediction else { return Ok(None) };
    // A plan may stand for days before its run: the first process's start counts.
    let began = store.writers().await?.into_iter().map(|writer| writer.started_at).min();
    let took = (ended - began.unwrap_or(plan.created_at)).to_std().unwrap_or_default();
    Ok(Some(prediction.compare(&totals.books, &totals.examples, Took(took))))
}
