//! Purge of some attempts: the run stays, its books too, and nothing is left by which these learners are known.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;

use crate::{
    domain::{AttemptFacts, AttemptId, Facts, Fate, QueuedRow, ShardIndex, SubmissionRow},
    exit::Stop,
    inputs::InputCell,
    ports::{Fault, PutOptions},
    run::{
        Decided, Plan, Purged, RunStore, ShardPlan, decisions,
        enforcements::{self, id_of},
        lines::{self, Draft, JSON_LINES, no_room},
        names,
        results::{BYTE_ORDER_MARK, CSV},
        segments::segments,
    },
};

/// What no longer works for these attempts.
const NO_LONGER: [&str; 3] = [
    "these attempts cannot be moved again by this run",
    "rollback cannot give the malpractice rules of these learners back what they were before the run",
    "not_in_input.csv may name files of attempts that the run does not know: only a purge without --attempts removes it",
];

/// A document of JSON lines, rewritten on the local disk.
struct Rewritten {
    name: String,
    file: NamedTempFile,
    sha256: String,
}

/// Blanks the rows of these attempts and takes their lines out of the results, also of those in a verify store that lies
/// elsewhere; `None` if the run holds none of them.
pub async fn purge_attempts(
    store: &RunStore,
    verify_store: Option<&RunStore>,
    plan: &Plan,
    attempts: &[AttemptId],
    decided: &Decided,
) -> Result<Option<Purged>, Stop> {
    let wanted: BTreeSet<AttemptId> = attempts.iter().copied().collect();
    let rewritten = rewrite_all(store, plan, &wanted).await?;
    let images = images_of(store, plan, &wanted).await?;
    let elsewhere = verify_store.map(|place| (place, names::VERIFICATION_FAILURES));
    let lines = [(store, names::FAILED), (store, names::VERIFICATION_FAILURES)].into_iter().chain(elsewhere);
    let mut results = Vec::new();
    for (place, file) in lines {
        let name = names::result(file);
        results.extend(without(place, &name, &wanted).await?.map(|bytes| (place, name, bytes)));
    }
    // States of verifications are of the whole run, so they alone say nothing of these attempts.
    if rewritten.is_empty() && images.is_empty() && results.is_empty() {
        return Ok(None);
    }
    let mut gone: Vec<(&RunStore, Vec<String>)> = vec![(store, images.clone())];
    for place in [Some(store), verify_store].into_iter().flatten() {
        gone.push((place, place.list(names::VERIFYING).await?));
    }
    let documents =
        rewritten.len() + results.len() + gone.iter().map(|(_, names)| names.len()).sum::<usize>();
    let purged = Purged {
        decided: decided.clone(),
        documents: documents as u64,
        bytes: 0,
        attempts: Some(attempts.to_vec()),
        rewritten: rewritten.iter().map(|one| (one.name.clone(), one.sha256.clone())).collect(),
        images: images.iter().filter_map(|name| id_of(name)).collect(),
        no_longer: NO_LONGER.map(str::to_owned).to_vec(),
    };
    // First, so that every reader accepts the new digests before they are there; the old ones stay accepted.
    let id = uuid::Uuid::new_v4().simple().to_string();
    store.create(&names::purged_attempts(&id), &purged).await?;
    for one in &rewritten {
        let options = PutOptions::replace(JSON_LINES);
        store.blobs().put_file(&store.path(&one.name), one.file.path(), &options).await?;
    }
    for (place, name, bytes) in results {
        place.blobs().put(&place.path(&name), Bytes::from(bytes), &PutOptions::replace(CSV)).await?;
    }
    for (place, names) in gone.iter().filter(|(_, names)| !names.is_empty()) {
        place.delete(names).await?;
    }
    decisions::log(store, decided).await?;
    Ok(Some(purged))
}

/// Every queue and facts file that holds one of them.
async fn rewrite_all(
    store: &RunStore,
    plan: &Plan,
    wanted: &BTreeSet<AttemptId>,
) -> Result<Vec<Rewritten>, Fault> {
    let is_wanted = |attempt: Option<AttemptId>| attempt.is_some_and(|attempt| wanted.contains(&attempt));
    let mut all = Vec::new();
    for (index, ShardPlan { queue_sha256, facts_sha256, .. }) in (0..).map(ShardIndex).zip(&plan.shards) {
        let blank = |row: QueuedRow| match row.attempt {
            Some(attempt) if is_wanted(row.attempt) => {
                (QueuedRow { cells: only_id(attempt), listed: Vec::new(), ..row }, true)
            }
            _ => (row, false),
        };
        all.extend(rewrite(store, names::queue(&plan.id, index), queue_sha256, blank).await?);
        let Some(facts_sha256) = facts_sha256 else { continue };
        let blank = |line: AttemptFacts| {
            let is_changed = is_wanted(Some(line.attempt));
            let facts = if is_changed { Facts::default() } else { line.facts };
            (AttemptFacts { attempt: line.attempt, facts }, is_changed)
        };
        all.extend(rewrite(store, names::facts(&plan.id, index), facts_sha256, blank).await?);
    }
    Ok(all)
}

