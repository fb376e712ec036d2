//! Which blobs of killed processes are named by rows. There is no index on a blob's name. So the only row that should
//! name a blob is looked up by its derived id; once such a row does not name its blob, all blobs that are left are searched
//! for in one scan. A blob whose row stands under a name that no process gave is not taken for one that no row names, nor
//! one whose row has another name behind the number of the file.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use super::{held::scan, pool::Pool};
use crate::{
    domain::{AttemptId, FileKind, SubmissionIds},
    ids::WriterId,
    ports::{Fault, stored_form},
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

    /// Of a name that a process of a run gave, and that still is as it gave it.
    fn of_a_writer(name: &str) -> Option<Self> {
        let is_written = |key: &Self| {
            FileKind::ALL.iter().any(|kind| kind.folder() == key.folder)
                && key.writer.parse::<WriterId>().is_ok()
        };
        Self::of(name).filter(is_written)
    }

    /// Whether the row of this id, which should name this blob or one of another process for the same file, may mean it by this
    /// name: one that no process gave to a file of this very row may mean any of them.
    fn is_meant_by(&self, id: &str, name: &str, lms_instance: &str) -> bool {
        let own = Self::of_a_writer(name).filter(|key| key.row(lms_instance) == id);
        own.is_none_or(|own| own.writer == self.writer)
    }

    /// The id of the only row that this program makes for the blob.
    fn row(&self, lms_instance: &str) -> String {
        SubmissionIds::new(lms_instance, self.attempt).row("submission_files", self.order)
    }
}

/// The asked blobs by the id of the row that should name them: those of several processes for one file have one.
type ByRow<'a> = HashMap<String, Vec<(&'a Key, &'a str)>>;
/// The asked names that no process gives, by their stored form.
type Odd<'a> = BTreeMap<Cow<'a, str>, &'a str>;

/// Returns those of these names that a row means. Of a name that a process gave only what identifies the blob is compared,
/// of another one its stored form. A row whose name was rewritten, so that it is that of no blob of any writer for this row, may
/// mean any blob that was made for it.
pub(super) async fn named(
    pool: &Pool,
    lms_instance: &str,
    names: &[String],
) -> Result<HashSet<String>, Fault> {
    let mut found = HashSet::new();
    let mut keys: Vec<(Key, &str)> = Vec::new();
    let mut odd = Odd::new();
    for name in names {
        match Key::of(name) {
            Some(key) => keys.push((key, name)),
            None => drop(odd.insert(stored_form(name), name)),
        }
    }
    let mut rest = keys.as_slice();
    let mut open = ByRow::new();
    // The scan that one open key needs finds all others too, and reads the disk in its order.
    while open.is_empty()
        && let Some((some, others)) = rest.split_at_checked(rest.len().min(IDS_AT_A_TIME))
        && !some.is_empty()
    {
        rest = others;
        open = by_row(some, lms_instance);
        let ids: Vec<String> = open.keys().cloned().collect();
        for (id, name) in by_id(pool, &ids).await? {
            let Some(asked) = open.get_mut(&id) else { continue };
            // Two processes may have uploaded files for one row: the row names the blob of one of them at most.
            let meant = asked.extract_if(.., |(key, _)| key.is_meant_by(&id, &name, lms_instance));
            found.extend(meant.map(|(_, name)| name.to_owned()));
        }
        open.retain(|_, asked| !asked.is_empty());
    }
    for (id, asked) in by_row(rest, lms_instance) {
        open.entry(id).or_default().extend(asked);
    }
    if !open.is_empty() || !odd.is_empty() {
        // Deleting cannot be undone. If the application copied a row, the copy names the blob under another id.
        by_scan(pool, lms_instance, &open, &odd, &mut found).await?;
    }
    Ok(found)
}

fn by_row<'a>(asked: &'a [(Key, &'a str)], lms_instance: &str) -> ByRow<'a> {
    let mut rows = ByRow::new();
    for (key, name) in asked {
        rows.entry(key.row(lms_instance)).or_default().push((key, name));
    }
    rows
}

async fn by_id(pool: &Pool, ids: &[String]) -> Result<Vec<(String, String)>, Fault> {
    const SQL: &str = "select id, coalesce(azure_blob_name, '') from submission_files where id = any($1)";
    let asking = async |connection: &mut _| sqlx::query_as(SQL).bind(ids).fetch_all(connection).await;
    pool.read(LIMIT, asking).await
}

/// Reads the table once. It joins with the writers and ids, because PostgreSQL 13 compares `= any` with each element in turn.
async fn by_scan(
    pool: &Pool,
    lms_instance: &str,
    open: &ByRow<'_>,
    odd: &Odd<'_>,
    found: &mut HashSet<String>,
) -> Result<(), Fault> {
    const SQL: &str = "select id, coalesce(azure_blob_name, '') from submission_files
        where split_part(azure_blob_name, '/', 2) in (select unnest($1::text[]))
            or id in (select unnest($2::text[]))";
    let writer = |name: &&str| name.split('/').nth(1).unwrap_or_default().to_owned();
    let mut keys: HashMap<&Key, Vec<&str>> = HashMap::new();
    for (key, name) in open.values().flatten() {
        keys.entry(*key).or_default().push(name);
    }
    let writers: BTreeSet<String> =
        keys.keys().map(|key| key.writer.clone()).chain(odd.values().map(writer)).collect();
    let (writers, ids): (Vec<String>, Vec<String>) =
        (writers.into_iter().collect(), open.keys().cloned().collect());
    let mut keep = |rows: Vec<(String, String)>| {
        for (id, name) in rows {
            if let Some(asked) = open.get(&id) {
                let meant = asked.iter().filter(|(key, _)| key.is_meant_by(&id, &name, lms_instance));
                found.extend(meant.map(|(_, name)| (*name).to_owned()));
            }
            let asked = match Key::of(&name) {
                Some(key) => keys.get(&key).map(Vec::as_slice),
                None => odd.get(&stored_form(&name)).map(std::slice::from_ref),
            };
            found.extend(asked.unwrap_or_default().iter().map(|name| (*name).to_owned()));
        }
    };
    scan(pool, |connection| sqlx::query_as(SQL).bind(writers).bind(ids).fetch(connection), &mut keep).await
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
