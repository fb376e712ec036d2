//! SQL Server: many attempts in one round trip, every answer proven complete.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, LazyLock, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use tiberius::Row;
use tokio::sync::OnceCell;

use super::{
    catalogue::{self, Catalogue},
    pool::{self, Connector, Pool},
    preflight,
    rows::{Which, integers, unreadable},
    scan,
    tables::Tables,
    tries::Tries,
    values,
    witnesses::Witnesses,
};
use crate::{
    domain::{AttemptFacts, AttemptId, Extent, FactRow, TableExtent, Value},
    ports::{Fault, Warehouse, WarehouseShape},
    settings::Secret,
};

/// Attempts asked for in one batch.
pub(super) const MOST_IDS: usize = 1_000;
/// Up to this number of rows a table can be searched without an index.
const FEW_ROWS: u64 = 500_000;
/// Connections of this process to Synapse, which serves only a few queries at a time.
const SYNAPSE_CONNECTIONS: u32 = 2;
/// Timeout of a batch of attempts, unless `Command Timeout` is longer: the program must not wait for a server that has
/// vanished.
pub(super) const LOOKUP: Duration = Duration::from_mins(1);
/// Timeout of counting a table, unless `Command Timeout` is longer.
pub(super) const COUNT: Duration = Duration::from_mins(5);

/// The pools of this process to Synapse, by place.
static SYNAPSE: LazyLock<Mutex<HashMap<String, Pool>>> = LazyLock::new(Mutex::default);

/// The warehouse on SQL Server, Azure SQL Database or Azure Synapse. Clones share its connections.
#[derive(Clone)]
pub struct SqlServer {
    pool: Pool,
    connections: u32,
    place: String,
    tables: Arc<OnceCell<Tables>>,
    /// Attempts that had rows.
    pub(super) witnesses: Arc<Mutex<Witnesses>>,
    /// Bytes that the facts of an attempt took on average in the last answer.
    pub(super) mean_bytes: Arc<AtomicUsize>,
    /// Approximate number of rows in a window of a scan.
    pub(super) window_rows: i64,
    /// Attempts of the reports that the last scan read, until they are asked for: a prediction reads the table no second time.
    pub(super) scanned: Arc<Mutex<Option<Vec<AttemptId>>>>,
}

impl SqlServer {
    /// A pool of `connections`; `secret` is an ADO.NET connection string, read again for each new
    /// connection. Nothing is connected yet.
    pub fn open(secret: &Secret, connections: u32) -> Result<Self, Fault> {
        Self::with_connector(Connector::new(secret.clone()), connections)
    }

    /// As [`SqlServer::open`], with this credential in place of the one that `Authentication=Active
    /// Directory …` names.
    pub fn open_as(
        secret: &Secret,
        connections: u32,
        credential: Arc<dyn TokenCredential>,
    ) -> Result<Self, Fault> {
        Self::with_connector(Connector::new(secret.clone()).with_credential(credential), connections)
    }

    /// The same warehouse with another pool (on Synapse all of the process share one); the tables that were read are
    /// shared.
    pub fn another_pool(&self) -> Result<Self, Fault> {
        let pool = pool::pool(self.pool.manager().clone(), self.connections)?;
        Ok(Self { pool, ..self.clone() })
    }

    fn with_connector(connector: Connector, connections: u32) -> Result<Self, Fault> {
        let place = connector.settings()?.place();
        let pool = pool::pool(connector, connections)?;
        Ok(Self {
            pool,
            connections,
            place,
            tables: Arc::default(),
            witnesses: Arc::default(),
            mean_bytes: Arc::default(),
            window_rows: scan::WINDOW_ROWS,
            scanned: Arc::default(),
        })
    }

    /// The same, scanned in windows of about this number of rows.
    #[must_use]
    pub fn with_window_rows(self, rows: u32) -> Self {
        Self { window_rows: rows.max(1).into(), ..self }
    }

