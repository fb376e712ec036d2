//! One pass over the warehouse, split so that each shard finds the facts of its own rows in the
//! order of its queue, in bounded memory: rows are gathered in buckets of neighbouring places, the
//! buckets lie in pieces in one spool, and one bucket at a time is put in order.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use super::{draft::Draft, spool::no_room};
use crate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts, ShardIndex},
    ports::{Fault, Warehouse},
};

/// Places of one shard's queue in a bucket.
const BUCKET_PLACES: u64 = 4_096;
/// Bytes of all buckets before they go to disk.
const BUFFERED_BYTES: usize = 16 << 20;

/// The facts of all rows that need some, on disk.
pub struct FactSpool {
    shards: u32,
    buckets_per_shard: u64,
    buckets: Vec<Bucket>,
    buffered: usize,
    size_bytes: u64,
    file: File,
    /// Whether there is a report of any of the sampled attempts.
    pub sample_is_reported: bool,
}

#[derive(Default)]
struct Bucket {
    buffer: Vec<u8>,
    /// Offset and size of each piece in the spool.
    pieces: Vec<(u64, usize)>,
}

impl FactSpool {
    /// Scans the warehouse, keeps what the draft's rows need, and looks for reports of the `sampled` attempts.
    pub async fn scan(
        warehouse: &dyn Warehouse,
        draft: &Draft,
        shards: u32,
        sampled: &HashSet<AttemptId>,
    ) -> Result<Self, Fault> {
        let places = draft.len().div_ceil(u64::from(shards.max(1)));
        let buckets_per_shard = places.div_ceil(BUCKET_PLACES).max(1);
        let buckets = usize::try_from(buckets_per_shard * u64::from(shards.max(1))).unwrap_or_default();
        let mut spool = Self {
            shards,
            buckets_per_shard,
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            buffered: 0,
            size_bytes: 0,
            file: tempfile::tempfile().map_err(no_room)?,
            sample_is_reported: false,
        };
        warehouse
            .scan(&mut |rows| {
                for row in rows {
                    spool.sample_is_reported |=
                        matches!(&row, FactRow::Report(attempt, _) if sampled.contains(attempt));
                    spool.keep(draft, row).map_err(no_room)?;
                }
                Ok(())
            })
            .await?;
        spool.flush().map_err(no_room)?;
        Ok(spool)
    }

    /// Writes the facts file of `shard`: a line for each row of its queue that wants facts.
    pub fn write(&self, draft: &Draft, shard: ShardIndex, out: &mut impl Write) -> io::Result<()> {
        let mut open = None;
        let mut facts = HashMap::new();
        for (place, index) in (0_u64..).zip(draft.queue(shard, self.shards)) {
            let Some(attempt) = draft.facts_wanted(index) else { continue };
            let bucket = self.bucket(shard, place);
            if open != Some(bucket) {
                facts = self.load(bucket)?;
                open = Some(bucket);
            }
            let facts = facts.remove(&attempt).unwrap_or_default();
            serde_json::to_writer(&mut *out, &AttemptFacts { attempt, facts })?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn keep(&mut self, draft: &Draft, row: FactRow) -> io::Result<()> {
        let (attempt, facts) = match row {
            FactRow::Report(attempt, report) => {
                (attempt, Facts { reports: vec![report], scores: Vec::new() })
            }
            FactRow::Score(attempt, score) => (attempt, Facts { reports: Vec::new(), scores: vec![score] }),
        };
        let Some(place) = draft.place_of_facts(attempt) else { return Ok(()) };
        let shards = u64::from(self.shards.max(1));
        let bucket = self.bucket(crate::domain::shard_of(place, self.shards), place / shards);
        let Some(bucket) = self.buckets.get_mut(bucket) else { return Ok(()) };
        let before = bucket.buffer.len();
        serde_json::to_writer(&mut bucket.buffer, &AttemptFacts { attempt, facts })?;
        self.buffered += bucket.buffer.len() - before;
        if self.buffered >= BUFFERED_BYTES { self.flush() } else { Ok(()) }
    }

    fn bucket(&self, shard: ShardIndex, place: u64) -> usize {
        let bucket = u64::from(shard.0) * self.buckets_per_shard + place / BUCKET_PLACES;
        usize::try_from(bucket).unwrap_or(usize::MAX)
    }

    fn flush(&mut self) -> io::Result<()> {
        for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.buffer.is_empty()) {
            let buffer = std::mem::take(&mut bucket.buffer);
            self.file.write_all(&buffer)?;
            bucket.pieces.push((self.size_bytes, buffer.len()));
            self.size_bytes += buffer.len() as u64;
        }
        self.buffered = 0;
        Ok(())
    }

    fn load(&self, bucket: usize) -> io::Result<HashMap<AttemptId, Facts>> {
        let mut facts: HashMap<AttemptId, Facts> = HashMap::new();
        let mut piece = Vec::new();
        for (offset, size) in self.buckets.get(bucket).into_iter().flat_map(|bucket| &bucket.pieces) {
            piece.resize(*size, 0);
            self.file.read_exact_at(&mut piece, *offset)?;
            for row in serde_json::Deserializer::from_slice(&piece).into_iter::<AttemptFacts>() {
                let row = row?;
                let known = facts.entry(row.attempt).or_default();
                known.reports.extend(row.facts.reports);
                known.scores.extend(row.facts.scores);
            }
        }
        Ok(facts)
    }
}
