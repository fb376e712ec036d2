//! Which blobs of killed processes are named by rows. There is no index on a blob's name. So the only row that should
//! name a blob is looked up by its derived id; once such a row does not name its blob, all blobs that are left are searched
//! for in one scan.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{held::scan, pool::Pool};
use crate::{
    domain::{AttemptId, SubmissionIds},
    ports::Fault,
};

const LIMIT: Duration = Duration::from_secs(45);

/// Ids that are looked up at a time.
const IDS_AT_A_TIME: usize = 1_000;

/// The part of a blob's name that identifies it, even if the service changed the rest:
/// `<folder>/<writer>/<attempt>_<upload order>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    folder: String,
    writer: String,
    attempt: AttemptId,
    order: usize,
}

impl Key {
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '/');
        let (folder, writer, file) = (parts.next()?, parts.next()?, parts.next()?);
        let mut parts = file.splitn(3, '_');
        let (attempt, order, _) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        Some(Self { folder: folder.into(), writer: writer.into(), attempt, order })
    }

    /// The id of the only row that this program makes for the blob.
    fn row(&self, lms_instance: &str) -> String {
        SubmissionIds::new(lms_instance, self.attempt).row("submission_files", self.order)
    }
}

/// Returns those of these names that a row holds, in the form in which the row holds them.
pub(super) async fn named(
    pool: &Pool,
    lms_instance: &str,
    names: &[String],
) -> Result<HashSet<String>, Fault> {
    let mut found = HashSet::new();
    let mut keys: Vec<Key> = Vec::new();
    let mut odd: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        match Key::of(name) {
            Some(key) => keys.push(key),
            None => drop(odd.insert(name)),
        }
    }
    let mut rest = keys.as_slice();
    let mut open: HashSet<&Key> = HashSet::new();
    // The scan that one open key needs finds all others too, and reads the disk in its order.
    while open.is_empty()
        && let Some((some, others)) = rest.split_at_checked(rest.len().min(IDS_AT_A_TIME))
        && !some.is_empty()
    {
        rest = others;
        open = some.iter().collect();
        let ids: Vec<String> = some.iter().map(|key| key.row(lms_instance)).collect();
        for name in by_id(pool, &ids).await? {
            // Two processes may have uploaded files for one row: the row names the blob of one of them at most.
            if Key::of(&name).is_some_and(|key| open.remove(&key)) {
                found.insert(name);
            }
        }
    }
    open.extend(rest);
    if !open.is_empty() || !odd.is_empty() {
        // Deleting cannot be undone. If the application copied a row, the copy names the blob under another id.
        by_scan(pool, &open, &odd, &mut found).await?;
    }
    Ok(found)
}

async fn by_id(pool: &Pool, ids: &[String]) -> Result<Vec<String>, Fault> {
    const SQL: &str =
        "select azure_blob_name from submission_files where id = any($1) and azure_blob_name is not null";
    let asking = async |connection: &mut _| sqlx::query_scalar(SQL).bind(ids).fetch_all(connection).await;
    pool.read(LIMIT, asking).await
}

/// Reads the table once. It joins with the writers, because PostgreSQL 13 compares `= any` with each element in turn.
async fn by_scan(
    pool: &Pool,
    keys: &HashSet<&Key>,
    odd: &BTreeSet<&str>,
    found: &mut HashSet<String>,
) -> Result<(), Fault> {
    const SQL: &str = "select azure_blob_name from submission_files
        where split_part(azure_blob_name, '/', 2) in (select unnest($1::text[]))";
    let writer = |name: &&str| name.split('/').nth(1).unwrap_or_default().to_owned();
    let writers: BTreeSet<String> =
        keys.iter().map(|key| key.writer.clone()).chain(odd.iter().map(writer)).collect();
    let writers: Vec<String> = writers.into_iter().collect();
    let mut keep = |names: Vec<String>| {
        let is_asked = |name: &String| match Key::of(name) {
            Some(key) => keys.contains(&&key),
            None => odd.contains(name.as_str()),
        };
        found.extend(names.into_iter().filter(is_asked));
    };
    scan(pool, |connection| sqlx::query_scalar(SQL).bind(writers).fetch(connection), &mut keep).await
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_blob_is_told_by_folder_writer_attempt_and_order_alone() {
        let of = |name| Key::of(name).map(|key| (key.attempt.get(), key.order));
        assert_eq!(of("LTI_Uploads/0123456789ab/987_2_a_b.pdf"), Some((987, 2)));
        assert_eq!(Key::of("LTI_Uploads/0123456789ab/987_2_a."), Key::of("LTI_Uploads/0123456789ab/987_2_a"));
        assert_ne!(Key::of("Marker_files/0123456789ab/987_2_a"), Key::of("LTI_Uploads/0123456789ab/987_2_a"));
        for name in
            ["LTI_Uploads/0123456789ab/of-nobody", "LTI_Uploads/987_2_a", "x", "a/b/987_x_c", "a/b/_1_c"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
