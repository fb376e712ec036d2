//! Promises of the plan: what it writes, what it refuses, and that it never changes its mind.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test ends at the first surprise, and its tables are long"
)]

mod fakes;
mod numbers;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use fakes::{FakeSource, FakeTarget, FakeWarehouse, MemoryBlobs};
use proptest::prelude::*;
use rogo_migrate::{
    domain::{
        AttemptId, Facts, MAPPING_COLUMNS, MappingState, Plan, QueuedRow, Report, SUBMISSION_COLUMNS,
        ShardIndex, SubmissionIds, Value,
    },
    exit::{Exit, Stop},
    inputs::{InputSource, Inputs},
    plan::{self, FactsReader, PlanReport, PlanState, QueueReader, Services},
    ports::{Blobs, FaultKind, PutOptions},
    run_store::{RunStore, names},
    settings::Settings,
};
use tempfile::TempDir;

/// One run's world: inputs on disk, services in memory.
struct World {
    folder: TempDir,
    settings: Settings,
    warehouse: FakeWarehouse,
    source: FakeSource,
    files: MemoryBlobs,
    target: FakeTarget,
    documents: Arc<MemoryBlobs>,
}

impl World {
    /// `rows` of (attempt id, learner blob URL), oldest first; `mapping` of (attempt id, version, submission).
    fn new(rows: &[(&str, &str)], mapping: &[(&str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self {
            settings: fakes::settings(folder.path()),
            warehouse: FakeWarehouse::cheap(),
            source: FakeSource::default(),
            files: MemoryBlobs::new("az://migrated"),
            target: FakeTarget::default(),
            documents: Arc::new(MemoryBlobs::new("az://runs")),
            folder,
        };
        world.write_submissions(rows);
        world.write_mapping(mapping);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_submissions(&self, rows: &[(&str, &str)]) {
        let mut writer = csv::Writer::from_path(self.path("submission_files.csv")).unwrap();
        writer.write_record(SUBMISSION_COLUMNS).unwrap();
        for (attempt, url) in rows {
            let cell = |name: &&str| match *name {
                "Attempt ID" => (*attempt).to_owned(),
                "Learner Azure Blob URLs" => (*url).to_owned(),
                "Learner Email" => "a@b.example".to_owned(),
                _ => String::new(),
            };
            writer.write_record(SUBMISSION_COLUMNS.iter().map(cell)).unwrap();
        }
        writer.flush().unwrap();
    }

    fn write_mapping(&self, rows: &[(&str, &str, &str)]) {
        let mut writer = csv::Writer::from_path(self.path("attempt_number_mapping.csv")).unwrap();
        writer.write_record(MAPPING_COLUMNS).unwrap();
        for (attempt, version, submission) in rows {
            writer.write_record([attempt, "5HR03", version, "A1", submission]).unwrap();
        }
        writer.flush().unwrap();
    }

    fn store(&self) -> RunStore {
        RunStore::new(Arc::clone(&self.documents) as Arc<dyn Blobs>, &self.settings.run)
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            submissions: InputSource::File(self.path("submission_files.csv")),
            mapping: InputSource::File(self.path("attempt_number_mapping.csv")),
            encoding: None,
        }
    }

    async fn make(&self) -> Result<PlanReport, Stop> {
        let (inputs, store) = (self.inputs(), self.store());
        plan::make(&self.settings, self.services(&inputs, &store)).await
    }

    async fn rehearse(&self) -> Result<PlanReport, Stop> {
        let (inputs, store) = (self.inputs(), self.store());
        plan::rehearse(&self.settings, self.services(&inputs, &store)).await
    }

    fn services<'a>(&'a self, inputs: &'a Inputs, store: &'a RunStore) -> Services<'a> {
        Services {
            inputs,
            warehouse: &self.warehouse,
            source: &self.source,
            target_blobs: &self.files,
            target: &self.target,
            store,
        }
    }

    async fn queue(&self, plan: &Plan, shard: u32) -> Vec<QueuedRow> {
        let mut reader = QueueReader::open(&self.store(), plan, ShardIndex(shard)).await.unwrap();
        let mut rows = Vec::new();
        while let Some(row) = reader.next().await.unwrap() {
            rows.push(row);
        }
        rows
    }

