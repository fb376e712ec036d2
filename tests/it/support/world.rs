//! A planned run in memory: its documents, its services, and outcomes to record in it.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use rogo_migrate::{
    domain::{
        AttemptFacts, Books, Facts, FailCode, Fate, InputDigest, Migrated, Outcome, QueuedRow, ShardIndex,
        SkipCode, shard_of,
    },
    exit::Stop,
    finalize::{FinalizeContext, Finalized, InputRow, InputRows, PublishSummary, books::Totals, finalize},
    inputs::InputCell,
    ports::{Blobs, Fault, Service, TargetWriter},
    report::{events::Events, observed::Observed},
    run::{
        DoneMarker, Plan, PlanId, RowSet, RunName, RunStore, Work,
        lock::{LockedRun, Quiet},
        names,
        pins::Loss,
        segments::{SegmentDraft, recorded, segments},
    },
    shard::{
        self, ShardInputs, WorkerServices,
        copy::{Budget, Copier},
        in_flight::InFlight,
        pace::Pace,
        record::Recorder,
    },
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub use super::plans::{instant, plan};
use super::{
    fakes::{
        InMemoryBlobs, InMemoryFence, InMemorySource, InMemoryTarget, InMemoryWarehouse, Journal, attempt,
    },
    rows::Case,
};

/// Two writers that the tests write as.
pub const TRY_A: &str = "aaaaaaaaaaaa";
pub const TRY_B: &str = "bbbbbbbbbbbb";
/// The longest time between an outcome and its segment.
pub const FLUSH: Duration = Duration::from_secs(10);

pub struct World {
    pub journal: Journal,
    pub run_blobs: InMemoryBlobs,
    pub store: RunStore,
    pub files: InMemoryBlobs,
    pub target: InMemoryTarget,
    pub fence: InMemoryFence,
    pub source: InMemorySource,
    pub warehouse: InMemoryWarehouse,
    pub plan: Plan,
    pub csv: String,
    pub out: TempDir,
    out_path: PathBuf,
    /// What the moving of shards tells is told here too.
    pub events: Events,
}

impl World {
    /// A run over so many rows, its queues written; row n is attempt n.
    pub fn new(rows: u64, shards: u32) -> Self {
        let mut csv = String::from("Attempt ID,Surname,Error\n");
        for row in 1..=rows {
            writeln!(csv, "{row},Name {row},").unwrap();
        }
        Self::of_csv(csv, rows, shards)
    }

    /// A run over this input.
    pub fn of_csv(csv: String, rows: u64, shards: u32) -> Self {
        let journal = Journal::default();
        let run_blobs = InMemoryBlobs::new("run", Service::RunStore, journal.clone());
        let submissions = InputDigest {
            location: "submission_files.csv".into(),
            sha256: sha256(csv.as_bytes()),
            size_bytes: csv.len() as u64,
            rows,
        };
        let mut plan = plan(submissions, shards);
        let mut queues: BTreeMap<ShardIndex, String> =
            (0..shards).map(|i| (ShardIndex(i), String::new())).collect();
        for (place, number) in (1..=rows).rev().enumerate() {
            let queue = queues.get_mut(&shard_of(place as u64, shards)).unwrap();
            writeln!(queue, "{}", serde_json::to_string(&queued(number)).unwrap()).unwrap();
        }
        for (shard, queue) in queues {
            plan.shards[shard.0 as usize].queue_sha256 = sha256(queue.as_bytes());
            run_blobs.insert(&format!("rogo/{}", names::queue(&plan.id, shard)), queue);
            run_blobs.insert(&format!("rogo/{}", names::facts(&plan.id, shard)), "{}\n");
        }
        let out = tempfile::tempdir().unwrap();
        Self {
            out_path: out.path().to_owned(),
            events: Events::default(),
            out,
            store: RunStore::new(Arc::new(run_blobs.clone()), &RunName::default()),
            files: InMemoryBlobs::new("files", Service::TargetBlobs, journal.clone()),
            target: InMemoryTarget {
                catalogue: Case::good().catalogue,
                ..InMemoryTarget::new(journal.clone())
            },
            source: InMemorySource::default(),
            warehouse: InMemoryWarehouse { facts: Case::good().facts, ..InMemoryWarehouse::cheap() },
            fence: InMemoryFence::new(journal.clone()),
            journal,
            run_blobs,
            plan,
            csv,
        }
    }

