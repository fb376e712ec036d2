//! The program as its user has it: the built binary, its environment, and real servers behind it.
#![allow(dead_code, reason = "tests and benchmark each use a part")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use azure_storage_blob::models::BlobClientSetPropertiesOptions;
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, TryStreamExt};
use rogo_migrate::{
    adapters::blobs,
    ports::{BlobInfo, Blobs, Service},
    sample::{self, SampleOptions},
    settings::{AccountSettings, Place, Secret},
};
use sqlx::{AssertSqlSafe, Executor};
use tokio::process::{Child, Command};

use super::{
    azurite::Azurite,
    postgres::{TestDatabase, TestServer},
    process,
    proxy::Proxy,
    results::RESULTS,
    tds::{self, TdsServer, data::Data},
};

/// Inputs of one generated sample, shared by every app that runs it.
pub struct Sample {
    pub folder: tempfile::TempDir,
    /// Source container, with the sample's files.
    pub source: String,
    pub tds: TdsServer,
}

/// One target: a database, a container, a run store and a folder for the results.
pub struct TestApp<'sample> {
    pub sample: &'sample Sample,
    pub database: TestDatabase,
    pub container: String,
    pub out: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Sample {
    /// Generates `rows` rows, uploads the files, starts a SQL Server with the facts.
    pub async fn new(rows: u64, seed: u64) -> Self {
        Self::with(rows, seed, |_| {}).await
    }

    /// The same with other options.
    pub async fn with(rows: u64, seed: u64, change: impl FnOnce(&mut SampleOptions)) -> Self {
        let azurite = Azurite::shared().await;
        let source = azurite.container().await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{}/{source}", azurite.endpoint()).parse().unwrap();
        let mut options = SampleOptions::new(rows, seed, folder.path().join("sample"));
        options.source_url = Some(url);
        change(&mut options);
        sample::generate(&options).unwrap();
        let sample = folder.path().join("sample");
        upload(azurite, &source, &sample).await;
        let data = Data::load(&sample.join("warehouse")).unwrap();
        let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
        Self { folder, source, tds }
    }

    /// The same with the source files in a folder of the sample, `files`.
    pub async fn in_folder(rows: u64, seed: u64, change: impl FnOnce(&mut SampleOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = SampleOptions::new(rows, seed, folder.path().join("sample"));
        change(&mut options);
        sample::generate(&options).unwrap();
        let data = Data::load(&folder.path().join("sample/warehouse")).unwrap();
        let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
        Self { folder, source: String::new(), tds }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("sample").join(name)
    }

    /// `files.csv`: path in the sample and name in the source container of every source file.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut reader = csv::Reader::from_path(self.path("files.csv")).unwrap();
        reader.records().map(Result::unwrap).map(|file| (file[0].to_owned(), file[1].to_owned())).collect()
    }

    /// `expected.csv`: what the generator promises of each row, by row number.
    pub fn expected(&self) -> BTreeMap<u64, Expected> {
        let mut reader = csv::Reader::from_path(self.path("expected.csv")).unwrap();
        let rows = reader.records().map(|row| {
            let row = row.unwrap();
            let notes = row[4].split_whitespace().map(str::to_owned).collect();
            (row[0].parse().unwrap(), Expected { kind: row[2].into(), code: row[3].into(), notes })
        });
        rows.collect()
    }
}

/// What the generator promises of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub kind: String,
    pub code: String,
    pub notes: Vec<String>,
}

impl<'sample> TestApp<'sample> {
    /// A target of its own, seeded, for a sample.
    pub async fn new(sample: &'sample Sample) -> Self {
        Self::on(sample, TestDatabase::new().await).await
    }

    /// The same, and no cluster of this machine's own has a say in it.
    pub async fn without_cluster(sample: &'sample Sample) -> Self {
        let mut app = Self::new(sample).await;
        app.set("KUBECONFIG", "/nonexistent");
        app
    }

