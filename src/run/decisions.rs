//! What people decided about a run: lost rows that they accept, and the log of all decisions.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::{Acceptance, Decided, RolledBack, RunStore, lines, names};
use crate::{
    domain::AttemptId,
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

/// Attempts that were rolled back while the run stays valid, each with the decision.
pub async fn rolled_back(store: &RunStore) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    let mut attempts = BTreeMap::new();
    for name in store.list(names::ROLLED_BACK_ATTEMPTS).await? {
        let Some(document) = store.read::<RolledBack>(&name).await? else { continue };
        let decided = Arc::new(document.decided);
        let named = document.attempts.into_iter().flatten();
        attempts.extend(named.map(|attempt| (attempt, decided.clone())));
    }
    Ok(attempts)
}

/// Attempts that the target may lack by a person's decision: accepted, or rolled back.
pub async fn taken_out(store: &RunStore) -> Result<BTreeMap<AttemptId, Arc<Decided>>, Fault> {
    let mut attempts = accepted(store).await?;
    attempts.extend(rolled_back(store).await?);
    Ok(attempts)
}

/// Records that the target may lack these attempts. To be called while the run's lock is held.
pub async fn accept(store: &RunStore, decided: &Decided, attempts: &[AttemptId]) -> Result<(), Fault> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let document = Acceptance { decided: decided.clone(), attempts: attempts.to_vec() };
    store.create(&names::accepted(&id), &document).await?;
    log(store, decided).await
}

/// Appends to the log of decisions.
pub async fn log(store: &RunStore, decided: &Decided) -> Result<(), Fault> {
    let mut all = Vec::new();
    if let Some(reader) = store.open(names::DECISIONS).await? {
        let mut body = reader.body;
        while let Some(part) = body.try_next().await? {
            all.extend_from_slice(&part);
        }
    }
    lines::push(&mut all, decided).map_err(|error| {
        let what = format!("a line of {} cannot be written as JSON", store.describe(names::DECISIONS));
        Fault::caused(Service::RunStore, FaultKind::Misconfigured, what, error)
    })?;
    let options = PutOptions::replace("application/jsonl");
    store.blobs().put(&store.path(names::DECISIONS), Bytes::from(all), &options).await?;
    Ok(())
}
