//! Reading back: after a run, every column of every table, every blob and every result is compared with an
//! oracle of the tests' own, which knows only the inputs and the words of the specification.

mod enforcement;
mod files;
mod grades;
mod inputs;
mod oracle;
mod results;
mod sources;
mod stores;
mod tables;
mod worker;
mod written;
mod zones;

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, SubsecRound, Utc};
use rogo_migrate::sample::{self, SampleOptions};

use crate::support::{
    app::{Expected as Promise, Sample, TestApp},
    azurite::Azurite,
    tds::{self, TdsServer, data::Data},
};
use inputs::Inputs;
use oracle::{Blob, Expected, Run};
use tables::{Tables, differences, tables};

const ROWS: u64 = 240;
const SEED: u64 = 21;

/// A finished run and what is needed to judge it.
struct Finished<'a> {
    app: &'a TestApp<'a>,
    inputs: Inputs,
    before: Tables,
    after: Tables,
    blobs: BTreeMap<String, Blob>,
    documents: BTreeMap<String, Vec<u8>>,
    began: DateTime<Utc>,
}

impl<'a> Finished<'a> {
    /// Runs the program to its end and reads everything back.
    async fn run(app: &'a TestApp<'a>, arguments: &[&str]) -> Self {
        let before = tables(&app.database).await;
        let began = Utc::now().trunc_subsecs(0);
        app.run(&[&["run"], arguments].concat()).await.expect(0);
        Self {
            app,
            inputs: Inputs::read(&app.sample.path("")),
            before,
            after: tables(&app.database).await,
            blobs: stores::blobs(app).await,
            documents: stores::documents(app, "rogo").await,
            began,
        }
    }

    /// What the oracle expects where these rows migrate.
    fn expected(
        &self,
        rows: impl Iterator<Item = u64>,
        instant: &dyn Fn(&str) -> DateTime<Utc>,
        target: &Target,
    ) -> Expected {
        let folder = self.app.sample.path("files");
        let base = self.app.variable("ROGO_SOURCE_ALLOW");
        let run = Run {
            inputs: &self.inputs,
            before: &self.before,
            sources: files::Sources { base, folder: &folder },
            lms_instance: sample::LMS_INSTANCE,
            name: "rogo",
            writer: &stores::only_writer(&self.documents),
            container: &target.container,
            target: &target.url,
            instant,
        };
        run.expected(rows)
    }

    /// Proves the comparison itself: whichever column of a table's written row were another, it would say so.
    #[track_caller]
    fn assert_every_change_is_noticed(&self, expected: &Expected) {
        for (table, rows) in &expected.rows {
            let (id, row) = rows.iter().next().unwrap_or_else(|| panic!("no row of {table} is written"));
            for column in row.keys() {
                let mut after = self.after.clone();
                let stands = after.get_mut(*table).unwrap().get_mut(id).unwrap();
                stands.insert((*column).to_owned(), "another".into());
                let found = differences(&after, &self.before, &expected.rows, self.began);
                assert_eq!(found.len(), 1, "{table}.{column}: {found:?}");
            }
        }
        assert_eq!(expected.rows.len(), 8, "the tables that a migration writes");
    }

    /// Panics with every difference in tables and blobs.
    #[track_caller]
    fn assert_equals(&self, expected: &Expected) {
        let mut found = differences(&self.after, &self.before, &expected.rows, self.began);
        let names = expected.blobs.keys().chain(self.blobs.keys()).collect::<std::collections::BTreeSet<_>>();
        for name in names {
            match (expected.blobs.get(name), self.blobs.get(name)) {
                (Some(should), Some(is)) if should == is => {}
                (Some(Blob { bytes, .. }), Some(is)) if *bytes != is.bytes => {
                    found.push(format!("{name}: {} bytes, others than the source's", is.bytes.len()));
                }
                (Some(should), Some(is)) => found.push(format!(
                    "{name}: should be {} {:?}, is {} {:?}",
                    should.content_type, should.metadata, is.content_type, is.metadata
                )),
                (Some(_), None) => found.push(format!("{name} is not there")),
                (None, _) => found.push(format!("{name} is nobody's")),
            }
        }
        let shown = &found[..found.len().min(20)];
        assert!(found.is_empty(), "{} differences:\n{}", found.len(), shown.join("\n"));
    }
}