    /// A target in this database, which is empty.
    pub async fn on(sample: &'sample Sample, database: TestDatabase) -> Self {
        let azurite = Azurite::shared().await;
        let seed = fs::read_to_string(sample.path("target/seed.sql")).unwrap();
        database.pool().execute(AssertSqlSafe(seed)).await.unwrap();
        database
            .run("update assignment_submissions set submitted_at = created_at, updated_at = created_at")
            .await;
        let container = azurite.container().await;
        let store = azurite.container().await;
        let out = tempfile::tempdir().unwrap();
        let text = |value: &str| value.to_owned();
        let environment = BTreeMap::from([
            (text("ROGO_SUBMISSIONS"), sample.path("submission_files.csv").display().to_string()),
            (text("ROGO_MAPPING"), sample.path("attempt_number_mapping.csv").display().to_string()),
            (text("DATA_WAREHOUSE_CONNECTION_STRING"), sample.tds.connection_string()),
            (text("DATABASE_URL"), database.url()),
            (text("ROGO_SOURCE_ALLOW"), format!("{}/{}", azurite.endpoint(), sample.source)),
            (text("SOURCE_STORAGE_CONNECTION_STRING"), azurite.connection_string()),
            (text("AZURE_STORAGE_CONNECTION_STRING"), azurite.connection_string()),
            (text("ROGO_TARGET"), format!("az://{container}")),
            (text("ROGO_RUN_STORE"), format!("az://{store}/runs")),
            (text("ROGO_OUT"), out.path().display().to_string()),
            (text("ROGO_LMS_INSTANCE"), sample::LMS_INSTANCE.to_owned()),
            (text("ROGO_LMS_NAME"), text("Example LMS")),
            (text("ROGO_RETURN_URL"), text("https://lms.example.org/course")),
            (text("ROGO_CONSUMER_KEY"), text("a-consumer-key")),
            (text("TMPDIR"), out.path().display().to_string()),
        ]);
        Self { sample, database, container, out, environment }
    }

    /// Sets a variable of every process that is started from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.into(), value.into());
    }

    /// From now on each process has one connection to the database, behind a delay: its commits wait for it together and share
    /// statements. Through this proxy, until it is dropped.
    pub async fn force_batches(&mut self) -> Proxy {
        let proxy = Proxy::start(TestServer::get().address()).await;
        proxy.delay(Duration::from_millis(20));
        self.set("DATABASE_URL", self.database.url_through(proxy.address()));
        self.share_one_connection();
        proxy
    }

    /// The connection of [`TestApp::force_batches`] alone, where the database stands behind a proxy already.
    pub fn share_one_connection(&mut self) {
        for (name, value) in [("ROGO_WORKERS", "1"), ("ROGO_POOL", "1"), ("ROGO_IN_FLIGHT", "16")] {
            self.set(name, value);
        }
    }

    /// From now on each submission takes the database so many seconds, whatever else the machine does, until
    /// [`TestApp::commit_at_once`].
    pub async fn commit_slowly(&self, seconds: &str) {
        let table = "lti_launch_sessions";
        self.database
            .run(&format!(
                "create function slow() returns trigger language plpgsql as $$
                 begin perform pg_sleep({seconds}); return new; end $$;
                 create trigger slow before insert on {table} for each row execute function slow()"
            ))
            .await;
    }

    /// Ends what [`TestApp::commit_slowly`] began.
    pub async fn commit_at_once(&self) {
        self.database.run("drop function slow cascade").await;
    }

    /// Panics unless a statement carried several of the submissions that the finished run migrated. The database knows it of every
    /// process, also of one that was killed before it told: what a statement writes is of one transaction.
    pub async fn assert_batched(&self) {
        let sql = "select count(*) from assignment_submissions
            where lti_launch_id like 'rogo\\_%' and split_part(lti_launch_id, '_', 2) = any($1)
            group by xmin::text order by 1 desc limit 1";
        let migrated = self.migrated();
        let largest: i64 =
            sqlx::query_scalar(sql).bind(&migrated).fetch_one(self.database.pool()).await.unwrap();
        assert!(largest > 1, "no statement was shared by any of {} submissions", migrated.len());
    }

    /// The environment of every process that is started from now on.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// The program with these arguments and nothing else in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.out.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The same as another role of the database.
    pub fn command_as(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("DATABASE_URL", url);
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        process::output(self.command(arguments)).await
    }

    pub async fn run_as(&self, url: &str, arguments: &[&str]) -> Ended {
        process::output(self.command_as(url, arguments)).await
    }

    /// Everything that must be equal in two runs of one sample: tables, blobs and results, with the
    /// writers' names and the columns that tell when the row was inserted left out.
    pub async fn everything(&self) -> String {
        everything(&self.database, &self.target_blobs(), &self.container, |file| self.result(file)).await
    }

    /// Every blob of the target container with its properties, by name.
    pub async fn blobs(&self) -> Vec<BlobInfo> {
        blobs_of(&self.target_blobs()).await
    }

    pub fn target_blobs(&self) -> Arc<dyn Blobs> {
        self.open(&self.container, "", Service::TargetBlobs)
    }

    /// The run store, which lies in the tests' Azurite.
    pub fn run_blobs(&self) -> Arc<dyn Blobs> {
        let place = self.variable("ROGO_RUN_STORE").strip_prefix("az://").unwrap();
        let (container, prefix) = place.split_once('/').unwrap();
        self.open(container, prefix, Service::RunStore)
    }

    fn open(&self, container: &str, prefix: &str, service: Service) -> Arc<dyn Blobs> {
        let place = Place::Azure { container: container.into(), prefix: prefix.into() };
        let account = AccountSettings {
            connection_string: Some(Secret::Value(self.variable("AZURE_STORAGE_CONNECTION_STRING").into())),
            account_url: None,
        };
        blobs::open(&place, &account, service).unwrap()
    }
}

