//! Services that go away in the middle of a run, and processes that are asked to stop: what can be waited for is
//! waited for, no row is blamed for it, and the run ends like an undisturbed one.

mod away;
mod batches;
mod broken;
mod keyed;
mod refused;
mod rotation;
mod stop;

use std::{collections::BTreeSet, fs};

use rogo_migrate::{
    domain::{Fate, Outcome},
    sample::SampleOptions,
};

use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    postgres::TestServer,
    proxy::Proxy,
};

/// A sample all of whose services stand behind proxies; the run store is a folder.
struct World {
    sample: Sample,
    source: Proxy,
    target: Proxy,
    database: Proxy,
    warehouse: Proxy,
}

impl World {
    async fn new(rows: u64, seed: u64) -> Self {
        Self::with(rows, seed, |_| {}).await
    }

    /// All rows migrate.
    async fn plain(rows: u64, seed: u64) -> Self {
        Self::with(rows, seed, |options| options.plain = true).await
    }

    async fn with(rows: u64, seed: u64, change: impl FnOnce(&mut SampleOptions)) -> Self {
        let blobs = Azurite::shared().await.address();
        let source = Proxy::start(blobs).await;
        let port = source.address().port();
        let sample = Sample::with(rows, seed, |options| {
            options.file_bytes = "100-3000".parse().unwrap();
            let url = options.source_url.as_mut().unwrap();
            url.set_port(Some(port)).unwrap();
            change(options);
        });
        let sample = sample.await;
        let warehouse = Proxy::start(sample.tds.address).await;
        let (target, database) = (Proxy::start(blobs).await, Proxy::start(TestServer::get().address()).await);
        Self { sample, source, target, database, warehouse }
    }

    /// A target of its own for the sample, everything behind the proxies.
    async fn app(&self) -> TestApp<'_> {
        let mut app = TestApp::new(&self.sample).await;
        let azurite = Azurite::shared().await;
        let through = |text: &str, proxy: &Proxy| {
            text.replace(&azurite.address().to_string(), &proxy.address().to_string())
        };
        let allow = through(app.variable("ROGO_SOURCE_ALLOW"), &self.source);
        app.set("ROGO_SOURCE_ALLOW", allow);
        app.set("SOURCE_STORAGE_CONNECTION_STRING", through(&azurite.connection_string(), &self.source));
        app.set("AZURE_STORAGE_CONNECTION_STRING", through(&azurite.connection_string(), &self.target));
        app.set("DATABASE_URL", app.database.url_through(self.database.address()));
        let warehouse = self.sample.tds.connection_string_through(self.warehouse.address());
        app.set("DATA_WAREHOUSE_CONNECTION_STRING", warehouse);
        app.set("ROGO_RUN_STORE", format!("file://{}/runs", app.out.path().display()));
        app.set("ROGO_LOG_FORMAT", "json");
        app
    }

    /// What an undisturbed run leaves.
    async fn undisturbed(&self) -> String {
        let app = self.app().await;
        app.run(&["run"]).await.expect(0);
        app.everything().await
    }

    /// Rows take long enough for something to happen in their middle.
    fn take_time(&self) {
        self.database.delay(std::time::Duration::from_millis(15));
    }

    fn take_no_time(&self) {
        self.database.delay(std::time::Duration::ZERO);
    }
}

/// One shard of few rows at a time.
const SHARD: [&str; 7] = ["shard", "--shard", "0", "--workers", "2", "--in-flight", "2"];

/// Every outcome that the run has recorded, by segment.
fn recorded(app: &TestApp<'_>) -> Vec<Vec<Outcome>> {
    let folder = app.out.path().join("runs/rogo/segments/0");
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

/// Launch ids that outcomes tell of.
fn migrated<'outcome>(outcomes: impl IntoIterator<Item = &'outcome Outcome>) -> BTreeSet<String> {
    let launch_id = |outcome: &Outcome| match &outcome.fate {
        Fate::Migrated(migrated) => Some(migrated.launch_id.clone()),
        Fate::Skipped { .. } | Fate::Failed { .. } => None,
    };
    outcomes.into_iter().filter_map(launch_id).collect()
}

/// Launch ids of this sample's rows that stand in the target.
async fn committed(app: &TestApp<'_>) -> BTreeSet<String> {
    let ids = "select launch_id from lti_session_records where launch_id like 'rogo\\_%'";
    sqlx::query_scalar::<_, String>(ids).fetch_all(app.database.pool()).await.unwrap().into_iter().collect()
}
