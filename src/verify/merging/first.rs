//! The differences of the first look, for the second one: a bit for each row and check, and some 70 bytes for each stored row or
//! blob that belongs to no row. Texts and values are not kept, so that a million differences fit into the memory of a pod.

use std::collections::HashMap;

use crate::{
    domain::AttemptId,
    run::source_files::NameKey,
    verify::{by_check::ByCheck, run::Same, table::CheckId},
};

/// Stands for the table of a blob, which lies in none.
const BLOB: u32 = u32::MAX;

/// A stored row or blob that belongs to no row.
#[derive(Debug, Clone, Copy)]
pub struct Stray {
    /// The check that found it.
    pub check: CheckId,
    /// The attempt, if it was named.
    pub attempt: Option<AttemptId>,
    stands: bool,
}

/// Differences that were seen once, and which of them were seen again.
#[derive(Debug)]
pub struct Differences {
    first: ByCheck,
    again: ByCheck,
    strays: HashMap<NameKey, Stray>,
}

impl Differences {
    /// None yet, of the rows from `first` to `last`, both included.
    pub fn of_range(first: u64, last: u64) -> Self {
        let first = ByCheck::of_range(first, last);
        Self { again: first.empty(), first, strays: HashMap::new() }
    }

    /// Adds what the first look found; of one thing that is found twice, the first stands.
    pub fn insert(&mut self, same: &Same, check: CheckId, attempt: Option<AttemptId>) {
        match same {
            Same::Row(row, check) => self.first.insert(*row, *check),
            Same::Stored(..) | Same::Blob(_) => {
                self.strays.entry(key(same)).or_insert(Stray { check, attempt, stands: false });
            }
        }
    }

    /// Notes that it was seen again; whether the first look had found it.
    pub fn see(&mut self, same: &Same) -> bool {
        match same {
            Same::Row(row, check) => {
                let is_known = self.first.contains(*row, *check);
                if is_known {
                    self.again.insert(*row, *check);
                }
                is_known
            }
            Same::Stored(..) | Same::Blob(_) => match self.strays.get_mut(&key(same)) {
                Some(stray) => {
                    stray.stands = true;
                    true
                }
                None => false,
            },
        }
    }

    /// Number of differences of the first look.
    pub fn len(&self) -> u64 {
        self.first.len() + self.strays.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether something was found that belongs to no row.
    pub fn has_strays(&self) -> bool {
        !self.strays.is_empty()
    }

    /// Rows and checks of the first look.
    pub fn in_rows(&self) -> &ByCheck {
        &self.first
    }

    /// What belongs to no row and was not seen again.
    pub fn unseen_strays(&self) -> impl Iterator<Item = Stray> {
        self.strays.values().filter(|stray| !stray.stands).copied()
    }

    /// The rows and checks that were not seen again, in the order of rows.
    pub fn unseen_in_rows(&self) -> impl Iterator<Item = (u64, CheckId)> {
        self.first.all().filter(|(row, check)| !self.again.contains(*row, *check))
    }
}

/// The name of what belongs to no row, hashed.
fn key(same: &Same) -> NameKey {
    match same {
        Same::Stored(table, id) => NameKey::of(*table as u32, id, true),
        Same::Blob(name) => NameKey::of(BLOB, name, true),
        Same::Row(..) => NameKey::of(BLOB, "", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Table;

    #[test]
    fn what_was_seen_once_and_not_again_is_told_exactly() {
        let mut differences = Differences::of_range(1, 9);
        let row = |row| Same::Row(row, CheckId::BlobPresent);
        let stored = |table, id: &str| Same::Stored(table, id.to_owned());
        let attempt = "7".parse().ok();
        let surplus = CheckId::NothingSurplus;
        for n in [2, 4, 4] {
            differences.insert(&row(n), CheckId::BlobPresent, None);
        }
        for (same, check) in [
            (stored(Table::Files, "a"), surplus),
            (stored(Table::Marks, "a"), surplus),
            (Same::Blob("a".to_owned()), CheckId::BlobsSurplus),
        ] {
            differences.insert(&same, check, attempt);
        }
        assert_eq!(differences.len(), 5);
        assert!(differences.see(&row(4)) && !differences.see(&row(5)));
        assert!(differences.see(&stored(Table::Files, "a")) && differences.see(&Same::Blob("a".to_owned())));
        assert!(!differences.see(&stored(Table::Grades, "a")));
        assert_eq!(differences.unseen_in_rows().collect::<Vec<_>>(), [(2, CheckId::BlobPresent)]);
        let strays: Vec<_> = differences.unseen_strays().map(|stray| (stray.check, stray.attempt)).collect();
        assert_eq!(strays, [(surplus, attempt)]);
    }
}