fn only_id(attempt: AttemptId) -> SubmissionRow {
    SubmissionRow { attempt_id: attempt.to_string(), ..SubmissionRow::default() }
}

/// Whether a purge left of the cells the id alone.
pub fn is_only_id(cells: &SubmissionRow) -> bool {
    cells.used().iter().all(|(name, cell)| *name == "Attempt ID" || cell.is_empty())
}

/// The document with each line as `change` returns it; `None` if it is gone, or no line is to be changed.
async fn rewrite<T: Serialize + DeserializeOwned>(
    store: &RunStore,
    name: String,
    planned: &str,
    change: impl Fn(T) -> (T, bool),
) -> Result<Option<Rewritten>, Fault> {
    if !store.exists(&name).await? {
        return Ok(None);
    }
    let mut reader = lines::open::<T>(store, &name, planned).await?;
    let (mut draft, mut any) = (Draft::new()?, false);
    while let Some(read) = reader.next().await? {
        let (changed, is_changed) = change(read);
        any |= is_changed;
        draft.push(&changed)?;
    }
    let (file, sha256) = draft.finish()?;
    Ok(any.then(|| Rewritten { name, file, sha256 }))
}

/// Names of the images of malpractice rules of these learners.
async fn images_of(
    store: &RunStore,
    plan: &Plan,
    wanted: &BTreeSet<AttemptId>,
) -> Result<Vec<String>, Fault> {
    let images = enforcements::all(store).await?;
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let mut learners = BTreeSet::new();
    let mut all = segments(store, plan, None);
    while let Some(segment) = all.try_next().await? {
        for outcome in segment.outcomes() {
            let outcome = outcome?;
            if let (Some(attempt), Fate::Migrated(migrated)) = (outcome.attempt, outcome.fate)
                && wanted.contains(&attempt)
            {
                learners.insert(migrated.user_id);
            }
        }
    }
    let of_learner = |image: &serde_json::Value| {
        image.get("lms_user_id").and_then(serde_json::Value::as_str).is_some_and(|id| learners.contains(id))
    };
    let named = images.into_iter().filter(|(_, image)| of_learner(image));
    Ok(named.map(|(name, _)| name).collect())
}

/// A result without the lines of these attempts; `None` if it has none of them.
async fn without(
    store: &RunStore,
    name: &str,
    wanted: &BTreeSet<AttemptId>,
) -> Result<Option<Vec<u8>>, Fault> {
    let Some(whole) = store.bytes(name).await? else { return Ok(None) };
    let marked = whole.strip_prefix(BYTE_ORDER_MARK);
    let text = marked.unwrap_or(&whole);
    let unreadable = |error: csv::Error| no_room(error.into());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    let Some(place) = header.iter().position(|name| name == b"Attempt ID") else { return Ok(None) };
    let mut kept = marked.map_or_else(Vec::new, |_| BYTE_ORDER_MARK.to_vec());
    let first = reader.position().byte();
    let line = |from: u64, to: u64| {
        let range = usize::try_from(from).unwrap_or_default()..usize::try_from(to).unwrap_or(usize::MAX);
        text.get(range).unwrap_or_default()
    };
    kept.extend_from_slice(line(0, first));
    let (mut from, mut any) = (first, false);
    let mut record = csv::ByteRecord::new();
    // Lines that stay are copied byte by byte: how they are quoted says what is a null.
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        let to = reader.position().byte();
        let id = record.get(place).and_then(|cell| std::str::from_utf8(cell).ok());
        let is_wanted = id.and_then(|id| id.parse::<AttemptId>().ok()).is_some_and(|id| wanted.contains(&id));
        any |= is_wanted;
        if !is_wanted {
            kept.extend_from_slice(line(from, to));
        }
        from = to;
    }
    Ok(any.then_some(kept))
}

/// Blanks every cell but the id, for results that are written again.
pub fn blank_but_id(cells: Vec<InputCell>, attempt: AttemptId) -> Vec<InputCell> {
    let is_id = |cell: &InputCell| cell.text.parse() == Ok(attempt);
    cells.into_iter().map(|cell| if is_id(&cell) { cell } else { InputCell::default() }).collect()
}
