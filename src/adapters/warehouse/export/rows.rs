//! The rows of the exported tables, in batches; a scan reads both at once.

use std::sync::PoisonError;

use tokio::sync::mpsc::{Sender, channel};
use tokio_util::task::AbortOnDropHandle;

use super::{Columns, Export, TABLES, Table, of_warehouse};
use crate::{
    domain::{Extent, FactRow, InputDigest, TableExtent},
    inputs::CsvReader,
    ports::{Fault, joined},
};

/// Rows that are handed on at a time.
const BATCH: usize = 1_000;
/// Batches of a scan that wait to be handed on.
const PARTS_AHEAD: usize = 2;

/// The rows of a table that is being read.
pub(super) struct Rows {
    export: Export,
    table: &'static Table,
    reader: CsvReader,
    columns: Columns,
}

impl Rows {
    /// Begins to read the table.
    pub(super) async fn begin(export: &Export, table: &'static Table) -> Result<Self, Fault> {
        let (reader, columns) = export.open(table).await?;
        Ok(Self { export: export.clone(), table, reader, columns })
    }

    /// The next rows, not more than [`BATCH`]; `None` at the end, once the file's extent is known.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<FactRow>>, Fault> {
        let Self { export, table, reader, columns } = self;
        let mut rows = Vec::with_capacity(BATCH);
        while rows.len() < BATCH {
            let Some(record) = reader.next().await.map_err(of_warehouse)? else { break };
            rows.extend(table.fact(columns, record, &export.dialect));
        }
        if !rows.is_empty() {
            return Ok(Some(rows));
        }
        let InputDigest { location, sha256, size_bytes, .. } = reader.digest();
        let read = TableExtent { table: location, extent: Extent::File { size_bytes, sha256 } };
        export.scanned.lock().unwrap_or_else(PoisonError::into_inner).insert(table.name, read);
        Ok(None)
    }
}

/// Part of a table, by the table's place in [`TABLES`].
type Part = (usize, Result<Vec<FactRow>, Fault>);

/// Sends the rows of the table at this place, or the fault that ended it. Stops if nothing is received any more.
async fn send_rows(export: Export, place: usize, table: &'static Table, to: Sender<Part>) {
    let sending = async {
        let mut rows = Rows::begin(&export, table).await?;
        while let Some(batch) = rows.next().await? {
            if to.send((place, Ok(batch))).await.is_err() {
                break;
            }
        }
        Ok::<_, Fault>(())
    };
    if let Err(fault) = sending.await {
        // An error says that the scan has ended without it.
        let _ = to.send((place, Err(fault))).await;
    }
}

/// Hands the rows of every table to `each`. The tables are read side by side, each on a task of its own.
pub(super) async fn scan(
    export: &Export,
    each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
) -> Result<(), Fault> {
    let (to, mut parts) = channel(PARTS_AHEAD);
    let tables = TABLES.iter().enumerate();
    let reading: Vec<_> = tables
        .map(|(place, table)| {
            let sending = send_rows(export.clone(), place, table, to.clone());
            AbortOnDropHandle::new(tokio::spawn(sending))
        })
        .collect();
    drop(to);
    // Told only if the table before it could be read to its end: the same files give the same fault.
    let mut later = None;
    while let Some((place, part)) = parts.recv().await {
        match part {
            Ok(rows) => each(rows)?,
            Err(fault) if place == 0 => return Err(fault),
            Err(fault) => later = Some(fault),
        }
    }
    for table in reading {
        joined(table).await;
    }
    later.map_or(Ok(()), Err)
}
