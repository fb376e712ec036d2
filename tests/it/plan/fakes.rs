//! The world of a plan, in memory.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use rogo_migrate::{
    domain::{
        AttemptId, Catalogue, FactRow, Facts, Fate, Migrated, Migration, Outcome, Report, Score, Value,
    },
    ports::{
        BlobInfo, BlobReader, Blobs, Committed, CopiedFile, CopyGrant, Existing, Fault, FaultKind,
        HeldSubmission, PutOptions, Service, Source, Stored, Target, Upload, Warehouse, WarehouseShape,
    },
    settings::{
        DatabaseAuth, DatabaseSettings, InputLocation, InputSettings, MarkerOnly, Organisation, Place,
        RuleSettings, Secret, Settings, SourceAuth, SourceSettings, Trial, WarehouseSettings, WorkSettings,
    },
};
use url::Url;

fn no(service: Service, kind: FaultKind) -> Fault {
    Fault::new(service, kind, "no")
}

#[derive(Default)]
pub struct MemoryBlobs {
    location: String,
    blobs: Mutex<BTreeMap<String, Bytes>>,
    writes: AtomicU32,
    pub fault: Mutex<Option<FaultKind>>,
    /// Puts that still succeed; `None` for all.
    pub puts_left: Mutex<Option<u32>>,
}

impl MemoryBlobs {
    pub fn new(location: &str) -> Self {
        Self { location: location.into(), ..Self::default() }
    }

    pub fn contents(&self) -> BTreeMap<String, Bytes> {
        self.blobs.lock().unwrap().clone()
    }

    pub fn names(&self) -> Vec<String> {
        self.contents().into_keys().collect()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.contents()[name].to_vec()).unwrap()
    }

    pub fn put_text(&self, name: &str, text: &str) {
        self.blobs.lock().unwrap().insert(name.into(), Bytes::from(text.to_owned()));
    }

    /// Everything that would change the place, its check included.
    pub fn writes(&self) -> u32 {
        self.writes.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    async fn check(&self) -> Result<(), Fault> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.fault.lock().unwrap().clone().map_or(Ok(()), |kind| Err(no(Service::TargetBlobs, kind)))
    }

    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if let Some(left) = self.puts_left.lock().unwrap().as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| no(Service::RunStore, FaultKind::Unavailable))?;
        }
        let mut blobs = self.blobs.lock().unwrap();
        if options.existing == Existing::Keep && blobs.contains_key(name) {
            return Err(no(Service::RunStore, FaultKind::Exists));
        }
        let size_bytes = bytes.len() as u64;
        blobs.insert(name.into(), bytes);
        Ok(Stored { size_bytes, md5: None })
    }

    async fn upload(&self, _: &str, _: &PutOptions) -> Result<Box<dyn Upload>, Fault> {
        Err(no(Service::RunStore, FaultKind::Unsupported))
    }

    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        tokio::task::yield_now().await;
        self.put(name, std::fs::read(path).unwrap().into(), options).await
    }

    async fn copy_from(&self, _: &CopyGrant, _: &BlobInfo, _: &str, _: &PutOptions) -> Result<Stored, Fault> {
        Err(no(Service::RunStore, FaultKind::Unsupported))
    }

    /// In pieces of 7 bytes, so that no reader depends on whole ones.
    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        let Some(bytes) = self.contents().remove(name) else { return Ok(None) };
        let pieces: Vec<_> = bytes.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let info = BlobInfo { name: name.into(), size_bytes: bytes.len() as u64, ..BlobInfo::default() };
        Ok(Some(BlobReader { info, body: stream::iter(pieces).boxed() }))
    }

    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        Ok(self.get(name).await?.map(|reader| reader.info))
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>> {
        let names: Vec<_> = self.names().into_iter().filter(|name| name.starts_with(prefix)).collect();
        stream::iter(names).map(|name| Ok(BlobInfo { name, ..BlobInfo::default() })).boxed()
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Fault> {
        let mut blobs = self.blobs.lock().unwrap();
        for name in names {
            blobs.remove(name);
        }
        Ok(())
    }
}

pub struct FakeWarehouse {
    pub shape: WarehouseShape,
    pub fault: Option<FaultKind>,
    pub empty: bool,
    pub scanned: Vec<(i32, &'static str)>,
    /// Marks and scores of attempts, scanned after those.
    pub marks: Vec<(i32, f64)>,
}

impl FakeWarehouse {
    pub fn cheap() -> Self {
        let shape = WarehouseShape {
            description: "warehouse".into(),
            rows: None,
            lookups_are_cheap: true,
            max_connections: None,
            connections_per_process: None,
        };
        Self { shape, fault: None, empty: false, scanned: Vec::new(), marks: Vec::new() }
    }
}

#[async_trait]
impl Warehouse for FakeWarehouse {
    async fn description(&self) -> Result<String, Fault> {
        self.shape().await.map(|shape| shape.description)
    }

    async fn shape(&self) -> Result<WarehouseShape, Fault> {
        self.fault.clone().map_or(Ok(self.shape.clone()), |kind| Err(no(Service::Warehouse, kind)))
    }

    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault> {
        let reports = if self.empty { Vec::new() } else { vec![report("Pass")] };
        Ok(attempts.iter().map(|_| Facts { reports: reports.clone(), scores: Vec::new() }).collect())
    }

    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        for (number, grade) in &self.scanned {
            let attempt = (*number).try_into().unwrap();
            each(vec![FactRow::Report(attempt, report(grade))])?;
            each(vec![FactRow::Score(attempt, Score::default())])?;
        }
        for (number, mark) in &self.marks {
            let (attempt, mark) = ((*number).try_into().unwrap(), Value::Number(*mark));
            let report = Report { marks_achieved: mark.clone(), ..report("Pass") };
            each(vec![FactRow::Report(attempt, report)])?;
            each(vec![FactRow::Score(attempt, Score { score: mark, ..Score::default() })])?;
        }
        Ok(())
    }
}

