//! What a person decides: said with its reason, or not done.

use chrono::Utc;

use super::{connect, host::host, patience::patiently};
use crate::{
    domain::Digest,
    exit::{Exit, Stop},
    run::{Decided, Plan, RunStore, decisions},
    settings::Settings,
};

/// The decision, for the run's log; refused with 64 without a reason.
pub fn decided(settings: &Settings, decision: &str) -> Result<Decided, Stop> {
    decided_by(settings.reason.as_deref(), &settings.user, decision)
}

/// The same, of a command without the settings of a run.
pub fn decided_by(reason: Option<&str>, user: &str, decision: &str) -> Result<Decided, Stop> {
    let Some(reason) = reason.map(str::to_owned) else {
        let message =
            format!("{decision} is a decision that the run records: say why with --reason, or ROGO_REASON");
        return Err(Stop::new(Exit::Usage, message));
    };
    let by = format!("{user}@{}", host());
    Ok(Decided { at: Utc::now(), by, reason, decision: decision.to_owned(), attempts: 0 })
}

/// A redo concerns the rows that the last result names as lost. Without one that does, each shard looks for them itself.
pub async fn of_lost(store: &RunStore, plan: &Plan, decided: Decided) -> Result<Decided, Stop> {
    let attempts = connect::result_of(store, plan).await?.map_or(0, |result| result.lost.rows);
    Ok(Decided { attempts, ..decided })
}

/// `--redo lost` (`ROGO_REDO`) is a decision: logged once for each reason and start, however many shards it concerns.
/// `resume` logs its own.
pub async fn redo(settings: &Settings, store: &RunStore, plan: &Plan) -> Result<(), Stop> {
    if !settings.redo_lost {
        return Ok(());
    }
    let decided = decided(settings, "--redo lost")?;
    let id = format!("redo-lost-{}-{}-{}", plan.id, settings.epoch, short_digest(&decided.reason));
    patiently(settings, async || {
        let decided = of_lost(store, plan, decided.clone()).await?;
        Ok(decisions::log_once(store, &id, &decided).await?)
    })
    .await
}

/// Enough of a reason's digest to tell reasons apart in the name of a document.
pub fn short_digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string().chars().take(12).collect()
}