    /// Ends with this exit and these words, and the refusal says the same.
    async fn check_refused(&self, exit: Exit, words: &[&str]) {
        let stop = self.make().await.unwrap_err();
        assert_eq!(stop.exit, exit, "{stop}");
        for word in words {
            assert!(stop.message.contains(word), "{word:?} is not said: {stop}");
        }
        let refusal = self.store().refusal("0").await.unwrap().unwrap();
        assert_eq!(refusal.exit_code, exit as u8);
        assert_eq!(refusal.reasons.join("\n"), stop.message);
        assert_eq!(self.documents.names(), ["trial/refused/0.json"], "nothing else is written");
    }
}

fn attempt(number: i32) -> AttemptId {
    number.try_into().unwrap()
}

fn numbers(rows: &[QueuedRow]) -> Vec<u64> {
    rows.iter().map(|row| row.number).collect()
}

fn five() -> World {
    let rows = ["1", "2", "3", "4", "5"].map(|attempt| (attempt, ""));
    World::new(&rows, &rows.map(|(attempt, _)| (attempt, "24_01", "Attempt 1")))
}

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
    let mut world = World::new(
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
            ("none", "24_01", "Attempt 1"),
        ],
    );
    let own = SubmissionIds::new(&world.settings.organisation.lms_instance, attempt(7)).launch_id();
    world.target.launch_ids = vec![
        "rogo_7_1700000000".into(),
        own.clone(),
        "rogo_9_17x".into(),
        "rogo_90_1".into(),
        "rogo_x_1".into(),
    ];
    let report = world.make().await.unwrap();
    let rows = world.queue(&report.plan, 0).await;
    assert_eq!(numbers(&rows), [7, 6, 5, 4, 3, 2, 1]);
    let by_number: BTreeMap<u64, &QueuedRow> = rows.iter().map(|row| (row.number, row)).collect();
    assert_eq!((by_number[&1].newer_row, by_number[&1].attempt), (Some(4), Some(attempt(7))));
    assert_eq!((by_number[&4].newer_row, by_number[&4].held_launch_id.as_ref()), (None, Some(&own)));
    assert_eq!(by_number[&5].held_launch_id.as_deref(), Some("rogo_9_17x"));
    assert_eq!(by_number[&2].attempt, None);
    assert_eq!(by_number[&2].cells.attempt_id, "123abc");
    assert_eq!(by_number[&4].cells.attempt_id, " 7 ", "cells stay as they came");
    assert!(matches!(&by_number[&4].mapping, MappingState::Found(m) if m.submission == "Attempt 1"));
    assert_eq!(by_number[&3].mapping, MappingState::Ambiguous);
    assert_eq!(by_number[&5].mapping, MappingState::Missing);
    let counts = report.counts.as_ref().unwrap();
    let counted = [
        counts.attempt_id_invalid,
        counts.duplicate_row,
        counts.already_migrated,
        counts.mapping_ambiguous,
        counts.unit_version_missing,
        counts.unit_version_excluded,
    ];
    assert_eq!(counted, [1, 1, 2, 1, 1, 1]);
    assert_eq!((counts.mapping_missing, counts.eligible), (0, 0));
    assert!(report.lines().iter().any(|line| line.contains("1 rows of attempt_number_mapping.csv")));
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
        "\u{feff}1",
    ];
    let rows = odd.map(|cell| (cell, cell));
    let world = World::new(&rows, &[("1", "24_01", "Attempt 1")]);
    let report = world.make().await.unwrap();
    assert_eq!(report.counts.unwrap().attempt_id_invalid, odd.len() as u64);
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
        "{}\n1,A,24,X,Attempt 1\n1,A,24,Y,Attempt 1\n2,A,24,X,n\n2,A,24,X,n\n",
        MAPPING_COLUMNS.join(",")
    );
    std::fs::write(world.path("attempt_number_mapping.csv"), text).unwrap();
    let rows = world.queue(&world.make().await.unwrap().plan, 0).await;
    assert_eq!(rows[4].mapping, MappingState::Ambiguous);
    assert!(matches!(rows[3].mapping, MappingState::Found(_)));
}

