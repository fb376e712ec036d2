//! Promises of the plan: what it writes, what it refuses, and that it never changes its mind.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test ends at the first surprise, and its tables are long"
)]

mod numbers;
mod queues;
mod facts;
mod preflight;
mod trial;
mod heartbeat;
mod side_by_side;
mod waited;

use std::{path::PathBuf, sync::Arc};

use rogo_migrate::{
    domain::{AttemptId, MAPPING_COLUMNS, QueuedRow, SUBMISSION_COLUMNS, ShardIndex},
    exit::{Exit, Stop},
    inputs::{InputSource, Inputs},
    plan::{self, PlanReport, PlanState, Progress, Services},
    ports::Service,
    run::{Plan, RunStore, queue::QueueReader},
    settings::Settings,
};
use tempfile::TempDir;

use crate::support::{
    fakes::{InMemoryBlobs, InMemorySource, InMemoryTarget, InMemoryWarehouse, Journal},
    settings::settings,
    world::{migrated, segment},
};

/// One run's world: inputs on disk, services in memory.
struct World {
    folder: TempDir,
    settings: Settings,
    warehouse: InMemoryWarehouse,
    source: InMemorySource,
    files: InMemoryBlobs,
    target: InMemoryTarget,
    documents: InMemoryBlobs,
    progress: Progress,
}

impl World {
    /// `rows` of (attempt id, learner blob URL), oldest first; `mapping` of (attempt id, version, submission).
    fn new(rows: &[(&str, &str)], mapping: &[(&str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::default();
        let world = Self {
            settings: settings(folder.path()),
            warehouse: InMemoryWarehouse::cheap(),
            source: InMemorySource::default(),
            files: InMemoryBlobs::new("migrated", Service::TargetBlobs, journal.clone()),
            target: InMemoryTarget::new(journal.clone()),
            documents: InMemoryBlobs::new("runs", Service::RunStore, journal),
            progress: Progress::default(),
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
        RunStore::new(Arc::new(self.documents.clone()), &self.settings.run)
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            submissions: InputSource::File(self.path("submission_files.csv")),
            mapping: InputSource::File(self.path("attempt_number_mapping.csv")),
            encoding: None,
            dialect: self.settings.inputs.dialect.clone(),
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
            traceparent: None,
            progress: &self.progress,
            shelf: None,
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
        let refusal = self.store().refusal(&"0".parse().unwrap()).await.unwrap().unwrap();
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
async fn a_second_plan_of_the_same_inputs_changes_nothing() {
    let world = five();
    let first = world.make().await.unwrap();
    let before = world.documents.contents();
    world.target.hold(&["rogo_5_1"]);
    let second = world.make().await.unwrap();
    assert_eq!((second.state, &second.plan), (PlanState::Stood, &first.plan));
    // By that a person sees that the database is the wrong one, or was restored to an earlier day.
    let held = |report: &PlanReport, words: &str| {
        assert!(report.lines()[0].ends_with(words), "{:?}", report.lines());
    };
    held(&first, ", and holds 0 submissions already");
    held(&second, ", and holds 1 submissions already");
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
        let refusal = world.store().refusal(&"0".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(refusal.reasons.join("\n"), stop.message);
        assert!(world.store().plan().await.unwrap().is_some(), "the plan still stands");
    };
    world.write_submissions(&[("1", "")]);
    check(&world, "submission_files.csv changed since the run began").await;
    let rows = ["1", "2", "3", "4", "5"].map(|attempt| (attempt, ""));
    world.write_submissions(&rows);
    world.make().await.unwrap();
    assert_eq!(world.store().refusal(&"0".parse().unwrap()).await.unwrap(), None, "all is as it was");
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
    check(
        &world,
        "the target database changed since the run began (its name is elsewhere, the plan's was memory)",
    )
    .await;
    world.target.database = "memory".into();
    world.warehouse.shape.description = "folder".into();
    check(&world, "the warehouse changed").await;
}

#[tokio::test]
async fn a_target_without_most_of_the_rows_that_were_recorded_is_another_database() {
    let world = five();
    let plan = world.make().await.unwrap().plan;
    let outcomes = [migrated(1, 0), migrated(2, 0), migrated(3, 0)];
    world.documents.insert("trial/segments/0/aaaaaaaaaaaa-00000000.jsonl", segment(&plan.id, 0, &outcomes));
    world.target.hold(&["rogo_1_x", "rogo_2_x", "rogo_3_x"]);
    world.make().await.unwrap();
    world.target.lose("rogo_1_x");
    world.make().await.unwrap();
    world.target.lose("rogo_2_x");
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(
        stop.message.contains("2 of 3 looked-up rows") && stop.message.contains("another database"),
        "{stop}"
    );
}

#[tokio::test]
async fn a_plan_of_another_format_is_refused_in_a_sentence() {
    let world = five();
    world.make().await.unwrap();
    let text = world.documents.text("trial/plan.json").unwrap();
    for (other, found) in [("", "names no format"), ("\"format\": 1,", "has format 1")] {
        world.documents.insert("trial/plan.json", text.replace("\"format\": 2,", other));
        let stop = world.make().await.unwrap_err();
        assert_eq!(stop.exit, Exit::Configuration);
        assert!(stop.message.contains(found) && stop.message.contains("another name (--run)"), "{stop}");
    }
}

#[tokio::test]
async fn a_rolled_back_run_is_refused() {
    let world = five();
    world.documents.insert("trial/rolled-back.json", "{}");
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
    assert_eq!(world.store().refusal(&"0".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn the_digest_of_the_consumer_key_differs_from_plan_to_plan() {
    let mut world = five();
    let first = world.make().await.unwrap().plan;
    world.settings.run = "second".parse().unwrap();
    let second = world.make().await.unwrap().plan;
    assert_ne!(first.settings["consumer-key"], second.settings["consumer-key"]);
    assert_eq!(first.settings["lms-name"], second.settings["lms-name"]);
}

#[tokio::test]
async fn of_two_different_plans_at_once_one_stands_and_the_other_is_refused() {
    let (world, mut other) = (five(), five());
    other.documents = world.documents.clone();
    other.settings.organisation.lms_name = "Other".into();
    let (a, b) = tokio::join!(world.make(), other.make());
    let refused: Vec<Stop> = [a.err(), b.err()].into_iter().flatten().collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].exit, Exit::Configuration);
    assert!(refused[0].message.contains("the setting lms-name changed"), "{}", refused[0]);
}
