//! What a person decides: said with its reason, or not done.

use chrono::Utc;

use super::shard::host;
use crate::{
    exit::{Exit, Stop},
    run::Decided,
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
