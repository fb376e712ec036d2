//! Rows that stand beside another submission under an id that a submission of this run gives: they were looked up by that id, and
//! what they name is a difference of their own submission.

use tokio::task::yield_now;
use uuid::Uuid;

use super::{KnownSubmissions, SurplusRow, UNKNOWN};
use crate::{
    domain::SubmissionIds,
    ports::{Fault, Table},
    run::lines::SpooledBuckets,
    verify::table::CheckId,
};

/// Submissions of which the ids are derived before the heartbeat comes in between: some milliseconds.
const WITHOUT_PAUSE: usize = 5_000;

/// Which rows of some buckets have an id of a submission of this run: 17 bytes a row.
pub struct OwnRows {
    /// Sorted, each once, for a binary search.
    ids: Vec<uuid::Bytes>,
    is_own: Vec<bool>,
    end: usize,
    derived: u64,
}

impl OwnRows {
    /// Of the rows of bucket `first` and of the next ones, until they are `most` or more: the ids of all submissions are derived
    /// once for all of these.
    pub async fn of(
        (known, lms_instance): (&KnownSubmissions, &str),
        table: Table,
        dealt: &SpooledBuckets,
        first: usize,
        most: usize,
    ) -> Result<Self, Fault> {
        let (mut ids, mut end) = (Vec::new(), first);
        while end < dealt.len() && (end == first || ids.len() < most) {
            dealt.read(end, |row: SurplusRow| {
                ids.extend(derivable(&row));
                Ok(())
            })?;
            end += 1;
        }
        ids.sort_unstable();
        ids.dedup();
        let mut own = Self { is_own: vec![false; ids.len()], ids, end, derived: 0 };
        if !own.ids.is_empty() {
            for some in known.0.chunks(WITHOUT_PAUSE) {
                for known in some {
                    let derived = SubmissionIds::new(lms_instance, known.attempt);
                    let rows = Some(known.rows(table)).filter(|rows| *rows != UNKNOWN).unwrap_or_default();
                    (1..=usize::from(rows)).for_each(|n| own.mark(&derived.row(table.name(), n)));
                }
                yield_now().await;
            }
        }
        Ok(own)
    }

    /// The first bucket behind those that it is of.
    pub fn end(&self) -> usize {
        self.end
    }

    /// How many ids were derived.
    pub fn derived(&self) -> u64 {
        self.derived
    }

    /// Whether the row, which is of one of the buckets, has such an id.
    pub fn holds(&self, row: &SurplusRow) -> bool {
        let place = derivable(row).and_then(|id| self.ids.binary_search(&id).ok());
        place.and_then(|place| self.is_own.get(place)).copied().unwrap_or_default()
    }

    fn mark(&mut self, id: &str) {
        self.derived += 1;
        let place = id.parse::<Uuid>().ok().and_then(|id| self.ids.binary_search(id.as_bytes()).ok());
        if let Some(is_own) = place.and_then(|place| self.is_own.get_mut(place)) {
            *is_own = true;
        }
    }
}

/// The row's id if a submission may give it: it is written as this program writes ids, and the row is not of a failed one.
fn derivable(row: &SurplusRow) -> Option<uuid::Bytes> {
    let id = row.id.parse::<Uuid>().ok().filter(|_| row.check != CheckId::FailedAbsent)?;
    (*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *row.id).then(|| id.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::lines::Buckets, verify::findings::Kind};

    const INSTANCE: &str = "X";
    const TABLE: Table = Table::Files;
    const BUCKETS: usize = 64;

    fn row(id: String, check: CheckId) -> SurplusRow {
        SurplusRow { attempt: None, table: TABLE, id, check, kind: Kind::Surplus, transaction: 1 }
    }

    /// Ids of 500 submissions of three files, and in each bucket three rows: an own one, a strange one, one of a failed row.
    async fn passes(most: usize) -> (u64, u64) {
        let mut known = KnownSubmissions::default();
        let mut dealt = Buckets::new(BUCKETS).unwrap();
        for number in 1..=500_usize {
            let attempt = number.to_string().parse().unwrap();
            let ids = SubmissionIds::new(INSTANCE, attempt);
            known.add(&ids, attempt, Some(3), None);
            if number <= BUCKETS {
                let own = ids.row(TABLE.name(), 3);
                for row in [
                    row(own.clone(), CheckId::NothingSurplus),
                    row(ids.row(TABLE.name(), 4), CheckId::NothingSurplus),
                    row(own.to_uppercase(), CheckId::NothingSurplus),
                    row(own, CheckId::FailedAbsent),
                ] {
                    dealt.push(number - 1, &row).unwrap();
                }
            }
        }
        known.finish();
        let dealt = dealt.finish().unwrap();
        let (mut next, mut passes, mut derived) = (0, 0, 0);
        while next < BUCKETS {
            let own = OwnRows::of((&known, INSTANCE), TABLE, &dealt, next, most).await.unwrap();
            for bucket in next..own.end() {
                let mut held = Vec::new();
                dealt
                    .read(bucket, |row: SurplusRow| {
                        held.push(own.holds(&row));
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(held, [true, false, false, false], "{bucket}");
            }
            (next, passes, derived) = (own.end(), passes + 1, derived + own.derived());
        }
        (passes, derived)
    }

    #[tokio::test]
    async fn the_ids_of_all_submissions_are_derived_once_for_as_many_rows_as_fit() {
        assert_eq!(passes(1_000_000).await, (1, 1_500));
        // Two rows of each bucket are counted.
        assert_eq!(passes(32).await, (4, 4 * 1_500));
        assert_eq!(passes(1).await, (64, 64 * 1_500));
    }

    #[tokio::test]
    async fn nothing_is_derived_if_no_row_is_in_question() {
        let mut known = KnownSubmissions::default();
        let attempt = "1".parse().unwrap();
        known.add(&SubmissionIds::new(INSTANCE, attempt), attempt, Some(3), None);
        let dealt = Buckets::new(BUCKETS).unwrap().finish().unwrap();
        let own = OwnRows::of((&known, INSTANCE), TABLE, &dealt, 0, 1).await.unwrap();
        assert_eq!((own.end(), own.derived()), (BUCKETS, 0));
    }
}