/// What [`TestApp::everything`] tells, of any target.
pub async fn everything(
    database: &TestDatabase,
    files: &Arc<dyn Blobs>,
    container: &str,
    result: impl Fn(&str) -> String,
) -> String {
    let mut text = database.dump_tables(&INSERT_TIMES).await;
    for blob in blobs_of(files).await {
        let metadata: BTreeMap<_, _> =
            blob.metadata.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("writer")).cloned().collect();
        let BlobInfo { name, size_bytes, md5, content_type, .. } = &blob;
        writeln!(text, "blob {name} {size_bytes} {md5:?} {content_type:?} {metadata:?}").unwrap();
    }
    for file in &RESULTS[..4] {
        writeln!(text, "--- {file}\n{}", result(file)).unwrap();
    }
    without_tries(&text).replace(container, "<container>")
}

/// Every blob of a store with its properties, by name.
async fn blobs_of(store: &Arc<dyn Blobs>) -> Vec<BlobInfo> {
    let names: Vec<String> = store.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    futures_util::stream::iter(names)
        .map(|name| {
            let store = store.clone();
            async move { store.head(&name).await.unwrap().unwrap() }
        })
        .buffered(16)
        .collect()
        .await
}

/// Compares what [`TestApp::everything`] tells of two runs; panics with the lines that differ.
#[track_caller]
pub fn assert_same(actual: &str, expected: &str) {
    let count = |text: &str| {
        let mut lines: BTreeMap<String, i32> = BTreeMap::new();
        text.lines().for_each(|line| *lines.entry(line.to_owned()).or_default() += 1);
        lines
    };
    let (have, want) = (count(actual), count(expected));
    let differing: Vec<String> = have
        .keys()
        .chain(want.keys())
        .filter(|line| have.get(*line) != want.get(*line))
        .map(|line| format!("{:?} instead of {:?} times: {line}", have.get(line), want.get(line)))
        .collect();
    assert!(
        differing.is_empty(),
        "{} lines differ:\n{}",
        differing.len(),
        differing[..differing.len().min(8)].join("\n")
    );
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    /// As a person reads it ([`process::readable`]).
    pub stderr: String,
    /// Standard error as it came.
    pub lines: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let Output { status, stdout, stderr } = output;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let lines = text(stderr);
        Self { code: status.code(), stdout: text(stdout), stderr: process::readable(&lines), lines }
    }

    /// Panics with all that was said where the code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Columns that keep their default at insert, of the program's rows and of the seed's.
const INSERT_TIMES: [&str; 18] = [
    "lti_launch_sessions.created_at",
    "lti_session_records.created_at",
    "submission_marking_assignments.assigned_at",
    "submission_section_marks.created_at",
    "submission_section_marks.updated_at",
    "submission_grades.created_at",
    "submission_grades.updated_at",
    "malpractice_enforcements.created_at",
    "malpractice_enforcements.updated_at",
    "malpractice_enforcements.rule_applied_at",
    "users.created_at",
    "users.updated_at",
    "assessments.created_at",
    "assessments.updated_at",
    "assessment_sections.created_at",
    "assessment_sections.updated_at",
    "malpractice_levels.created_at",
    "malpractice_levels.updated_at",
];

/// Replaces `<folder>/<12 hex>/` by `<folder>/<writer>/`.
fn without_tries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = ["LTI_Uploads/", "Marker_files/"]
        .iter()
        .filter_map(|folder| Some(rest.find(folder)? + folder.len()))
        .min()
    {
        let (before, after) = rest.split_at(place);
        out.push_str(before);
        let is_writer = after.len() > 12
            && after.as_bytes()[..12].iter().all(u8::is_ascii_hexdigit)
            && after.as_bytes()[12] == b'/';
        if is_writer {
            out.push_str("<writer>");
        }
        rest = if is_writer { &after[12..] } else { after };
    }
    out.push_str(rest);
    // Blobs are listed by name, and so by writer: the order of the lines says nothing.
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

async fn upload(azurite: &Azurite, container: &str, sample: &Path) {
    let mut reader = csv::Reader::from_path(sample.join("files.csv")).unwrap();
    let files: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    futures_util::stream::iter(files)
        .for_each_concurrent(16, |file| async move {
            if &file[3] == "missing" {
                return;
            }
            let bytes = fs::read(sample.join(&file[0])).unwrap();
            azurite.put(container, &file[1], bytes).await;
            if &file[3] == "corrupt" {
                // What its writer claims is not the MD5 of its bytes.
                let md5 = BASE64_STANDARD.decode(&file[2]).unwrap();
                let options =
                    BlobClientSetPropertiesOptions { blob_content_md5: Some(md5), ..Default::default() };
                azurite.blob(container, &file[1]).set_properties(Some(options)).await.unwrap();
            }
        })
        .await;
}