    fn expect(&self, which: Which, attempt: AttemptId) {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).expect(which, attempt);
    }

    /// The tables as they are here, read once.
    pub(super) async fn tables(&self) -> Result<&Tables, Fault> {
        self.tables.get_or_try_init(|| self.read_catalogue()).await
    }

    async fn read_catalogue(&self) -> Result<Tables, Fault> {
        let mut found = Catalogue::default();
        for (select, row) in self.ask_pool(&self.pool, &catalogue::selects(), LOOKUP).await? {
            let cells: Vec<Value> = row.cells().map(|(_, cell)| values::value(cell)).collect();
            match (select, cells.as_slice()) {
                (0, _) => found.edition = integers(&row).next().flatten().unwrap_or_default(),
                (1, [Value::Text(table), Value::Text(column), Value::Text(data_type)]) => {
                    found.columns.push((table.clone(), column.clone(), data_type.clone()));
                }
                (2, [Value::Text(table)]) => found.indexed.push(table.clone()),
                _ => return Err(unreadable("the catalogue")),
            }
        }
        let tables = Tables::from_catalogue(&found, &self.place)?;
        if tables.engine.is_synapse() {
            self.pool.retain(|_, _| false);
        }
        Ok(tables)
    }

    /// Host, port and database, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// This value's own pool, or on Synapse the process's.
    pub(super) async fn pool(&self) -> Result<Pool, Fault> {
        if !self.tables().await?.engine.is_synapse() {
            return Ok(self.pool.clone());
        }
        let mut pools = SYNAPSE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&self.place) {
            return Ok(pool.clone());
        }
        let pool = pool::pool(self.pool.manager().clone(), SYNAPSE_CONNECTIONS)?;
        pools.insert(self.place.clone(), pool.clone());
        Ok(pool)
    }

    /// All rows of several selects, each with the index of its select. The answer is complete, or a fault.
    pub(super) async fn ask(
        &self,
        selects: &[String],
        longest: Duration,
    ) -> Result<Vec<(usize, Row)>, Fault> {
        self.ask_pool(&self.pool().await?, selects, longest).await
    }

    async fn ask_pool(
        &self,
        pool: &Pool,
        selects: &[String],
        longest: Duration,
    ) -> Result<Vec<(usize, Row)>, Fault> {
        let mut tries = Tries::none();
        loop {
            match ask_once(pool, selects, longest).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => tries.again(fault, pool).await?,
            }
        }
    }

    /// Proves the right to read every column. How much both tables hold, and the numbers of their rows: reports, scores.
    async fn counted(&self, tables: &Tables) -> Result<(Vec<TableExtent>, u64, u64), Fault> {
        let both = [&tables.reports, &tables.scores];
        let selects =
            [tables.reports.probe(), tables.scores.probe(), tables.reports.extent(), tables.scores.extent()];
        let answer = self.ask(&selects, COUNT).await?;
        let mut extent = Vec::with_capacity(both.len());
        let mut counts = [0; 2];
        for ((place, table), count) in (2..).zip(both).zip(&mut counts) {
            let row = answer.iter().find(|(select, _)| *select == place).map(|(_, row)| row);
            let rows = row.and_then(|row| integers(row).next().flatten());
            *count = rows
                .and_then(|rows| u64::try_from(rows).ok())
                .ok_or_else(|| unreadable("the number of rows"))?;
            let newest = row.and_then(|row| row.cells().nth(1)).map(|(_, cell)| values::value(cell));
            let newest_date_modified = match newest {
                Some(Value::Text(text)) => Some(text),
                Some(Value::Local(time)) => Some(time.to_string()),
                Some(Value::Instant(time)) => Some(time.to_rfc3339()),
                _ => None,
            };
            extent.push(TableExtent {
                table: format!("dbo.{}", table.name()),
                extent: Extent::Rows { rows: *count, newest_date_modified },
            });
        }
        let [reports, scores] = counts;
        Ok((extent, reports, scores))
    }
}

#[async_trait]
impl Warehouse for SqlServer {
    /// From the catalogue, which is read before the first batch in any case.
    async fn description(&self) -> Result<String, Fault> {
        Ok(format!("{} at {}", self.tables().await?.engine.name(), self.place))
    }

    fn address(&self) -> String {
        self.place.clone()
    }

    async fn shape(&self) -> Result<WarehouseShape, Fault> {
        let tables = self.tables().await?;
        let (extent, reports, scores) = self.counted(tables).await?;
        preflight::check(self, tables).await?;
        Ok(WarehouseShape {
            description: self.description().await?,
            rows: Some((reports, scores)),
            extent,
            lookups_are_cheap: (tables.reports.is_indexed() || reports <= FEW_ROWS)
                && (tables.scores.is_indexed() || scores <= FEW_ROWS),
            scan_bytes: Some(scan::bytes_needed(reports, scores)),
            max_connections: None,
            connections_per_process: tables.engine.is_synapse().then_some(SYNAPSE_CONNECTIONS),
        })
    }

    async fn extent(&self) -> Result<Vec<TableExtent>, Fault> {
        self.counted(self.tables().await?).await.map(|(extent, ..)| extent)
    }

    fn expect_report(&self, attempt: AttemptId) {
        self.expect(Which::Reports, attempt);
    }

    fn expect_score(&self, attempt: AttemptId) {
        self.expect(Which::Scores, attempt);
    }

    async fn fetch_some(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<AttemptFacts>, Fault> {
        self.some_facts(attempts, room).await
    }

    async fn reported(&self, each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        let scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner).take();
        match scanned {
            Some(attempts) => {
                each(attempts);
                Ok(())
            }
            None => self.scan_ids(each).await,
        }
    }

    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        self.scan_tables(each).await
    }
}

async fn ask_once(pool: &Pool, selects: &[String], longest: Duration) -> Result<Vec<(usize, Row)>, Fault> {
    let mut rows = Vec::new();
    let keep = |select, row| {
        rows.push((select, row));
        Ok(ControlFlow::Continue(()))
    };
    pool::run(pool, selects, longest, keep).await.map(drop)?;
    Ok(rows)
}