    /// Puts these facts of each row into a facts file of shard 0, the only one.
    pub fn with_facts_file(mut self, facts: &Facts) -> Self {
        let rows = self.plan.shards[0].rows;
        let line = |row: u64| {
            let attempt = attempt(i32::try_from(row).unwrap());
            serde_json::to_string(&AttemptFacts { attempt, facts: facts.clone() }).unwrap() + "\n"
        };
        let lines: String = (1..=rows).rev().map(line).collect();
        self.plan.shards[0].facts_sha256 = Some(sha256(lines.as_bytes()));
        self.run_blobs.insert(&format!("rogo/{}", names::facts(&self.plan.id, ShardIndex(0))), lines);
        self
    }

    /// The shard that a row belongs to.
    pub fn shard(&self, row: u64) -> ShardIndex {
        shard_of(self.plan.submissions.rows - row, u32::try_from(self.plan.shards.len()).unwrap())
    }

    /// Records outcomes, each in its row's shard, as process `writer`.
    pub async fn record(&self, writer: &str, outcomes: &[Outcome]) {
        let mut recorders = BTreeMap::new();
        for outcome in outcomes {
            if let Fate::Migrated(migrated) = &outcome.fate {
                self.target.hold(&[&migrated.launch_id]);
            }
            let shard = self.shard(outcome.row);
            let recorder = recorders.entry(shard).or_insert_with(|| self.recorder(shard, writer));
            recorder.push(outcome).unwrap();
        }
        for recorder in recorders.values_mut() {
            recorder.flush().await.unwrap();
        }
    }

    /// A recorder of process `writer` in the shard.
    pub fn recorder(&self, shard: ShardIndex, writer: &str) -> Recorder {
        Recorder::new(self.store.clone(), &self.plan.id, shard, &writer.parse().unwrap(), FLUSH)
    }

    /// Marks the shard as done.
    pub fn mark_done(&self, shard: u32) {
        let marker = DoneMarker {
            plan: self.plan.id.clone(),
            shard: ShardIndex(shard),
            writer: TRY_A.parse().unwrap(),
            books: Books::default(),
            at: instant(0),
            work: Work::default(),
            violations: BTreeMap::new(),
            breaker_opened: None,
        };
        let text = serde_json::to_vec(&marker).unwrap();
        self.run_blobs.insert(&format!("rogo/done/{shard}.json"), text);
    }

    /// Registers a writer, clean or not.
    pub fn register(&self, writer: &str) {
        self.run_blobs.insert(&format!("rogo/writers/{writer}.json"), "{}");
    }

    /// Makes this the out folder.
    pub fn set_out(&mut self, path: PathBuf) {
        self.out_path = path;
    }

    /// Copies from the world's source to its files.
    pub fn copier(&self) -> Copier {
        let (files, source) = (Arc::new(self.files.clone()), Arc::new(self.source.clone()));
        Copier::new(files, source, Budget::new(), Arc::new(self.target.clone()))
    }

    /// What process `writer` moves a shard with: one worker, as its settings' defaults say.
    pub async fn inputs(&self, shard: ShardIndex, writer: &str) -> ShardInputs {
        let good = Case::good();
        let stop = CancellationToken::new();
        let ending = stop.child_token();
        let rows = self.plan.shards[shard.0 as usize].rows;
        let recorded = recorded(&self.store, &self.plan, shard).await.unwrap();
        let target: Arc<dyn TargetWriter> = Arc::new(self.target.clone());
        let files: Arc<dyn Blobs> = Arc::new(self.files.clone());
        let observed = Observed::new(rows, &self.events);
        let worker = WorkerServices {
            target: target.clone(),
            warehouse: Some(Arc::new(self.warehouse.clone())),
            target_blobs: files,
            copier: self.copier().telling(&observed.events),
        };
        ShardInputs {
            store: self.store.clone(),
            plan: Arc::new(self.plan.clone()),
            index: shard,
            writer: writer.parse().unwrap(),
            epoch: "0".parse().unwrap(),
            rules: good.config,
            catalogue: Arc::new(self.target.catalogue.clone().into()),
            workers: vec![worker],
            in_flight: InFlight::new(None, 1, u64::MAX),
            flush: Duration::from_secs(10),
            breaker: Some(0.05),
            guard: None,
            pace: Arc::new(Pace::new(Duration::from_mins(15), ending.clone()).telling(&observed.events)),
            observed: Arc::new(observed),
            recorded,
            lost: RowSet::new(0),
            stop,
            ending,
        }
    }

