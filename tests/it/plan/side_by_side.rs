//! What is read and written at once gives the same plan, and the same refusal, as if it were done one after the other.

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc};

use rogo_migrate::{
    adapters::warehouse::Export,
    domain::{Dialect, REPORT_COLUMNS, REPORT_TABLE, SCORE_COLUMNS, SCORE_TABLE, ShardIndex, Value},
    exit::Exit,
    plan::{self, Services},
    ports::Service,
    run::{Plan, facts::FactsReader},
};

use super::World;
use crate::support::fakes::{InMemoryBlobs, Journal};

/// Rows of an input that is longer than what is read at a time.
const ROWS: i32 = 3_000;
/// Whatever depends on which thread is faster shows itself in one of so many tries.
const TRIES: usize = 5;

fn world() -> World {
    let ids: Vec<String> = (1..=ROWS).map(|number| number.to_string()).collect();
    let rows: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "")).collect();
    let mapping: Vec<_> = ids.iter().map(|id| (id.as_str(), "24_01", "Attempt 1")).collect();
    World::new(&rows, &mapping)
}

/// The same file with a row that is cut short, as its first or its last.
fn spoil(world: &World, name: &str, is_first: bool) {
    let text = fs::read_to_string(world.path(name)).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let spoilt = if is_first { format!("{header}\n1,2\n{rows}") } else { format!("{header}\n{rows}1,2\n") };
    fs::write(world.path(name), spoilt).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_inputs_at_fault_the_mapping_is_named_every_time() {
    let last = format!("line {}", ROWS + 2);
    let (submissions, mapping) = ("submission_files.csv", "attempt_number_mapping.csv");
    for (spoilt, named, line) in [
        (vec![(mapping, false), (submissions, true)], mapping, last.as_str()),
        (vec![(mapping, true), (submissions, false)], mapping, "line 2"),
        (vec![(mapping, false), (submissions, false)], mapping, last.as_str()),
        (vec![(submissions, true)], submissions, "line 2"),
        (vec![(submissions, false)], submissions, last.as_str()),
    ] {
        let world = world();
        for (name, is_first) in spoilt {
            spoil(&world, name, is_first);
        }
        for _ in 0..TRIES {
            let stop = world.make().await.unwrap_err();
            assert_eq!(stop.exit, Exit::DataRefused, "{stop}");
            assert!(stop.message.contains(&format!("{named}, {line},")), "{named}, {line}: {stop}");
            assert_eq!(stop.message.lines().count(), 1, "{stop}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_is_not_there_does_not_hide_what_is_wrong_with_the_mapping() {
    let world = world();
    spoil(&world, "attempt_number_mapping.csv", false);
    fs::remove_file(world.path("submission_files.csv")).unwrap();
    for _ in 0..TRIES {
        let stop = world.make().await.unwrap_err();
        assert!(stop.message.contains("attempt_number_mapping.csv, line"), "{stop}");
    }
}

/// Exported tables: of each attempt two reports, far from each other, and three scores.
fn export() -> Export {
    let cells = |columns: usize, cell: &str| vec![cell; columns].join(",");
    let mut reports = format!("AttemptId,{}\n", REPORT_COLUMNS.join(","));
    let mut scores = format!("AttemptId,{}\n", SCORE_COLUMNS.join(","));
    for grade in ["first", "second"] {
        for id in 1..=ROWS {
            writeln!(reports, "{},{}", id * 7 % ROWS + 1, cells(REPORT_COLUMNS.len(), grade)).unwrap();
        }
    }
    for id in 1..=ROWS {
        for label in ["a", "b", "c"] {
            writeln!(scores, "{id},{}", cells(SCORE_COLUMNS.len(), label)).unwrap();
        }
    }
    let folder = InMemoryBlobs::new("export", Service::RunStore, Journal::default());
    folder.insert(&format!("{REPORT_TABLE}.csv"), reports);
    folder.insert(&format!("{SCORE_TABLE}.csv"), scores);
    folder.read_by(4_096);
    Export::new(Arc::new(folder), Dialect::default())
}

async fn planned(world: &World, export: &Export) -> Plan {
    let (inputs, store) = (world.inputs(), world.store());
    let services = Services { warehouse: export, ..world.services(&inputs, &store) };
    plan::make(&world.settings, services).await.unwrap().plan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_inputs_and_tables_give_the_same_queues_and_facts() {
    let export = export();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..TRIES {
        let mut world = world();
        world.settings.shards = 7;
        let plan = planned(&world, &export).await;
        *seen.entry(format!("{:?}", plan.shards)).or_default() += 1;
        for shard in 0..7 {
            let mut facts =
                FactsReader::open(&world.store(), &plan, ShardIndex(shard)).await.unwrap().unwrap();
            for row in world.queue(&plan, shard).await {
                let of = row.attempt.unwrap();
                assert_eq!(row.cells.attempt_id, of.to_string());
                let facts = facts.of(of).await.unwrap();
                let texts = |values: Vec<&Value>| {
                    values.into_iter().map(|value| format!("{value:?}")).collect::<Vec<_>>()
                };
                let grades = texts(facts.reports.iter().map(|report| &report.grade).collect());
                assert_eq!(grades, ["Text(\"first\")", "Text(\"second\")"], "attempt {of}");
                let labels = texts(facts.scores.iter().map(|score| &score.label).collect());
                assert_eq!(labels, ["Text(\"a\")", "Text(\"b\")", "Text(\"c\")"], "attempt {of}");
            }
            facts.finish().await.unwrap();
        }
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}