#[tokio::test]
async fn a_second_plan_of_the_same_inputs_changes_nothing() {
    let mut world = five();
    let first = world.make().await.unwrap();
    let before = world.documents.contents();
    world.target.launch_ids = vec!["rogo_5_1".into()];
    let second = world.make().await.unwrap();
    assert_eq!((second.state, &second.plan), (PlanState::Stood, &first.plan));
    assert_eq!(world.documents.contents(), before);
}

#[tokio::test]
async fn of_two_plans_at_once_one_stands_and_the_other_leaves_nothing() {
    let world = five();
    let (a, b) = tokio::join!(world.make(), world.make());
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.plan, b.plan);
    assert_eq!([a.state, b.state].iter().filter(|state| **state == PlanState::Made).count(), 1);
    assert_eq!(world.documents.names(), ["trial/plan.json".into(), format!("trial/queues/{}/0", a.plan.id)]);
}

#[tokio::test]
async fn whatever_changed_is_named_and_refused_with_78() {
    let mut world = five();
    world.make().await.unwrap();
    let check = async |world: &World, words: &str| {
        let stop = world.make().await.unwrap_err();
        assert_eq!(stop.exit, Exit::Configuration, "{stop}");
        assert!(stop.message.contains(words), "{words:?} is not said: {stop}");
        assert!(stop.message.contains("start a run with another name"), "{stop}");
        let refusal = world.store().refusal("0").await.unwrap().unwrap();
        assert_eq!(refusal.reasons.join("\n"), stop.message);
        assert!(world.store().plan().await.unwrap().is_some(), "the plan still stands");
    };
    world.write_submissions(&[("1", "")]);
    check(&world, "submission_files.csv changed since the run began").await;
    let rows = ["1", "2", "3", "4", "5"].map(|attempt| (attempt, ""));
    world.write_submissions(&rows);
    world.make().await.unwrap();
    assert_eq!(world.store().refusal("0").await.unwrap(), None, "all is as it was");
    world.write_mapping(&[("1", "24_01", "Attempt 2")]);
    check(&world, "attempt_number_mapping.csv changed since the run began").await;
    world.write_mapping(&rows.map(|(attempt, _)| (attempt, "24_01", "Attempt 1")));
    let settings = world.settings.clone();
    world.settings.shards = 3;
    check(&world, "the number of shards changed since the run began (from 1 to 3)").await;
    world.settings = settings.clone();
    world.settings.rules.unit_versions = vec!["25".into()];
    check(&world, "the setting unit-versions changed since the run began (from 24,25 to 25)").await;
    world.settings = settings.clone();
    world.settings.organisation.consumer_key = "secret-looking".into();
    check(&world, "the setting consumer-key changed").await;
    assert!(!world.make().await.unwrap_err().message.contains("secret-looking"));
    world.settings = settings.clone();
    world.settings.trial.limit = Some(2);
    check(&world, "the trial (--limit, --attempts) changed since the run began (from all rows to --limit 2)")
        .await;
    world.settings = settings;
    world.target.database = "elsewhere".into();
    check(&world, "the target database changed since the run began (from app to elsewhere)").await;
    world.target.database = "app".into();
    world.warehouse.shape.description = "folder".into();
    check(&world, "the warehouse changed").await;
}

#[tokio::test]
async fn a_target_without_the_rows_that_were_recorded_is_another_database() {
    let mut world = five();
    world.make().await.unwrap();
    world
        .documents
        .put_text("trial/segments/0/aaaaaaaaaaaa-00000000.jsonl", &fakes::segment(&["rogo_1_a", "rogo_2_b"]));
    world.target.launch_ids = vec!["rogo_1_a".into(), "rogo_2_b".into()];
    world.make().await.unwrap();
    world.target.launch_ids = vec!["rogo_1_a".into()];
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(
        stop.message.contains("1 of 2 looked-up rows") && stop.message.contains("another database"),
        "{stop}"
    );
}