    /// Moves shard 0 as process `writer`, which is registered.
    pub async fn move_shard(&self, writer: &str) -> Result<(), Stop> {
        self.register(writer);
        shard::run(self.inputs(ShardIndex(0), writer).await).await
    }

    /// The outcomes that are recorded of shard 0, by row.
    pub async fn outcomes(&self) -> BTreeMap<u64, Fate> {
        let read = self.read_segments(ShardIndex(0)).await.unwrap();
        read.into_iter().map(|outcome| (outcome.row, outcome.fate)).collect()
    }

    /// Every outcome of the shard, in the order in which they were recorded.
    pub async fn read_segments(&self, shard: ShardIndex) -> Result<Vec<Outcome>, Fault> {
        let mut outcomes = Vec::new();
        let mut found = segments(&self.store, &self.plan, Some(shard));
        while let Some(segment) = found.try_next().await? {
            for outcome in segment.outcomes() {
                outcomes.push(outcome?);
            }
        }
        Ok(outcomes)
    }

    pub async fn finalize(&self) -> Result<Totals, Stop> {
        let (totals, quiet) = self.merge().await?;
        quiet.end().await;
        Ok(totals)
    }

    /// Finalizes, and holds the run's lock on.
    pub async fn merge(&self) -> Result<(Totals, Quiet), Stop> {
        let files: Arc<dyn Blobs> = Arc::new(self.files.clone());
        let open_input = || {
            let input: Box<dyn InputRows> = Box::new(CsvText::new(&self.csv));
            Box::pin(async { Ok(input) }) as futures_util::future::BoxFuture<'_, _>
        };
        let context = FinalizeContext {
            run: self.locked(),
            files: &files,
            open_input: &open_input,
            out: Some(&self.out_path),
            accept: None,
            events: &self.events,
        };
        let Finalized { totals, quiet, .. } = finalize(&context, &Swept(self.store.clone())).await?;
        Ok((totals, quiet))
    }

    /// The run, for whatever takes its lock.
    pub fn locked(&self) -> LockedRun<'_> {
        LockedRun {
            store: &self.store,
            plan: &self.plan,
            target: &self.target,
            fence: &self.fence,
            deadline: Duration::from_secs(1),
            loss: Loss::Unexpected,
        }
    }

    /// Puts a segment with these outcomes into the run store, as writer A of `plan` would have written it.
    pub fn put_segment(&self, plan: &str, shard: u32, outcomes: &[Outcome]) {
        let name = format!("rogo/segments/{shard}/{TRY_A}-00000000.jsonl");
        self.run_blobs.insert(&name, segment(&plan.parse().unwrap(), shard, outcomes));
    }

    /// A result, which must be the same in the run store and in the out folder.
    pub fn result(&self, file: &str) -> String {
        let stored = self.run_blobs.text(&format!("rogo/results/{file}")).unwrap();
        assert_eq!(std::fs::read_to_string(self.out.path().join(file)).unwrap(), stored);
        stored
    }

    /// Every result by name.
    pub fn results(&self) -> Vec<(String, String)> {
        let names = self.run_blobs.names().into_iter().filter(|name| name.starts_with("rogo/results/"));
        names.map(|name| (name.clone(), self.run_blobs.text(&name).unwrap())).collect()
    }
}

/// The summary of a test: how many blobs were removed, and whether that is still going on.
struct Swept(RunStore);

