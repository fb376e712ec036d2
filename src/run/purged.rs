//! What purges of a run left: the documents that say so, and what they say.

use std::collections::BTreeSet;

use super::{Decided, Purged, RunStore, names};
use crate::{domain::AttemptId, ports::Fault};

/// What a whole purge left; `None` if there was none.
pub async fn whole(store: &RunStore) -> Result<Option<Purged>, Fault> {
    store.read(names::PURGED).await
}

/// Why nothing that needs the purged documents can be done; `None` if they were not purged.
pub async fn refusal(store: &RunStore) -> Result<Option<String>, Fault> {
    let purged = whole(store).await?;
    Ok(purged.map(|purged| {
        let Decided { at, by, reason, .. } = purged.decided;
        format!(
            "the store of run {} was purged at {} by {by} ({reason}): its queues, facts and failure CSVs are gone, so no \
             row of it can be moved or merged again; start a run with another name (--run)",
            store.run(),
            at.format("%Y-%m-%d %H:%M UTC")
        )
    }))
}

/// Attempts whose rows were purged one by one.
pub async fn attempts(store: &RunStore) -> Result<BTreeSet<AttemptId>, Fault> {
    let mut all = BTreeSet::new();
    for one in of_attempts(store).await? {
        all.extend(one.attempts.into_iter().flatten());
    }
    Ok(all)
}

/// Ids of the malpractice rules whose images were purged.
pub(super) async fn images(store: &RunStore) -> Result<BTreeSet<String>, Fault> {
    let mut all: BTreeSet<String> =
        whole(store).await?.into_iter().flat_map(|purged| purged.images).collect();
    for one in of_attempts(store).await? {
        all.extend(one.images);
    }
    Ok(all)
}

/// Whether a purge of some attempts rewrote the queue or facts file, to this SHA-256 (hex).
pub(super) async fn rewrote(store: &RunStore, name: &str, sha256: &str) -> Result<bool, Fault> {
    let all = of_attempts(store).await?;
    Ok(all.iter().any(|one| one.rewritten.get(name).is_some_and(|rewritten| rewritten == sha256)))
}

async fn of_attempts(store: &RunStore) -> Result<Vec<Purged>, Fault> {
    let mut all = Vec::new();
    for name in store.list(names::PURGED_ATTEMPTS).await? {
        all.extend(store.read::<Purged>(&name).await?);
    }
    Ok(all)
}
