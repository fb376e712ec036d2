//! Source of reports and scores.

use async_trait::async_trait;

use super::{Fault, FaultKind, Service};
use crate::domain::{AttemptFacts, AttemptId, FactRow, Facts, TableExtent};

/// How the description of exported tables begins: the facts of such a warehouse are text.
pub const EXPORTED_TABLES: &str = "exported tables ";

/// The checks of the warehouse, by their stable names: all that is not the second's, and columns that are masked for the login.
pub const WAREHOUSE_CHECKS: [&str; 2] = ["warehouse", "warehouse_masked_columns"];

/// Properties of the warehouse that the plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseShape {
    /// [`Warehouse::description`].
    pub description: String,
    /// Rows of the reports' and of the scores' table; `None` if unknown.
    pub rows: Option<(u64, u64)>,
    /// [`Warehouse::extent`] before anything was read; empty if only a scan tells it.
    pub extent: Vec<TableExtent>,
    /// Whether [`Warehouse::fetch_some`] is cheap; else the plan scans once and splits into facts files.
    pub lookups_are_cheap: bool,
    /// Local disk that [`Warehouse::scan`] and the facts made of it need, about; `None` if unknown.
    pub scan_bytes: Option<u64>,
    /// Largest number of connections that the server allows this login, if the server reports it.
    pub max_connections: Option<u32>,
    /// Largest number of connections of one process, for any number of workers; `None`: a pool for each worker.
    pub connections_per_process: Option<u32>,
}

/// Reports and scores by attempt.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Engine and place, or folder, without secrets; the plan pins it. Cheap: no row is read.
    async fn description(&self) -> Result<String, Fault>;

    /// The part of it that needs no answer of the warehouse: server and database, or the place of the exported files.
    fn address(&self) -> String;

    /// Connects, checks tables, columns and the right to read them.
    async fn shape(&self) -> Result<WarehouseShape, Fault>;

    /// How much each table holds. Of an exported file: as it was when it was scanned last, else as it is now.
    async fn extent(&self) -> Result<Vec<TableExtent>, Fault>;

    /// This attempt had a report when the run was planned: an answer without any report is not believed while it has
    /// none.
    fn expect_report(&self, _attempt: AttemptId) {}

    /// This attempt had a score when the run was planned: reports without any score are not believed while it has none.
    fn expect_score(&self, _attempt: AttemptId) {}

    /// The facts of the first of these attempts, in the order asked: of as many as take at most `room` bytes
    /// ([`Facts::size_bytes`]), and of one however large they are. An attempt the warehouse does not hold yields empty facts.
    /// Returns only when the answer is known to be complete. [`in_order`] checks it.
    async fn fetch_some(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<AttemptFacts>, Fault>;

    /// Hands the id of every attempt that has a report to `each`, in batches, in no order, some of them more than once.
    /// [`FaultKind::Unsupported`] if they cannot be listed.
    async fn reported(&self, _each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        Err(Fault::new(Service::Warehouse, FaultKind::Unsupported, "its attempts cannot be listed"))
    }

    /// Hands every row of both tables to `each`, in no order, in batches. A batch is never repeated:
    /// retries happen before it is handed over. Rows whose attempt id is none are refused
    /// by the pre-flight.
    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault>;
}

/// The warehouse's answers, if they are about the first of the attempts that it was asked for, and in their order; else what
/// is wrong.
pub fn in_order(attempts: &[AttemptId], answers: Vec<AttemptFacts>) -> Result<Vec<Facts>, String> {
    let is_in_order = answers.iter().map(|one| one.attempt).eq(attempts.iter().copied().take(answers.len()));
    if is_in_order && !answers.is_empty() {
        return Ok(answers.into_iter().map(|one| one.facts).collect());
    }
    Err(format!(
        "the warehouse answered {} attempts of {}, and not the first of them; please report it",
        answers.len(),
        attempts.len()
    ))
}
