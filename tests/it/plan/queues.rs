//! What a queue says of its rows, and when it is not believed.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use rogo_migrate::{
    domain::{
        AttemptId, FailCode, MAPPING_COLUMNS, Mapping, MappingState, QueuedRow, ShardIndex, SkipCode,
        SubmissionIds,
    },
    exit::Exit,
    inputs::InputSource,
    plan::{self, PlanReport, PlanState},
    ports::{Blobs, FaultKind, PutOptions},
    run::{names, queue::QueueReader},
};

use super::{World, attempt, five, numbers};

#[tokio::test]
async fn every_shard_works_from_the_newest_row_down() {
    let mut world = five();
    world.settings.shards = 2;
    let report = world.make().await.unwrap();
    assert_eq!(report.state, PlanState::Made);
    assert_eq!(numbers(&world.queue(&report.plan, 0).await), [5, 3, 1]);
    assert_eq!(numbers(&world.queue(&report.plan, 1).await), [4, 2]);
    assert_eq!(report.plan.shards.iter().map(|shard| shard.rows).collect::<Vec<_>>(), [3, 2]);
    assert_eq!((report.plan.rows, report.plan.rows_left_out), (5, 0));
    assert_eq!(world.store().plan().await.unwrap(), Some(report.plan));
}

#[tokio::test]
async fn more_shards_than_rows_leave_queues_empty() {
    let mut world = five();
    world.settings.shards = 7;
    let plan = world.make().await.unwrap().plan;
    assert_eq!(numbers(&world.queue(&plan, 4).await), [1]);
    assert!(world.queue(&plan, 6).await.is_empty());
}

#[tokio::test]
async fn a_queue_says_everything_that_the_plan_knows_of_a_row() {
    let world = World::new(
        &[
            ("0007", "u1"),
            ("123abc", "u2"),
            ("8", "u3"),
            (" 7 ", "u4"),
            ("9", "u5"),
            ("10", "u6"),
            ("11", ""),
        ],
        &[
            ("7", "24_01", "Attempt 1"),
            ("007", "24_01", "Attempt 1"),
            ("8", "24_01", "Attempt 1"),
            ("8", "24_01", "Attempt 2"),
            ("10", " ", "Attempt 1"),
            ("11", "21_01", "Attempt 1"),
        ],
    );
    let own = SubmissionIds::new(&world.settings.organisation.lms_instance, attempt(7)).launch_id();
    world.target.hold(&["rogo_7_1700000000", &own, "rogo_9_17x", "rogo_90_1", "rogo_x_1"]);
    world.target.hold(&["rogo_8_1", "rogo_8_2"]);
    let report = world.make().await.unwrap();
    let rows = world.queue(&report.plan, 0).await;
    assert_eq!(numbers(&rows), [7, 6, 5, 4, 3, 2, 1]);
    let by_number: BTreeMap<u64, &QueuedRow> = rows.iter().map(|row| (row.number, row)).collect();
    assert_eq!((by_number[&1].newer_row, by_number[&1].attempt), (Some(4), Some(attempt(7))));
    assert_eq!(by_number[&4].newer_row, None);
    let held = |number: u64| {
        let row = by_number[&number];
        (row.held_launch_id.as_deref(), row.held_submission_id.as_deref())
    };
    assert_eq!(held(4), (Some("rogo_7_1700000000"), Some("submission of rogo_7_1700000000")));
    assert_eq!(held(5), (Some("rogo_9_17x"), Some("submission of rogo_9_17x")));
    assert_eq!(held(3), (Some("rogo_8_1"), None), "of two, one that is gone proves nothing");
    assert_eq!(by_number[&2].attempt, None);
    assert_eq!(by_number[&2].cells.attempt_id, "123abc");
    assert_eq!(by_number[&4].cells.attempt_id, " 7 ", "cells stay as they came");
    assert!(matches!(&by_number[&4].mapping, MappingState::Found(m) if m.submission == "Attempt 1"));
    assert_eq!(by_number[&3].mapping, MappingState::Ambiguous);
    assert_eq!(by_number[&5].mapping, MappingState::Missing);
    let counts = report.counts.as_ref().unwrap();
    let failed = [FailCode::AttemptIdInvalid, FailCode::UnitVersionMissing];
    assert_eq!(counts.failed, failed.map(|code| (code, 1)).into());
    let skipped =
        [(SkipCode::DuplicateRow, 1), (SkipCode::AlreadyMigrated, 3), (SkipCode::UnitVersionExcluded, 1)];
    assert_eq!(counts.skipped, skipped.into());
    assert_eq!(counts.eligible, 0);
}

