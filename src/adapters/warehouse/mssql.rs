//! SQL Server: many attempts in one round trip, every answer proven complete.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use tiberius::Row;
use tokio::{sync::OnceCell, time::sleep};
use uuid::Uuid;

use super::{
    catalogue::{self, Catalogue},
    pool::{self, Connector, Pool},
    preflight,
    rows::{Which, attempt_of, fact, gather, integers, is_damaged, unreadable},
    scan,
    tables::{Form, Table, Tables},
    values,
};
use crate::{
    domain::{AttemptId, Extent, FactRow, Facts, REPORT_TABLE, TableExtent, Value},
    ports::{Fault, Retry, Warehouse, WarehouseShape},
    settings::Secret,
};

/// Attempts asked for in one batch.
const MOST_IDS: usize = 1_000;
/// A table of so few rows is cheap to look through without an index.
const FEW_ROWS: u64 = 500_000;
/// Synapse serves a handful of queries at a time: the connections of this process to one.
const SYNAPSE_CONNECTIONS: u32 = 2;
/// The longest that a batch of attempts may take, unless `Command Timeout` is longer: a server that has
/// vanished should not be waited for.
const LOOKUP: Duration = Duration::from_mins(1);
/// The longest that counting a table may take, likewise.
pub(super) const COUNT: Duration = Duration::from_mins(5);
/// Further tries on a new connection; beyond them the caller decides how long to go on.
const RETRIES: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The pools of this process to Synapse, by place.
static SYNAPSE: LazyLock<Mutex<HashMap<String, Pool>>> = LazyLock::new(Mutex::default);

/// The warehouse on SQL Server, Azure SQL Database or Azure Synapse. Clones share its connections.
#[derive(Clone)]
pub struct SqlServer {
    pool: Pool,
    connections: u32,
    place: String,
    tables: Arc<OnceCell<Tables>>,
    /// An attempt that had a report when it was asked for last.
    reported: Arc<Mutex<Option<AttemptId>>>,
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

    /// The same warehouse with a pool of its own (on Synapse the process has one pool); what is known of
    /// its tables is shared.
    pub fn another_pool(&self) -> Result<Self, Fault> {
        let pool = pool::pool(self.pool.manager().clone(), self.connections)?;
        Ok(Self { pool, ..self.clone() })
    }

    fn with_connector(connector: Connector, connections: u32) -> Result<Self, Fault> {
        let place = connector.settings()?.place();
        let pool = pool::pool(connector, connections)?;
        Ok(Self { pool, connections, place, tables: Arc::default(), reported: Arc::default() })
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

    /// All rows of a few selects, each with the place of its select; complete, or a fault.
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
        let mut tries = Tries::default();
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

    /// The facts of at most [`MOST_IDS`] sorted attempts.
    async fn facts(&self, ids: &[AttemptId]) -> Result<HashMap<AttemptId, Facts>, Fault> {
        let mut facts = HashMap::with_capacity(ids.len());
        let mut damaged = HashSet::new();
        for row in self.rows(ids, Form::Text).await? {
            if is_damaged(&row) {
                damaged.insert(attempt_of(&row));
            }
            gather(&mut facts, row);
        }
        self.prove_loaded(ids, &facts).await?;
        if damaged.is_empty() {
            return Ok(facts);
        }
        let mut damaged: Vec<_> = damaged.into_iter().collect();
        damaged.sort_unstable();
        for id in &damaged {
            facts.remove(id);
        }
        for row in self.rows(&damaged, Form::Bytes).await? {
            gather(&mut facts, row);
        }
        Ok(facts)
    }

    /// That no attempt of a batch has a report is believed only while one that had a report still has it: a table that
    /// is being loaded anew is empty for a while.
    async fn prove_loaded(&self, ids: &[AttemptId], facts: &HashMap<AttemptId, Facts>) -> Result<(), Fault> {
        let reported = facts.iter().filter(|(_, facts)| !facts.reports.is_empty()).map(|(id, _)| *id).max();
        let known = {
            let mut known = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            *known = reported.or(*known);
            *known
        };
        let Some(known) = known.filter(|_| reported.is_none()) else { return Ok(()) };
        let tables = self.tables().await?;
        let found = self.rows_of(Which::Reports, &tables.reports, &[known], Form::Text).await?;
        if found.is_empty() {
            return Err(pool::unavailable(format!(
                "{}: none of {} attempts has a report, nor has attempt {known} any more: dbo.{REPORT_TABLE} is being \
                 loaded, or was emptied",
                self.place,
                ids.len()
            )));
        }
        Ok(())
    }

    /// The rows of one table for some sorted attempts, and of no other.
    pub(super) async fn rows_of(
        &self,
        which: Which,
        table: &Table,
        ids: &[AttemptId],
        form: Form,
    ) -> Result<Vec<FactRow>, Fault> {
        let answer = self.ask(&[table.of_attempts(ids, form)], LOOKUP).await?;
        answer.iter().map(|(_, row)| asked_for(ids, fact(which, row)?)).collect()
    }

    /// The rows of both tables for at most [`MOST_IDS`] sorted attempts, and of no other.
    async fn rows(&self, ids: &[AttemptId], form: Form) -> Result<Vec<FactRow>, Fault> {
        let tables = self.tables().await?;
        let selects = [tables.reports.of_attempts(ids, form), tables.scores.of_attempts(ids, form)];
        let answer = self.ask(&selects, LOOKUP).await?;
        answer.iter().map(|(select, row)| asked_for(ids, fact(Which::of_select(*select), row)?)).collect()
    }
}

fn asked_for(ids: &[AttemptId], row: FactRow) -> Result<FactRow, Fault> {
    match ids.binary_search(&attempt_of(&row)) {
        Ok(_) => Ok(row),
        Err(_) => Err(unreadable("an attempt that was not asked for")),
    }
}

#[async_trait]
impl Warehouse for SqlServer {
    /// Of the catalogue, which is read before the first batch in any case.
    async fn description(&self) -> Result<String, Fault> {
        Ok(format!("{} at {}", self.tables().await?.engine.name(), self.place))
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
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(attempt);
    }

    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault> {
        let mut ids = attempts.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut facts = HashMap::with_capacity(ids.len());
        for batch in ids.chunks(MOST_IDS) {
            facts.extend(self.facts(batch).await?);
        }
        Ok(attempts.iter().map(|id| facts.get(id).cloned().unwrap_or_default()).collect())
    }

    async fn reported(&self, each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        self.scan_ids(each).await
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
    let mut connection = pool::get(pool).await?;
    connection
        .run(selects, longest, |select, row| {
            rows.push((select, row));
            Ok(())
        })
        .await?;
    Ok(rows)
}

/// How often something was tried.
#[derive(Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Waits before the next try, which gets a new connection; or gives the fault back.
    pub(super) async fn again(&mut self, fault: Fault, pool: &Pool) -> Result<(), Fault> {
        if fault.kind.retry() != Retry::Again || self.0 == RETRIES {
            return Err(fault);
        }
        tracing::debug!(attempt = self.0, fault = %fault.chain(), "warehouse is asked again");
        // What broke one connection (a failover) has mostly broken the idle ones too.
        pool.retain(|_, _| false);
        // From half to one and a half, so that many processes do not come back at one moment.
        let jitter = f64::from(Uuid::new_v4().as_fields().1) / f64::from(u16::MAX) + 0.5;
        sleep(FIRST_BACKOFF.mul_f64(2_f64.powf(self.0.into()) * jitter)).await;
        self.0 += 1;
        Ok(())
    }
}