#[async_trait]
impl PublishSummary for Swept {
    type Published = ();

    async fn publish(&self, totals: &Totals) -> Result<(), Stop> {
        let summary = serde_json::json!({ "removed": totals.orphans.blobs, "sweeping": totals.sweeping });
        Ok(self.0.replace(&names::result(names::SUMMARY), &summary).await?)
    }
}

/// The good row as attempt `number`, in row `number`.
pub fn queued(number: u64) -> QueuedRow {
    let attempt = attempt(i32::try_from(number).unwrap());
    let mut row = Case::good().row;
    row.cells.attempt_id = attempt.to_string();
    QueuedRow { number, attempt: Some(attempt), ..row }
}

/// A CSV held as text.
pub struct CsvText {
    header: Vec<String>,
    records: csv::StringRecordsIntoIter<std::io::Cursor<Vec<u8>>>,
    lines: Vec<String>,
    number: u64,
    sha256: String,
    ended: bool,
}

impl CsvText {
    pub fn new(csv: &str) -> Self {
        let mut reader = csv::Reader::from_reader(std::io::Cursor::new(csv.as_bytes().to_vec()));
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let (lines, sha256) = (csv.lines().map(str::to_owned).collect(), sha256(csv.as_bytes()));
        Self { header, records: reader.into_records(), lines, number: 0, sha256, ended: false }
    }
}

#[async_trait]
impl InputRows for CsvText {
    fn encoding(&self) -> Option<&'static encoding_rs::Encoding> {
        None
    }

    fn header(&self) -> &[String] {
        &self.header
    }

    async fn next(&mut self) -> Result<Option<InputRow>, Stop> {
        self.number += 1;
        let record = self.records.next().transpose().unwrap();
        self.ended = record.is_none();
        let attempt_column = self.header.iter().position(|name| name == "Attempt ID");
        // Of a record that is one line.
        let line = usize::try_from(self.number).ok().and_then(|number| self.lines.get(number));
        let cell = |text: &str| InputCell {
            text: text.to_owned(),
            is_quoted: line.is_some_and(|line| line.contains(&format!("\"{text}\""))),
        };
        Ok(record.map(|record| InputRow {
            number: self.number,
            attempt: attempt_column.and_then(|column| record.get(column)?.parse().ok()),
            cells: record.iter().map(cell).collect(),
        }))
    }

    fn sha256(&self) -> Option<String> {
        self.ended.then(|| self.sha256.clone())
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

pub fn outcome(row: u64, second: i64, fate: Fate) -> Outcome {
    let attempt = Some(attempt(i32::try_from(row).unwrap()));
    Outcome {
        row,
        attempt,
        at: instant(second),
        worker: 1,
        milliseconds: 5,
        gather_ms: 0,
        source: None,
        fate,
    }
}

pub fn migrated(row: u64, second: i64) -> Outcome {
    let fate = Fate::Migrated(Migrated {
        launch_id: format!("rogo_{row}_x"),
        submission_id: format!("submission-{row}"),
        session_record_id: format!("session-{row}"),
        user_id: format!("guid::user-{row}"),
        context_id: format!("guid::section-{row}"),
        files: 3,
        bytes: 300,
        notes: Vec::new(),
        ..Migrated::default()
    });
    outcome(row, second, fate)
}

pub fn failed(row: u64, second: i64, code: FailCode) -> Outcome {
    outcome(row, second, Fate::Failed { code, message: format!("at {second}") })
}

pub fn skipped(row: u64, second: i64) -> Outcome {
    outcome(row, second, Fate::Skipped { code: SkipCode::DuplicateRow, detail: format!("at {second}") })
}

/// A segment of writer A with these outcomes.
pub fn segment(plan: &PlanId, shard: u32, outcomes: &[Outcome]) -> String {
    let mut draft = SegmentDraft::new(plan, ShardIndex(shard), &TRY_A.parse().unwrap());
    for outcome in outcomes {
        draft.push(outcome).unwrap();
    }
    String::from_utf8(draft.take().unwrap().to_vec()).unwrap()
}
