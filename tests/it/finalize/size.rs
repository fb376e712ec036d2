//! Size: many outcomes of many shards are merged in bounded memory.

use std::{collections::BTreeSet, fmt::Write, sync::Arc, time::Instant};

use async_trait::async_trait;
use rogo_migrate::{
    exit::Stop,
    finalize::{InputRow, InputRows, lost::LostRows, merge::Merged, results::Drafts},
    inputs::InputCell,
    ports::Service,
    report::events::Events,
    run::RunStore,
};

use crate::support::{
    fakes::{InMemoryBlobs, Journal},
    process::this_test,
    world::World,
};

const CHILD: &str = "ROGO_TEST_MERGE_CHILD";
/// `<outcomes>,<shards>`; for a measurement by hand.
const SIZE: &str = "ROGO_TEST_MERGE_SIZE";
const PER_SEGMENT: u64 = 2_000;

/// Measures itself in a process of its own: in this one other tests use memory too.
#[test]
fn three_hundred_thousand_outcomes_of_a_hundred_shards_merge_in_bounded_memory() {
    if std::env::var_os(CHILD).is_some() {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(merge_and_measure());
        return;
    }
    let name = "finalize::size::three_hundred_thousand_outcomes_of_a_hundred_shards_merge_in_bounded_memory";
    let said = this_test(name, CHILD).stdout;
    let grown: u64 = said.split("grown by ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(grown < 60_000, "{said}");
}

async fn merge_and_measure() {
    let size = std::env::var(SIZE).unwrap_or_else(|_| "300000,100".into());
    let (rows, shards) = size.split_once(',').unwrap();
    let (rows, shards): (u64, u32) = (rows.parse().unwrap(), shards.parse().unwrap());
    let mut plan = World::new(0, shards).plan;
    plan.rows = rows;
    plan.submissions.rows = rows;
    let blobs = InMemoryBlobs::new("run", Service::RunStore, Journal::default());
    for shard in 0..u64::from(shards) {
        let of_shard = rows.div_ceil(u64::from(shards));
        for sequence in 0..of_shard.div_ceil(PER_SEGMENT) {
            let name = format!("rogo/segments/{shard}/aaaaaaaaaaaa-{sequence:08}.jsonl");
            let places = sequence * PER_SEGMENT..((sequence + 1) * PER_SEGMENT).min(of_shard);
            blobs.insert_made(&name, move || segment(rows, shards, shard, places.clone()).into_bytes());
        }
    }
    let before = peak_kilobytes();
    let began = Instant::now();
    let store = RunStore::new(Arc::new(blobs), &plan.run);
    let merged = Merged::gather(&store, &plan).await.unwrap();
    plan.submissions.sha256 = "pinned".into();
    let mut lost = LostRows::begin(&store, &plan, None).await.unwrap();
    let numbers = Box::new(Numbers { header: vec!["Error".into()], next: 0, rows });
    let (purged, named) = (BTreeSet::new(), BTreeSet::new());
    let drafts =
        Drafts::write(&plan, &merged, &mut lost, numbers, &purged, &named, &Events::default()).await.unwrap();
    assert_eq!(drafts.books.rows(), rows);
    assert_eq!(drafts.books.rows_failed(), rows / 10);
    let found = format!(
        "{rows} outcomes of {shards} shards in {:.1} s, memory grown by {} kB",
        began.elapsed().as_secs_f64(),
        peak_kilobytes() - before
    );
    std::io::Write::write_all(&mut std::io::stdout(), found.as_bytes()).unwrap();
}

/// The lines of one segment: newest row first, every tenth failed.
fn segment(rows: u64, shards: u32, shard: u64, places: std::ops::Range<u64>) -> String {
    let mut lines = format!("{{\"plan\":\"0123456789ab\",\"shard\":{shard},\"writer\":\"aaaaaaaaaaaa\"}}\n");
    for place in places {
        let Some(row) = rows.checked_sub(place * u64::from(shards) + shard).filter(|row| *row > 0) else {
            continue;
        };
        let fate = if row % 10 == 0 {
            r#"{"kind":"failed","code":"no_files","message":"no learner file and no marker file is named"}"#
                .into()
        } else {
            format!(
                r#"{{"kind":"migrated","launch_id":"rogo_{row}_0123456789abcdef0123456789abcdef","submission_id":"01234567-89ab-cdef-0123-456789abcdef","session_record_id":"01234567-89ab-cdef-0123-456789abcdef","user_id":"01234567-89ab-cdef-0123-456789abcdef::01234567-89ab-cdef-0123-456789abcdef","context_id":"01234567-89ab-cdef-0123-456789abcdef::{row}","files":3,"bytes":300000,"length_only":0,"recovered":false}}"#
            )
        };
        writeln!(
            lines,
            r#"{{"row":{row},"attempt":{row},"at":"2026-01-02T03:04:05.123456Z","worker":1,"milliseconds":35,"fate":{fate}}}"#
        )
        .unwrap();
    }
    lines
}

/// An input of one column and so many rows.
struct Numbers {
    header: Vec<String>,
    next: u64,
    rows: u64,
}

#[async_trait]
impl InputRows for Numbers {
    fn encoding(&self) -> Option<&'static encoding_rs::Encoding> {
        None
    }

    fn header(&self) -> &[String] {
        &self.header
    }

    async fn next(&mut self) -> Result<Option<InputRow>, Stop> {
        self.next += 1;
        Ok((self.next <= self.rows).then(|| InputRow {
            number: self.next,
            attempt: self.next.to_string().parse().ok(),
            cells: vec![InputCell::default()],
        }))
    }

    fn sha256(&self) -> Option<String> {
        Some("pinned".into())
    }
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