#[tokio::test]
async fn odd_cells_reach_the_queue_as_they_came() {
    let odd = [
        "",
        "  ",
        "123abc",
        "-1",
        "+1",
        "0",
        "1.0",
        "1e3",
        "2147483648",
        "999999999999999999999999999999",
        "٣",
        "1\x00",
        "1\n2",
        "😀",
        "\"",
        "1,2",
        "1\u{feff}2",
    ];
    let rows = odd.map(|cell| (cell, cell));
    let world = World::new(&rows, &[("1", "24_01", "Attempt 1")]);
    let report = world.make().await.unwrap();
    assert_eq!(report.counts.unwrap().failed[&FailCode::AttemptIdInvalid], odd.len() as u64);
    let queue = world.queue(&report.plan, 0).await;
    let cells: Vec<&str> = queue.iter().rev().map(|row| row.cells.attempt_id.as_str()).collect();
    assert_eq!(cells, odd);
    assert!(queue.iter().all(|row| row.attempt.is_none() && row.newer_row.is_none()));
    assert!(queue.iter().all(|row| row.cells.learner_blob_urls == row.cells.attempt_id));
}

#[tokio::test]
async fn three_equal_rows_name_the_newest() {
    let world = World::new(&[("1", ""), ("1", ""), ("1", "")], &[("1", "24_01", "Attempt 1")]);
    let rows = world.queue(&world.make().await.unwrap().plan, 0).await;
    assert_eq!(rows.iter().map(|row| row.newer_row).collect::<Vec<_>>(), [None, Some(3), Some(3)]);
}

#[tokio::test]
async fn mapping_rows_that_differ_in_any_required_cell_are_ambiguous() {
    let world = five();
    let text = format!(
        "{}\n1,A,24,X,Attempt 1\n1,A,24,Y,Attempt 1\n2,A,24,X,n\n2,A,24,X,n\n3,A,24,X,Attempt 1\n\
         3,A ,\u{a0}24,X\u{200b},Attempt  1\n4,A,24,X,Attempt 1\n4,A,24,X,Attempt1\n",
        MAPPING_COLUMNS.join(",")
    );
    std::fs::write(world.path("attempt_number_mapping.csv"), text).unwrap();
    let rows = world.queue(&world.make().await.unwrap().plan, 0).await;
    assert_eq!(rows[4].mapping, MappingState::Ambiguous);
    assert!(matches!(rows[3].mapping, MappingState::Found(_)));
    // Blanks make no difference, and the file's first row is taken.
    let first = Mapping { unit_version: "24".into(), submission: "Attempt 1".into() };
    assert_eq!(rows[2].mapping, MappingState::Found(first));
    assert_eq!(rows[1].mapping, MappingState::Ambiguous, "a blank inside a word is a difference");
}