#[derive(Default)]
pub struct FakeSource {
    pub fault: Option<FaultKind>,
    /// Only files whose URL holds this meet the fault.
    pub only: &'static str,
}

#[async_trait]
impl Source for FakeSource {
    async fn get(&self, _: &Url) -> Result<BlobReader, Fault> {
        Err(no(Service::SourceBlobs, FaultKind::NotFound))
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        let fault = self.fault.clone().filter(|_| url.as_str().contains(self.only));
        fault.map_or(Ok(BlobInfo::default()), |kind| Err(no(Service::SourceBlobs, kind)))
    }

    async fn grant(&self, _: &Url) -> Result<Option<CopyGrant>, Fault> {
        Ok(None)
    }
}

pub struct FakeTarget {
    pub launch_ids: Vec<String>,
    pub preflight: Vec<String>,
    pub database: String,
    asked: AtomicU32,
}

impl Default for FakeTarget {
    fn default() -> Self {
        Self {
            launch_ids: Vec::new(),
            preflight: Vec::new(),
            database: "app".into(),
            asked: AtomicU32::new(0),
        }
    }
}

impl FakeTarget {
    /// Connections that the last pre-flight asked for.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Target for FakeTarget {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        Ok(Catalogue::default())
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        let held = launch_ids.iter().filter(|launch_id| self.launch_ids.contains(launch_id));
        let held = held
            .map(|launch_id| HeldSubmission { launch_id: launch_id.clone(), ..HeldSubmission::default() });
        Ok(held.collect())
    }

    async fn blob_names_of_writers(&self, _: &[String]) -> Result<HashSet<String>, Fault> {
        unreachable!("a plan sweeps nothing")
    }

    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<String>) + Send)) -> Result<(), Fault> {
        self.launch_ids.iter().for_each(|launch_id| each(vec![launch_id.clone()]));
        Ok(())
    }

    async fn preflight(&self, connections: u32) -> Result<Vec<String>, Fault> {
        self.asked.store(connections, Ordering::SeqCst);
        Ok(self.preflight.clone())
    }

    async fn database(&self) -> Result<String, Fault> {
        Ok(self.database.clone())
    }

    async fn prove_fence(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn commit(&self, _: &Migration, _: &[CopiedFile]) -> Result<Committed, Fault> {
        Err(no(Service::Database, FaultKind::Unsupported))
    }
}

/// A segment that records these launch ids as migrated.
pub fn segment(launch_ids: &[&str]) -> String {
    let outcome = |launch_id: &&str| Outcome {
        row: 1,
        attempt: None,
        at: chrono::DateTime::UNIX_EPOCH,
        worker: 1,
        milliseconds: 1,
        fate: Fate::Migrated(Migrated {
            launch_id: (*launch_id).into(),
            submission_id: String::new(),
            session_record_id: String::new(),
            user_id: String::new(),
            context_id: String::new(),
            files: 0,
            bytes: 0,
            notes: Vec::new(),
            ..Migrated::default()
        }),
    };
    launch_ids.iter().map(|id| serde_json::to_string(&outcome(id)).unwrap() + "\n").collect()
}

/// Settings of a run named `trial`, in one shard.
pub fn settings(folder: &Path) -> Settings {
    let input = |name: &str| InputLocation::Path(folder.join(name));
    Settings {
        inputs: InputSettings {
            submissions: input("submission_files.csv"),
            mapping: input("attempt_number_mapping.csv"),
            encoding: None,
        },
        warehouse: WarehouseSettings::Export(Place::Folder(folder.into())),
        database: DatabaseSettings { url: Secret::Value("unused".into()), auth: DatabaseAuth::Password },
        source: SourceSettings {
            allow: vec!["https://rogo.blob.example/files/".parse().unwrap()],
            auth: SourceAuth::Auto,
            connection_string: None,
        },
        target: Place::Folder(folder.into()),
        run_store: Place::Folder(folder.into()),
        account: rogo_migrate::settings::AccountSettings::default(),
        run: "trial".parse().unwrap(),
        epoch: "0".parse().unwrap(),
        out: folder.into(),
        organisation: Organisation {
            lms_instance: "3F2504E0-4F89-11D3-9A0C-0305E82C3301".into(),
            lms_name: "LMS".into(),
            return_url: "https://lms.example".into(),
            consumer_key: "key".into(),
        },
        rules: RuleSettings {
            unit_versions: vec!["24".into(), "25".into()],
            instruction_set: "AIS".into(),
            assignment_title: "Submission Area".into(),
            rule_owner: None,
            marker_only: MarkerOnly::Fail,
            warehouse_time_zone: chrono_tz::UTC,
        },
        trial: Trial::default(),
        shards: 1,
        parallelism: 1,
        shard: None,
        wait_plan: Duration::from_secs(1),
        work: WorkSettings {
            workers: 5,
            in_flight: None,
            pool: 3,
            warehouse_pool: 3,
            flush: Duration::from_secs(10),
            give_up_after: Duration::from_secs(1),
            breaker: None,
        },
        pod: rogo_migrate::settings::PodSettings::default(),
    }
}

/// Reports whose grade is the given text.
fn report(grade: &str) -> Report {
    Report { grade: Value::Text(grade.into()), ..Report::default() }
}
