//! Settings → adapters: the one place that knows which adapter serves which port.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use crate::domain::ShardIndex;
use crate::{
    adapters::{
        blobs,
        postgres::{
            FenceKey, NextShard, PostgresFence, PostgresOptions, PostgresReader, PostgresTarget,
            PostgresUndo, PostgresWriter, SentStatement, SharedFence, WaitedFor, WriterOptions,
        },
        warehouse::{Export, SqlServer},
    },
    exit::{Exit, Stop},
    identity::EntraCredential,
    inputs::{InputSource, Inputs},
    ports::{Blobs, Fault, Gate, Service, Source, Warehouse},
    report::{
        self,
        events::{Event, Events, Wait},
    },
    run::{Plan, RunName, RunStore, Summary, WriterId, names, pins, purged},
    settings::{
        AccountSettings, DatabaseAuth, InputLocation, Place, Settings, StoreSettings, WarehouseSettings,
    },
};

/// The run's folder in the run store.
pub fn run_store(settings: &Settings) -> Result<RunStore, Fault> {
    store_at(&settings.run_store, &settings.account, &settings.run)
}

/// The same, for a command that only reads a run.
pub fn store_of(settings: &StoreSettings) -> Result<RunStore, Fault> {
    store_at(&settings.run_store, &settings.account, &settings.run)
}

fn store_at(place: &Place, account: &AccountSettings, run: &RunName) -> Result<RunStore, Fault> {
    Ok(RunStore::new(blobs::open(place, account, Service::RunStore)?, run))
}

/// The run's folder in the verify store, if that lies elsewhere.
pub fn verify_store_elsewhere(settings: &Settings) -> Result<Option<RunStore>, Fault> {
    let place = settings.verify_store_elsewhere();
    place.map(|place| store_at(place, &settings.account, &settings.run)).transpose()
}

/// The same, for a command that only reads a run.
pub fn verify_store_elsewhere_of(settings: &StoreSettings) -> Result<Option<RunStore>, Fault> {
    let place = settings.verify_store_elsewhere();
    place.map(|place| store_at(place, &settings.account, &settings.run)).transpose()
}

/// The run's folder where it is verified, for a command that only reads a run.
pub fn verify_store_of(settings: &StoreSettings) -> Result<RunStore, Fault> {
    verify_store_elsewhere_of(settings)?.map_or_else(|| store_of(settings), Ok)
}

/// The submissions and mapping CSVs, as the settings locate them.
pub fn inputs(settings: &Settings) -> Result<Inputs, Fault> {
    let source = |location: &InputLocation| {
        Ok(match location {
            InputLocation::Path(path) => InputSource::File(path.clone()),
            InputLocation::Blob { place, name } => InputSource::Blob {
                blobs: blobs::open(place, &settings.account, Service::Inputs)?,
                name: name.clone(),
            },
        })
    };
    Ok(Inputs {
        submissions: source(&settings.inputs.submissions)?,
        mapping: source(&settings.inputs.mapping)?,
        encoding: settings.inputs.encoding,
        dialect: settings.inputs.dialect.clone(),
    })
}

/// The target container; cheap to call once per worker.
pub fn target_blobs(settings: &Settings) -> Result<Arc<dyn Blobs>, Fault> {
    blobs::open(&settings.target, &settings.account, Service::TargetBlobs)
}

/// A prefix of the target container, for a self-test.
pub fn scratch_blobs(settings: &Settings, prefix: &str) -> Result<Arc<dyn Blobs>, Fault> {
    let place = match &settings.target {
        Place::Folder(root) => Place::Folder(root.join(prefix)),
        Place::Azure { container, prefix: own } => {
            let prefix = format!("{own}/{prefix}").trim_start_matches('/').to_owned();
            Place::Azure { container: container.clone(), prefix }
        }
    };
    blobs::open(&place, &settings.account, Service::TargetBlobs)
}

/// Where learners' and markers' files are read; cheap to call once per worker.
pub fn source(settings: &Settings) -> Result<Arc<dyn Source>, Fault> {
    blobs::source(&settings.source, &settings.account)
}

/// Connects the warehouse with a separate connection pool.
pub fn warehouse(settings: &Settings) -> Result<Arc<dyn Warehouse>, Fault> {
    Ok(match &settings.warehouse {
        WarehouseSettings::SqlServer(secret) => {
            Arc::new(SqlServer::open(secret, settings.work.warehouse_pool)?)
        }
        WarehouseSettings::Export(place) => {
            let blobs = blobs::open(place, &settings.account, Service::Warehouse)?;
            Arc::new(Export::new(blobs, settings.inputs.dialect.clone()))
        }
    })
}

/// Where the warehouse is. Nothing is connected; `None` if the settings cannot be read now, as while a secret is mended.
pub fn warehouse_address(settings: &Settings) -> Option<String> {
    match warehouse(settings) {
        Ok(warehouse) => Some(warehouse.address()),
        Err(fault) => {
            tracing::debug!(fault = %fault.chain(), "the warehouse is not compared with the plan");
            None
        }
    }
}

/// A warehouse for each worker; the adapter limits the connections of the whole process.
pub fn warehouses(settings: &Settings, workers: usize) -> Result<Vec<Arc<dyn Warehouse>>, Fault> {
    let WarehouseSettings::SqlServer(secret) = &settings.warehouse else {
        let export = warehouse(settings)?;
        return Ok(vec![export; workers]);
    };
    let first = SqlServer::open(secret, settings.work.warehouse_pool)?;
    let mut all: Vec<Arc<dyn Warehouse>> = Vec::with_capacity(workers);
    for _ in 1..workers {
        all.push(Arc::new(first.another_pool()?));
    }
    all.push(Arc::new(first));
    Ok(all)
}

