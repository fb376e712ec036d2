//! The one shard of a planned run, moved inside the test's process: a target of the test's own may stand at the worker's seam.

use std::{sync::Arc, time::Duration};

use rogo_migrate::{
    adapters::{
        blobs,
        postgres::{FenceKey, PostgresOptions, PostgresReader, PostgresWriter, SharedFence, WriterOptions},
    },
    domain::{Books, ShardIndex},
    exit::Stop,
    plan::rule_config,
    ports::{Gate, Service, TargetReader, TargetWriter},
    report::{events::Events, observed::Observed},
    run::{Plan, RowSet, RunStore, segments::recorded, writers},
    settings::{Flags, Settings, Sources},
    shard::{
        self, ShardInputs, WorkerServices,
        copy::{Budget, Copier},
        in_flight::InFlight,
        pace::Pace,
    },
};
use tokio_util::sync::CancellationToken;

use super::app::TestApp;

const WRITER: &str = "0123456789ab";

/// A run whose plan made facts files.
pub struct Inside {
    settings: Settings,
    pub store: RunStore,
    plan: Arc<Plan>,
}

impl Inside {
    /// As the app's environment says it.
    pub async fn of(app: &TestApp<'_>) -> Self {
        let sources = Sources::new(Flags::default(), app.environment().clone(), None).unwrap();
        let settings = Settings::load(&sources).unwrap();
        let blobs = blobs::open(&settings.run_store, &settings.account, Service::RunStore).unwrap();
        let store = RunStore::new(blobs, &settings.run);
        let plan = Arc::new(store.plan().await.unwrap().unwrap());
        Self { settings, store, plan }
    }

    /// The target database, as a worker has it.
    pub fn target(&self) -> PostgresWriter {
        let fence = SharedFence {
            key: FenceKey::of_plan(&self.plan.id),
            retired: Arc::new(|| Box::pin(async { Ok(false) })),
        };
        let writer = WriterOptions {
            fence,
            ledger: Arc::new(self.store.clone()),
            container: self.settings.target.to_string().rsplit('/').next().unwrap().to_owned(),
            gate: Gate::new(3),
            waited: Arc::new(|_, _| {}),
            sent: Arc::new(|_| {}),
        };
        PostgresWriter::new(self.options(), writer).unwrap()
    }

    /// Moves every row as one process; how it ended.
    pub async fn moved(&self, target: Arc<dyn TargetWriter>, breaker: Option<f64>) -> Result<(), Stop> {
        let Self { settings, store, plan } = self;
        let (index, writer) = (ShardIndex(0), WRITER.parse().unwrap());
        writers::register(store, &writer, index, "here").await.unwrap();
        let target_blobs = blobs::open(&settings.target, &settings.account, Service::TargetBlobs).unwrap();
        let source = blobs::source(&settings.source, &settings.account).unwrap();
        let copier = Copier::new(target_blobs.clone(), source, Budget::new(), target.clone());
        let catalogue = PostgresReader::new(self.options()).unwrap().catalogue().await.unwrap();
        let stop = CancellationToken::new();
        let ending = stop.child_token();
        let inputs = ShardInputs {
            plan: plan.clone(),
            index,
            writer,
            epoch: settings.epoch.clone(),
            rules: rule_config(settings),
            catalogue: Arc::new(catalogue.into()),
            workers: vec![WorkerServices { target, warehouse: None, target_blobs, copier }],
            in_flight: InFlight::new(None, 1, u64::MAX),
            flush: Duration::from_secs(1),
            breaker,
            guard: None,
            pace: Arc::new(Pace::new(Duration::from_secs(10), ending.clone())),
            observed: Arc::new(Observed::new(plan.rows, &Events::default())),
            recorded: recorded(store, plan, index).await.unwrap(),
            lost: RowSet::new(0),
            store: store.clone(),
            stop,
            ending,
        };
        shard::run(inputs).await
    }

    /// The books of what was recorded.
    pub async fn books(&self) -> Books {
        recorded(&self.store, &self.plan, ShardIndex(0)).await.unwrap().books
    }

    /// Whether the process left nothing behind.
    pub async fn is_clean(&self) -> bool {
        self.store.exists(&format!("writers/{WRITER}.clean")).await.unwrap()
    }

    fn options(&self) -> PostgresOptions<'_> {
        PostgresOptions {
            database: &self.settings.database,
            credential: None,
            pool: 3,
            application_name: format!("{}/0/{WRITER}", self.settings.run),
            organisation: &self.settings.organisation,
            rules: &self.settings.rules,
        }
    }
}