/// How the target tells where its blobs are.
pub(crate) struct Target {
    container: String,
    url: String,
}

impl Target {
    async fn azure(app: &TestApp<'_>) -> Self {
        let endpoint = Azurite::shared().await.endpoint();
        Self { container: app.container.clone(), url: format!("{endpoint}/{}", app.container) }
    }

    /// Points the app at folders in place of every service but PostgreSQL.
    pub(crate) fn folder(app: &mut TestApp) -> Self {
        let out = app.out.path().canonicalize().unwrap();
        let [target, store] = ["target-blobs", "run-store"].map(|name| out.join(name));
        fs::create_dir(&target).unwrap();
        fs::create_dir(&store).unwrap();
        let url = format!("file://{}", target.display());
        app.unset("DATA_WAREHOUSE_CONNECTION_STRING");
        app.set("ROGO_TARGET", &*url);
        app.set("ROGO_RUN_STORE", format!("file://{}", store.display()));
        app.set("ROGO_SOURCE_ALLOW", format!("file://{}", app.sample.path("files").display()));
        Self { container: "target-blobs".into(), url }
    }
}

/// A sample whose source files stay in its folder, changed by `change` before anything reads it.
async fn folder_sample(
    options: impl FnOnce(&mut SampleOptions),
    rows: u64,
    change: impl FnOnce(&Path),
) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().canonicalize().unwrap().join("sample");
    let mut chosen = SampleOptions::new(rows, SEED, out.clone());
    options(&mut chosen);
    sample::generate(&chosen).unwrap();
    change(&out);
    let data = Data::load(&out.join("warehouse")).unwrap();
    let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    Sample { folder, source: String::new(), tds }
}

fn promised_to_migrate(promised: &BTreeMap<u64, Promise>) -> impl Iterator<Item = u64> {
    promised.iter().filter(|(_, promise)| promise.kind == "migrated").map(|(row, _)| *row)
}

fn sizes(options: &mut SampleOptions) {
    options.file_bytes = "2000-180000".parse().unwrap();
}

#[tokio::test]
async fn every_column_blob_and_result_is_as_the_specification_says_whatever_the_stores() {
    let on_azure = Sample::with(ROWS, SEED, sizes).await;
    let in_folders = folder_sample(sizes, ROWS, |_| {}).await;

    let azure = TestApp::new(&on_azure).await;
    let target = Target::azure(&azure).await;
    let azure = Finished::run(&azure, &[]).await;
    let promised = on_azure.expected();
    let expected = azure.expected(promised_to_migrate(&promised), &oracle::utc, &target);
    azure.assert_equals(&expected);
    results::check(&azure, &expected, &promised);
    azure.assert_every_change_is_noticed(&expected);

    let mut folder = TestApp::new(&in_folders).await;
    let target = Target::folder(&mut folder);
    let warehouse = format!("file://{}", in_folders.path("warehouse").display());
    let folder = Finished::run(&folder, &["--warehouse", &warehouse]).await;
    let promised = in_folders.expected();
    let expected = folder.expected(promised_to_migrate(&promised), &oracle::utc, &target);
    folder.assert_equals(&expected);
    results::check(&folder, &expected, &promised);

    results::differ_only_in_place(&azure, &folder);
}

#[tokio::test]
async fn every_column_and_blob_is_as_the_specification_says_where_commits_share_statements() {
    let sample = Sample::with(ROWS, SEED, sizes).await;
    let mut app = TestApp::new(&sample).await;
    let _proxy = app.force_batches().await;
    let target = Target::azure(&app).await;
    let finished = Finished::run(&app, &[]).await;
    app.assert_batched().await;
    let promised = sample.expected();
    let expected = finished.expected(promised_to_migrate(&promised), &oracle::utc, &target);
    finished.assert_equals(&expected);
    results::check(&finished, &expected, &promised);
}