#[tokio::test]
async fn a_rolled_back_run_is_refused() {
    let world = five();
    world.documents.put_text("trial/rolled-back.json", "{}");
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(stop.message.contains("run trial was rolled back; start a run with another name"), "{stop}");
    assert_eq!(world.rehearse().await.unwrap_err().exit, Exit::Configuration);
}

#[tokio::test]
async fn inputs_at_fault_are_refused_with_65_and_told_to_waiting_shards() {
    let world = five();
    std::fs::write(world.path("submission_files.csv"), "Attempt ID\n1\n").unwrap();
    world.check_refused(Exit::DataRefused, &["submission_files.csv, line 1", "\"Surname\""]).await;
    world.write_submissions(&[]);
    world.check_refused(Exit::DataRefused, &["submission_files.csv holds a header and no rows"]).await;
    world.write_submissions(&[("1", "")]);
    world.write_mapping(&[]);
    world.check_refused(Exit::DataRefused, &["attempt_number_mapping.csv holds a header and no rows"]).await;
    std::fs::remove_file(world.path("attempt_number_mapping.csv")).unwrap();
    world.check_refused(Exit::Usage, &["attempt_number_mapping.csv cannot be read", "--mapping"]).await;
}

#[tokio::test]
async fn a_plan_that_succeeds_removes_its_refusal() {
    let world = five();
    world.write_submissions(&[]);
    world.make().await.unwrap_err();
    world.write_submissions(&[("1", "")]);
    world.make().await.unwrap();
    assert_eq!(world.store().refusal("0").await.unwrap(), None);
}

#[tokio::test]
async fn every_reason_that_stops_a_run_is_told_at_once() {
    let mut world = five();
    world.target.preflight = vec!["table submission_files is missing".into()];
    world.warehouse.fault = Some(FaultKind::Denied);
    world.files.fault.lock().unwrap().replace(FaultKind::NotFound);
    let words = ["table submission_files is missing", "warehouse: no", "target blobs: no"];
    world.check_refused(Exit::Configuration, &words).await;
    assert_eq!(world.target.asked(), 5 * 3, "one process × workers × pool");
}

#[tokio::test]
async fn beside_a_plan_that_stands_all_is_checked_but_room_for_connections() {
    let mut world = five();
    world.make().await.unwrap();
    let writes = world.files.writes();
    world.target.preflight = vec!["a pooler stands before the database".into()];
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert_eq!(stop.message, "target database: a pooler stands before the database");
    assert_eq!(world.store().refusal("0").await.unwrap().unwrap().reasons, [stop.message]);
    assert_eq!(world.rehearse().await.unwrap_err().exit, Exit::Configuration);
    world.target.preflight = Vec::new();
    world.warehouse.shape.max_connections = Some(1);
    assert_eq!(world.make().await.unwrap().state, PlanState::Stood);
    assert_eq!((world.target.asked(), world.files.writes()), (0, writes));
}

#[tokio::test]
async fn what_may_pass_by_itself_is_75_and_no_refusal() {
    let mut world = five();
    world.warehouse.fault = Some(FaultKind::Unavailable);
    assert_eq!(world.make().await.unwrap_err().exit, Exit::Temporary);
    assert!(world.documents.names().is_empty());
}

#[tokio::test]
async fn too_few_warehouse_connections_are_refused() {
    let mut world = five();
    world.warehouse.shape.max_connections = Some(14);
    world.check_refused(Exit::Configuration, &["allows 14 connections and the run would open 15"]).await;
}

#[tokio::test]
async fn a_warehouse_that_holds_each_process_to_a_few_connections_is_counted_so() {
    let mut world = five();
    world.settings.shards = 8;
    world.settings.parallelism = 7;
    world.warehouse.shape.connections_per_process = Some(2);
    world.make().await.unwrap();
    world.settings.run = "second".into();
    world.warehouse.shape.max_connections = Some(14);
    world.make().await.unwrap();
    world.settings.run = "third".into();
    world.warehouse.shape.max_connections = Some(13);
    let refused = world.make().await.unwrap_err();
    assert!(refused.message.contains("allows 13 connections and the run would open 14"), "{refused}");
}