#[tokio::test]
async fn a_queue_that_was_changed_cut_or_lost_is_refused() {
    let world = five();
    let plan = world.make().await.unwrap().plan;
    let (store, name) = (world.store(), format!("trial/{}", names::queue(&plan.id, ShardIndex(0))));
    let whole = world.documents.text(&name).unwrap();
    for (changed, words) in [
        (whole.replacen("a@b.example", "c@d.example", 1), "not what was written"),
        (whole.split_inclusive('\n').take(4).collect(), "not what was written"),
        (whole.trim_end().to_owned(), "not what was written"),
        (whole.replacen("\"number\":4", "\"number\":\"4\"", 1), "line 2: not what was written"),
    ] {
        world.documents.insert(&name, changed.clone());
        let mut reader = QueueReader::open(&store, &plan, ShardIndex(0)).await.unwrap();
        let fault = loop {
            match reader.next().await {
                Ok(row) => assert!(row.is_some(), "the end was reached without a word"),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.kind, FaultKind::Corrupt);
        assert!(fault.what.contains(words) && fault.what.contains(&name), "{}", fault.chain());
        assert!(!fault.chain().contains('@'), "no personal data: {}", fault.chain());
    }
    world.documents.delete_many(&[name]).await.unwrap();
    let gone = QueueReader::open(&store, &plan, ShardIndex(0)).await.err().unwrap();
    assert_eq!(gone.kind, FaultKind::Corrupt);
    let none = QueueReader::open(&store, &plan, ShardIndex(1)).await.err().unwrap();
    assert!(none.what.contains("there is no shard 1"), "{}", none.what);
}

#[tokio::test]
async fn a_run_store_that_fails_half_way_keeps_no_queue() {
    let mut world = five();
    world.settings.shards = 3;
    world.documents.allow_puts(2);
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary, "{stop}");
    assert_eq!(world.documents.names(), [""; 0]);
    world.documents.fail(None);
    world.make().await.unwrap();
}

#[tokio::test]
async fn an_input_may_be_a_blob() {
    let world = five();
    let blobs: Arc<dyn Blobs> = Arc::new(world.documents.clone());
    let bytes = std::fs::read(world.path("submission_files.csv")).unwrap();
    blobs.put("in/rows.csv", bytes.into(), &PutOptions::create("text/csv")).await.unwrap();
    let mut inputs = world.inputs();
    inputs.submissions = InputSource::Blob { blobs: Arc::clone(&blobs), name: "in/rows.csv".into() };
    let store = world.store();
    let report = plan::make(&world.settings, world.services(&inputs, &store)).await.unwrap();
    assert_eq!(report.plan.rows, 5);
    assert_eq!(report.plan.submissions.location, "memory://runs/in/rows.csv");
    inputs.submissions = InputSource::Blob { blobs, name: "in/none.csv".into() };
    let stop = plan::make(&world.settings, world.services(&inputs, &store)).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Usage);
    assert!(
        stop.message.contains("memory://runs/in/none.csv cannot be read: there is no such blob"),
        "{stop}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_stands_in_one_queue_and_each_attempt_has_one_newest_row(
        ids in prop::collection::vec(-2_i32..8, 1..30),
        shards in 1_u32..6,
    ) {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let rows: Vec<(&str, &str)> = texts.iter().map(|id| (id.as_str(), "")).collect();
        let mut world = World::new(&rows, &[("1", "24_01", "Attempt 1")]);
        world.settings.shards = shards;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let queues: Vec<Vec<QueuedRow>> = runtime.block_on(async {
            let plan = world.make().await.unwrap().plan;
            let mut queues = Vec::new();
            for shard in 0..shards {
                queues.push(world.queue(&plan, shard).await);
            }
            queues
        });
        let mut seen = Vec::new();
        for row in queues.iter().flatten() {
            let id = ids[usize::try_from(row.number - 1).unwrap()];
            prop_assert_eq!(row.attempt, AttemptId::try_from(id).ok());
            let newest = ids.iter().rposition(|other| *other == id).unwrap() as u64 + 1;
            let expected = (id >= 1 && newest != row.number).then_some(newest);
            prop_assert_eq!(row.newer_row, expected);
            seen.push(row.number);
        }
        prop_assert!(queues.iter().all(|queue| queue.is_sorted_by(|a, b| a.number > b.number)));
        seen.sort_unstable();
        prop_assert_eq!(seen, (1..=ids.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_plan_that_moves_no_row_for_its_unit_versions_says_so() {
    let mut world = five();
    let says = |made: &PlanReport| made.lines().iter().any(|line| line.contains("NO ROW WILL BE MOVED"));
    assert!(!says(&world.rehearse().await.unwrap()));
    world.settings.rules.unit_versions = vec!["24;25".into()];
    let made = world.make().await.unwrap();
    let expected = "the Unit Code Version of 5 of 5 rows begins with none of unit-versions (24;25)";
    assert!(says(&made) && made.lines().join("\n").contains(expected), "{:?}", made.lines());
}