/// The target database for reading only.
pub fn database(
    settings: &Settings,
    connections: u32,
    application_name: &str,
) -> Result<PostgresReader, Fault> {
    PostgresReader::new(options(settings, connections, application_name.to_owned()))
}

/// The target database, from which a rollback removes. Its connections hold no lock: the caller holds it exclusively.
pub fn undo_database(
    settings: &Settings,
    connections: u32,
    application_name: &str,
) -> Result<PostgresUndo, Fault> {
    PostgresUndo::new(options(settings, connections, application_name.to_owned()))
}

/// What a shard has of its own on connections of the process: its name, its writer's fence, and where its waits and commits
/// are told.
pub fn of_shard(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    writer: &WriterId,
    events: &Events,
) -> NextShard {
    let (retired_store, retired) = (store.clone(), names::retired(writer));
    let fence = SharedFence {
        key: FenceKey::of_plan(&plan.id),
        retired: Arc::new(move || {
            let (store, name) = (retired_store.clone(), retired.clone());
            Box::pin(async move { store.exists(&name).await })
        }),
    };
    let (events, of_commits) = (events.clone(), events.clone());
    NextShard {
        application_name: format!("{}/{shard}/{writer}", settings.run),
        fence,
        waited: Arc::new(move |on, took| {
            let on = match on {
                WaitedFor::Connection => Wait::Connection,
                WaitedFor::Turn => Wait::Guard,
            };
            events.tell(Event::Waited { on, took });
        }),
        sent: Arc::new(move |sent| {
            let SentStatement { submissions, took, in_transaction } = sent;
            of_commits.tell(Event::Committed { submissions, took, in_transaction });
        }),
    }
}

/// The sides of the target database of a process's workers, for its first shard. Every connection holds the run's lock and,
/// once it does, checks whether this process was retired; all lead to one database.
pub fn worker_databases(
    settings: &Settings,
    store: &RunStore,
    gate: &Arc<Gate>,
    shard: NextShard,
) -> Result<Vec<Arc<PostgresWriter>>, Fault> {
    let NextShard { application_name, fence, waited, sent } = shard;
    let (ledger, container) = (Arc::new(store.clone()), container(&settings.target));
    let writer_options = WriterOptions { fence, ledger, container, gate: gate.clone(), waited, sent };
    let options = options(settings, settings.work.pool, application_name);
    let first = Arc::new(PostgresWriter::new(options, writer_options)?);
    let mut all = vec![first.clone()];
    for _ in 1..settings.work.workers {
        all.push(Arc::new(first.another()?));
    }
    Ok(all)
}

/// The exclusive side of the run's lock, in the database that `target` reads.
pub fn fence<Side>(
    settings: &Settings,
    plan: &Plan,
    target: &PostgresTarget<Side>,
    purpose: &str,
) -> PostgresFence {
    let application_name = format!("{}/{purpose}/{}", settings.run, std::process::id());
    PostgresFence::beside(target, &application_name, FenceKey::of_plan(&plan.id))
}

fn options(settings: &Settings, pool: u32, application_name: String) -> PostgresOptions<'_> {
    PostgresOptions {
        database: &settings.database,
        credential: credential(settings),
        pool,
        application_name,
        organisation: &settings.organisation,
        rules: &settings.rules,
    }
}

/// Source of tokens for the target database; `None` if it is logged in to with a password.
fn credential(settings: &Settings) -> Option<Arc<dyn TokenCredential>> {
    match settings.database.auth {
        DatabaseAuth::Password => None,
        DatabaseAuth::Entra => Some(EntraCredential::new()),
    }
}

/// `azure_container_name`: for a folder its last component.
pub(super) fn container(target: &Place) -> String {
    match target {
        Place::Azure { container, .. } => container.clone(),
        Place::Folder(path) => {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
    }
}

/// The result of this plan that the run store holds; `None` before there is one.
pub async fn result_of(store: &RunStore, plan: &Plan) -> Result<Option<Summary>, Stop> {
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    Ok(summary.filter(|summary| summary.plan == plan.id))
}

/// Refuses a run that was rolled back.
pub async fn not_rolled_back(store: &RunStore) -> Result<(), Stop> {
    unless(pins::rolled_back(store).await?)
}

/// Refuses a run that a person has ended: rolled back, or purged.
pub async fn not_ended(store: &RunStore) -> Result<(), Stop> {
    unless(pins::ended(store).await?)
}

/// Refuses a run whose queues were purged.
pub async fn not_purged(store: &RunStore) -> Result<(), Stop> {
    unless(purged::refusal(store).await?)
}

fn unless(refusal: Option<String>) -> Result<(), Stop> {
    refusal.map_or(Ok(()), |refusal| Err(Stop::new(Exit::Configuration, refusal)))
}

/// Tells a person that the run's store was purged, and what no longer works, if it was; whether it was.
pub async fn tell_purged(store: &RunStore) -> Result<bool, Fault> {
    let Some(purged) = purged::whole(store).await? else { return Ok(false) };
    let no_longer = purged.no_longer.join("; ");
    let by = &purged.decided.by;
    report::tell(&format!(
        "the store of run {} was purged by {by}; no longer works: {no_longer}",
        store.run()
    ));
    Ok(true)
}