#[tokio::test]
async fn a_warehouse_without_any_report_is_another_one() {
    let mut world = five();
    world.warehouse.empty = true;
    world.check_refused(Exit::Configuration, &["none of the newest 5 eligible rows has a report"]).await;
}

#[tokio::test]
async fn facts_of_rows_that_are_not_eligible_prove_no_warehouse() {
    let mapping = &[("1", "21_01", "Attempt 1"), ("2", "24_01", "Attempt 1")];
    let mut world = World::new(&[("1", ""), ("2", "")], mapping);
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = vec![(1, "a grade")];
    world.check_refused(Exit::Configuration, &["none of the newest 1 eligible rows has a report"]).await;
    world.warehouse.scanned = vec![(2, "a grade")];
    world.make().await.unwrap();
}

#[tokio::test]
async fn a_missing_file_stops_nothing_but_a_source_that_denies_all_does() {
    let url = "https://rogo.blob.example/files/a.docx, https://rogo.blob.example/files/b.docx";
    let mut world =
        World::new(&[("1", url), ("2", url)], &[("1", "24", "Attempt 1"), ("2", "24", "Attempt 1")]);
    world.source.fault = Some(FaultKind::Denied);
    world.check_refused(Exit::Configuration, &["source blobs: no"]).await;
    world.source.fault = Some(FaultKind::NotFound);
    world.make().await.unwrap();
}

#[tokio::test]
async fn a_file_that_its_server_cannot_give_stops_nothing_while_it_gives_another() {
    let [broken, sound, alone] = [
        "https://rogo.blob.example/files/broken.docx",
        "https://rogo.blob.example/files/sound.docx",
        "https://rogo.blob.example/files/broken.pdf",
    ];
    let mapping = &[("1", "24", "Attempt 1"), ("2", "24", "Attempt 1")];
    for (urls, ends) in [([broken, sound], None), ([broken, alone], Some(Exit::Temporary))] {
        let mut world = World::new(&[("1", urls[1]), ("2", urls[0])], mapping);
        world.source = FakeSource { fault: Some(FaultKind::Unavailable), only: "broken" };
        assert_eq!(world.make().await.err().map(|stop| stop.exit), ends, "{urls:?}");
    }
}

#[tokio::test]
async fn a_rehearsal_writes_nothing_anywhere() {
    let mut world = five();
    let report = world.rehearse().await.unwrap();
    assert_eq!(report.state, PlanState::Rehearsed);
    assert_eq!(report.plan.shards[0].rows, 5);
    world.warehouse.empty = true;
    assert_eq!(world.rehearse().await.unwrap_err().exit, Exit::Configuration);
    assert!(world.documents.names().is_empty());
    assert_eq!((world.documents.writes(), world.files.writes()), (0, 0));
}

#[tokio::test]
async fn a_trial_takes_the_newest_rows_and_says_what_it_leaves_out() {
    let mut world = five();
    world.settings.trial.limit = Some(2);
    let report = world.make().await.unwrap();
    assert_eq!(numbers(&world.queue(&report.plan, 0).await), [5, 4]);
    assert_eq!((report.plan.rows, report.plan.rows_left_out), (2, 3));
    assert!(report.lines().iter().any(|line| line.contains("3 rows, by --limit 2")));
}

#[tokio::test]
async fn a_trial_of_attempts_takes_exactly_them() {
    let mut world = World::new(
        &[("1", ""), ("x", ""), ("2", ""), ("1", ""), ("3", "")],
        &[("1", "24_01", "Attempt 1"), ("2", "24_01", "Attempt 1")],
    );
    let ids = world.path("ids.txt");
    std::fs::write(&ids, "\u{feff}3\r\n\r\n 001 \n1\n").unwrap();
    world.settings.trial.attempts = Some(ids.clone());
    let report = world.make().await.unwrap();
    let rows = world.queue(&report.plan, 0).await;
    assert_eq!(numbers(&rows), [5, 4, 1]);
    assert_eq!(rows[2].newer_row, Some(4));
    assert_eq!(report.plan.rows_left_out, 2);
}

