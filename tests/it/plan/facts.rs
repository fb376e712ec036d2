//! Facts files, which follow their queues.

use rogo_migrate::{
    domain::{Facts, ShardIndex, SubmissionIds, Value},
    exit::Exit,
    ports::FaultKind,
    run::{
        facts::{FactsReader, QueueWithFacts},
        names,
    },
};

use super::{World, attempt, five};

#[tokio::test]
async fn facts_files_follow_their_queues() {
    let mut world = World::new(
        &[("1", ""), ("2", ""), ("3", ""), ("1", ""), ("x", ""), ("5", ""), ("6", "")],
        &["1", "2", "3", "5", "6"].map(|attempt| (attempt, "24_01", "Attempt 1")),
    );
    world.settings.shards = 2;
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned =
        vec![(6, "six"), (1, "one"), (3, "three"), (99, "other"), (1, "one more"), (2, "two")];
    world.target.hold(&["rogo_3_x"]);
    let plan = world.make().await.unwrap().plan;
    assert!(plan.facts_files);
    // Newest first: 6 | 5 | x | 1 | 3 (held) | 2 | 1 (older), dealt to two shards.
    let store = world.store();
    let texts = |facts: &Facts| facts.reports.iter().map(|report| report.grade.clone()).collect::<Vec<_>>();
    let text = |text: &str| Value::Text(text.into());
    let mut zero = FactsReader::open(&store, &plan, ShardIndex(0)).await.unwrap().unwrap();
    assert_eq!(texts(&zero.of(attempt(6)).await.unwrap()), [text("six")]);
    let mut one = FactsReader::open(&store, &plan, ShardIndex(1)).await.unwrap().unwrap();
    assert!(one.of(attempt(5)).await.unwrap().reports.is_empty());
    assert_eq!(texts(&one.of(attempt(1)).await.unwrap()), [text("one"), text("one more")]);
    assert_eq!(texts(&one.of(attempt(2)).await.unwrap()), [text("two")]);
    one.finish().await.unwrap();
    let mut again = FactsReader::open(&store, &plan, ShardIndex(1)).await.unwrap().unwrap();
    assert_eq!(texts(&again.of(attempt(2)).await.unwrap()), [text("two")], "those before may be left out");
    assert_eq!(again.of(attempt(1)).await.unwrap_err().kind, FaultKind::Corrupt);
    assert_eq!(
        texts(&zero.of(attempt(3)).await.unwrap()),
        [text("three")],
        "what is held may be gone by then"
    );
}

#[tokio::test]
async fn a_warehouse_that_has_lost_rows_since_it_was_counted_is_asked_again_later() {
    for (counted, exit) in [((3, 2), Some(Exit::Temporary)), ((2, 3), Some(Exit::Temporary)), ((2, 2), None)]
    {
        let mut world = World::new(&[("1", ""), ("2", "")], &["1", "2"].map(|id| (id, "24_01", "Attempt 1")));
        world.warehouse.shape.lookups_are_cheap = false;
        world.warehouse.shape.rows = Some(counted);
        world.warehouse.scanned = vec![(1, "one"), (2, "two")];
        let made = world.make().await;
        assert_eq!(made.as_ref().err().map(|stop| stop.exit), exit, "{counted:?}");
        if let Err(stop) = made {
            assert!(stop.message.contains("is being loaded, or was emptied"), "{}", stop.message);
        }
    }
}

#[tokio::test]
async fn rows_that_the_mapping_decides_have_no_facts_and_those_held_under_our_own_id_do() {
    let mut world = World::new(
        &[("1", ""), ("2", ""), ("3", ""), ("4", ""), ("5", "")],
        &[
            ("1", "24_01", "Attempt 1"),
            ("2", "21_01", "Attempt 1"),
            ("3", "24_01", "Attempt"),
            ("5", "24_01", "Attempt 1"),
        ],
    );
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = vec![(1, "one"), (5, "five")];
    let own = SubmissionIds::new(&world.settings.organisation.lms_instance, attempt(5)).launch_id();
    world.target.hold(&[&own]);
    let report = world.make().await.unwrap();
    let open =
        || async { FactsReader::open(&world.store(), &report.plan, ShardIndex(0)).await.unwrap().unwrap() };
    for (number, has_facts) in [(5, true), (4, false), (3, false), (2, false), (1, true)] {
        assert_eq!(open().await.of(attempt(number)).await.is_ok(), has_facts, "attempt {number}");
    }
    assert_eq!(report.counts.unwrap().eligible, 1, "the held one is to be skipped, as far as the plan knows");
}

#[tokio::test]
async fn facts_of_many_rows_in_any_order_reach_their_rows() {
    let ids: Vec<String> = (1..=10_000).map(|number| number.to_string()).collect();
    let rows: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "")).collect();
    let mapping: Vec<_> = ids.iter().map(|id| (id.as_str(), "24_01", "Attempt 1")).collect();
    let mut world = World::new(&rows, &mapping);
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = (1..=10_000).map(|n| (n * 7_919 % 10_000 + 1, "a grade")).collect();
    let plan = world.make().await.unwrap().plan;
    let mut facts = FactsReader::open(&world.store(), &plan, ShardIndex(0)).await.unwrap().unwrap();
    for number in (1..=10_000).rev() {
        let facts = facts.of(attempt(number)).await.unwrap();
        assert_eq!((facts.reports.len(), facts.scores.len()), (1, 1), "attempt {number}");
    }
    facts.finish().await.unwrap();
}

#[tokio::test]
async fn without_facts_files_there_is_no_reader_of_them() {
    let world = five();
    let plan = world.make().await.unwrap().plan;
    assert!(FactsReader::open(&world.store(), &plan, ShardIndex(0)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_facts_file_that_changed_and_can_still_be_read_is_refused_at_the_end_of_its_queue() {
    let mut world = five();
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = vec![(1, "one"), (5, "five")];
    let plan = world.make().await.unwrap().plan;
    let store = world.store();
    let name = store.path(&names::facts(&plan.id, ShardIndex(0)));
    let facts = world.documents.text(&name).unwrap();
    let read = async |skipped: u64| {
        let mut rows = QueueWithFacts::open(&store, &plan, ShardIndex(0)).await?;
        rows.skip(skipped).await?;
        while rows.next(|_| true).await?.is_some() {}
        rows.next(|_| true).await.map(|row| assert!(row.is_none(), "the end stays the end"))
    };
    for skipped in [0, 2, 5] {
        read(skipped).await.unwrap();
    }
    let changed = facts.replace("five", "nine");
    assert_ne!(changed, facts);
    world.documents.insert(&name, changed);
    for skipped in [0, 2, 5] {
        assert_eq!(read(skipped).await.unwrap_err().kind, FaultKind::Corrupt, "{skipped} rows passed over");
    }
}
