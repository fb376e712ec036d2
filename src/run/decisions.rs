//! What people decided about a run: lost rows that they accept, and the log of all decisions.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Acceptance, Decided, RolledBack, RunStore, lines, names};
use crate::{
    domain::{AttemptId, SkipCode},
    ports::{Fault, FaultKind, PutOptions, Service},
};

/// Attempts whose absence from the target a person has accepted, each with the decision.
pub async fn accepted(store: &RunStore) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    let mut attempts = BTreeMap::new();
    for name in store.list(names::ACCEPTED).await? {
        let Some(document) = store.read::<Acceptance>(&name).await? else { continue };
        let decided = Arc::new(document.decided);
        attempts.extend(document.attempts.into_iter().map(|attempt| (attempt, decided.clone())));
    }
    Ok(attempts)
}

/// Attempts that were rolled back while the run stays valid, each with the newest such decision.
pub async fn rolled_back(store: &RunStore) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    rolled_back_if(store, |_| true).await
}

/// The same of these decisions only.
async fn rolled_back_if(
    store: &RunStore,
    counts: impl Fn(&Decided) -> bool,
) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    let mut attempts: BTreeMap<AttemptId, Arc<Decided>> = BTreeMap::new();
    for name in store.list(names::ROLLED_BACK_ATTEMPTS).await? {
        let document = store.read::<RolledBack>(&name).await?.filter(|document| counts(&document.decided));
        let Some(document) = document else { continue };
        let decided = Arc::new(document.decided);
        for attempt in document.attempts.into_iter().flatten() {
            let newest = attempts.entry(attempt).or_insert_with(|| decided.clone());
            if newest.at < decided.at {
                *newest = decided.clone();
            }
        }
    }
    Ok(attempts)
}

/// Attempts that the target may lack by a person's decision: accepted, or rolled back.
pub async fn taken_out(store: &RunStore) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    let mut attempts = accepted(store).await?;
    attempts.extend(rolled_back(store).await?);
    Ok(attempts)
}

/// What a result of this time says of the attempts that were taken out before it was made: the code of the skip.
pub async fn settled(store: &RunStore, at: DateTime<Utc>) -> Result<BTreeMap<AttemptId, SkipCode>, Fault> {
    let accepted = accepted(store).await?.into_iter().filter(|(_, decided)| decided.at <= at);
    let mut codes: BTreeMap<_, _> =
        accepted.map(|(attempt, _)| (attempt, SkipCode::DeletedInTarget)).collect();
    let earlier = rolled_back_if(store, |decided| decided.at <= at).await?;
    codes.extend(earlier.into_keys().map(|attempt| (attempt, SkipCode::RolledBack)));
    Ok(codes)
}

/// When attempts were rolled back of which a result of this time does not say so: the newest such decision.
pub async fn rolled_back_since(store: &RunStore, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Fault> {
    let all = rolled_back(store).await?;
    Ok(all.values().map(|decided| decided.at).filter(|decided| *decided > at).max())
}

/// Records that the target may lack these attempts. To be called while the run's lock is held.
pub async fn accept(store: &RunStore, decided: &Decided, attempts: &[AttemptId]) -> Result<(), Fault> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let document = Acceptance { decided: decided.clone(), attempts: attempts.to_vec() };
    store.create(&names::accepted(&id), &document).await?;
    log(store, decided).await
}

/// Adds to the log of decisions. Processes that decide at the same time lose none: each decision is a document of its own,
/// and `decisions.jsonl` is made of all of them.
pub async fn log(store: &RunStore, decided: &Decided) -> Result<(), Fault> {
    let id = format!("{}-{}", decided.at.format("%Y%m%dT%H%M%S%.6fZ"), uuid::Uuid::new_v4().simple());
    store.create(&names::decided(&id), decided).await?;
    rebuild(store).await
}

/// The same for what many processes of a run decide together: the first one of this `id` is logged.
pub async fn log_once(store: &RunStore, id: &str, decided: &Decided) -> Result<(), Fault> {
    match store.create(&names::decided(id), decided).await {
        // The process that made the document may have ended before its line was written.
        Ok(()) | Err(Fault { kind: FaultKind::Exists, .. }) => rebuild(store).await,
        Err(fault) => Err(fault),
    }
}

/// Writes `decisions.jsonl` of all documents that are there.
async fn rebuild(store: &RunStore) -> Result<(), Fault> {
    // A document that was made meanwhile is looked for after the log is written: the process that writes it last has seen
    // all of them.
    let mut written = Vec::new();
    loop {
        let named = store.list(names::DECIDED).await?;
        if named == written {
            return Ok(());
        }
        write_log(store, &named).await?;
        written = named;
    }
}

/// Writes `decisions.jsonl` of these documents, by time.
async fn write_log(store: &RunStore, named: &[String]) -> Result<(), Fault> {
    let mut all: Vec<Decided> = Vec::with_capacity(named.len());
    for name in named {
        all.extend(store.read::<Decided>(name).await?);
    }
    all.sort_by_key(|one| one.at);
    let mut text = Vec::new();
    for decided in &all {
        lines::push(&mut text, decided).map_err(|error| {
            let what = format!("a line of {} cannot be written as JSON", store.describe(names::DECISIONS));
            Fault::caused(Service::RunStore, FaultKind::Misconfigured, what, error)
        })?;
    }
    let options = PutOptions::replace("application/jsonl");
    store.blobs().put(&store.path(names::DECISIONS), Bytes::from(text), &options).await?;
    Ok(())
}