#[tokio::test]
async fn an_attempts_file_that_cannot_be_meant_is_refused_with_64() {
    for (text, words) in [
        ("1\n12x\n", "line 2: not a whole number"),
        ("-1", "line 1: not a whole number"),
        ("1,2", "line 1: not a whole number"),
        ("\n \n", "names no attempt id"),
        ("1\n77\n88\n", "2 attempt ids that no row of submission_files.csv has: 77, 88"),
    ] {
        let mut world = five();
        std::fs::write(world.path("ids.txt"), text).unwrap();
        world.settings.trial.attempts = Some(world.path("ids.txt"));
        world.check_refused(Exit::Usage, &["--attempts", words]).await;
    }
    let mut world = five();
    world.settings.trial.attempts = Some(world.path("none.txt"));
    world.check_refused(Exit::Usage, &["none.txt"]).await;
    world.settings.trial = rogo_migrate::settings::Trial { limit: Some(0), attempts: None };
    world.check_refused(Exit::Usage, &["--limit 0"]).await;
}

#[tokio::test]
async fn facts_files_follow_their_queues() {
    let mut world = World::new(
        &[("1", ""), ("2", ""), ("3", ""), ("1", ""), ("x", ""), ("5", ""), ("6", "")],
        &[("1", "24_01", "Attempt 1")],
    );
    world.settings.shards = 2;
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned =
        vec![(6, "six"), (1, "one"), (3, "three"), (99, "other"), (1, "one more"), (2, "two")];
    world.target.launch_ids = vec!["rogo_3_x".into()];
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
    assert!(zero.of(attempt(3)).await.is_err(), "a held attempt has no facts");
}

#[tokio::test]
async fn facts_of_many_rows_in_any_order_reach_their_rows() {
    let ids: Vec<String> = (1..=10_000).map(|number| number.to_string()).collect();
    let rows: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "")).collect();
    let mut world = World::new(&rows, &[("1", "24_01", "Attempt 1")]);
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
async fn a_queue_that_was_changed_cut_or_lost_is_refused() {
    let world = five();
    let plan = world.make().await.unwrap().plan;
    let (store, name) = (world.store(), format!("trial/{}", names::queue(&plan.id, ShardIndex(0))));
    let whole = world.documents.text(&name);
    for (changed, words) in [
        (whole.replacen("a@b.example", "c@d.example", 1), "not what was written"),
        (whole.split_inclusive('\n').take(4).collect(), "not what was written"),
        (whole.trim_end().to_owned(), "not what was written"),
        (whole.replacen("\"number\":4", "\"number\":\"4\"", 1), "line 2: not what was written"),
    ] {
        world.documents.put_text(&name, &changed);
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
    *world.documents.puts_left.lock().unwrap() = Some(2);
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary, "{stop}");
    assert_eq!(world.documents.names(), [""; 0]);
    *world.documents.puts_left.lock().unwrap() = None;
    world.make().await.unwrap();
}

#[tokio::test]
async fn an_input_may_be_a_blob() {
    let world = five();
    let blobs: Arc<dyn Blobs> = Arc::clone(&world.documents) as Arc<dyn Blobs>;
    let bytes = std::fs::read(world.path("submission_files.csv")).unwrap();
    blobs.put("in/rows.csv", bytes.into(), &PutOptions::create("text/csv")).await.unwrap();
    let mut inputs = world.inputs();
    inputs.submissions = InputSource::Blob { blobs: Arc::clone(&blobs), name: "in/rows.csv".into() };
    let store = world.store();
    let report = plan::make(&world.settings, world.services(&inputs, &store)).await.unwrap();
    assert_eq!(report.plan.rows, 5);
    assert_eq!(report.plan.submissions.location, "az://runs/in/rows.csv");
    inputs.submissions = InputSource::Blob { blobs, name: "in/none.csv".into() };
    let stop = plan::make(&world.settings, world.services(&inputs, &store)).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Usage);
    assert!(stop.message.contains("az://runs/in/none.csv cannot be read: there is no such blob"), "{stop}");
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

/// Reports whose grade is the given text.
pub fn report(grade: &str) -> Report {
    Report { grade: Value::Text(grade.into()), ..Report::default() }
}
