//! Whether a plan is being made: told by the heartbeats of the processes that make one (`planning/<epoch>.json`).

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};

use super::{
    Epoch, RunStore,
    clocks::{counts_until, is_at_work},
    names,
};
use crate::ports::{Fault, FaultKind};

/// A plan that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planning {
    /// When its process began (UTC).
    pub began_at: DateTime<Utc>,
    /// Its last heartbeat (UTC).
    pub at: DateTime<Utc>,
    /// What takes long at the moment, for people.
    pub doing: Option<String>,
}

impl fmt::Display for Planning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the plan is being made since {} (last heartbeat {}",
            self.began_at.format("%F %T UTC"),
            self.at.format("%T UTC")
        )?;
        if let Some(doing) = &self.doing {
            write!(f, ": {doing}")?;
        }
        // A process that is killed, by a second signal for example, leaves its heartbeat.
        let until = counts_until(self.at).format("%T UTC");
        write!(f, "; if its process was killed, this counts until {until}, or until the plan is made anew)")
    }
}

/// The plan that the process of `epoch` makes; `None` if it gave no heartbeat lately (or only one of a wrong clock, which would
/// stay young for long), or if the plan was refused since it began.
pub async fn of(store: &RunStore, epoch: &Epoch, now: DateTime<Utc>) -> Result<Option<Planning>, Fault> {
    let beat = match store.planning(epoch).await {
        // It says nothing that can be read.
        Err(fault) if fault.kind == FaultKind::Corrupt => return Ok(None),
        beat => beat?,
    };
    let Some(beat) = beat.filter(|beat| is_at_work(beat.at, now)) else { return Ok(None) };
    let began_at = beat.began_at.unwrap_or(beat.at);
    if store.refusal(epoch).await?.is_some_and(|refusal| began_at <= refusal.at) {
        return Ok(None);
    }
    Ok(Some(Planning { began_at, at: beat.at, doing: beat.doing }))
}

/// The plan that is being made by a process of any epoch; `None` if there is none. A run that has its plan needs no such look.
pub async fn under_way(store: &RunStore, now: DateTime<Utc>) -> Result<Option<Planning>, Fault> {
    Ok(by_epoch(store, now).await?.into_values().max_by_key(|planning| planning.at))
}

/// The plans that are being made, one for each epoch at most.
pub async fn by_epoch(store: &RunStore, now: DateTime<Utc>) -> Result<BTreeMap<Epoch, Planning>, Fault> {
    let mut made = BTreeMap::new();
    for name in store.list(names::PLANNING).await? {
        let epoch = name.strip_prefix(names::PLANNING).and_then(|file| file.strip_suffix(".json"));
        let Some(epoch) = epoch.and_then(|epoch| epoch.parse().ok()) else { continue };
        if let Some(planning) = of(store, &epoch, now).await? {
            made.insert(epoch, planning);
        }
    }
    Ok(made)
}
