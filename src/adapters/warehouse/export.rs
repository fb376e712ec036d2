//! The exported folder: the two tables as `<table>.csv`, in a folder or container. `\N` or an empty field
//! is null; everything else is text.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::StreamExt;

use super::{
    export_records::Records,
    tables::{MARKS, REPORT_COLUMNS, SCORE_COLUMNS},
    values,
};
use crate::{
    domain::{AttemptId, FactRow, Facts, REPORT_TABLE, SCORE_TABLE, Value},
    ports::{BlobReader, Blobs, Fault, FaultKind, Service, Warehouse, WarehouseShape},
};

type Each<'a> = dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send + 'a;

/// The warehouse as exported files.
#[derive(Clone)]
pub struct Export {
    blobs: Arc<dyn Blobs>,
}

impl Export {
    /// The two files in `blobs`.
    pub fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self { blobs }
    }

    /// Reads a table to its end, or only its header.
    async fn read(&self, table: &Table, header_only: bool, each: &mut Each<'_>) -> Result<(), Fault> {
        let file = table.file();
        let mut reader = self.begin(&file).await?;
        let mut records = Records::new();
        let mut header: Option<Header> = None;
        loop {
            let chunk = reader.body.next().await.transpose().map_err(of_warehouse)?;
            let (bytes, at_end) = chunk.as_ref().map_or((&[][..], true), |bytes| (bytes.as_ref(), false));
            let (line, text) = records
                .push(bytes, at_end)
                .map_err(|wrong| refused(FaultKind::Misconfigured, format!("{file}, {wrong}")))?;
            let rows = table.parse(&text, line, &mut header)?;
            if !rows.is_empty() && !header_only {
                each(rows)?;
            }
            if header.is_some() && header_only {
                return Ok(());
            }
            if at_end {
                return match header {
                    Some(_) => Ok(()),
                    None => Err(refused(
                        FaultKind::Misconfigured,
                        format!("{file} is empty; its header is missing"),
                    )),
                };
            }
        }
    }

    async fn begin(&self, file: &str) -> Result<BlobReader, Fault> {
        self.blobs.get(file).await.map_err(of_warehouse)?.ok_or_else(|| {
            refused(FaultKind::NotFound, format!("{file} is missing in {}", self.blobs.location()))
        })
    }
}

#[async_trait]
impl Warehouse for Export {
    async fn description(&self) -> Result<String, Fault> {
        Ok(format!("exported tables in {}", self.blobs.location()))
    }

    async fn shape(&self) -> Result<WarehouseShape, Fault> {
        let mut problems = Vec::new();
        for table in &TABLES {
            match self.read(table, true, &mut |_| Ok(())).await {
                Ok(()) => {}
                Err(fault) if fault.kind == FaultKind::NotFound => problems.push(fault.what),
                Err(fault) => return Err(fault),
            }
        }
        if !problems.is_empty() {
            return Err(refused(FaultKind::NotFound, problems.join("; ")));
        }
        Ok(WarehouseShape {
            description: self.description().await?,
            rows: None,
            lookups_are_cheap: false,
            scan_bytes: None,
            max_connections: None,
            connections_per_process: None,
        })
    }

    /// Reads both files to their end: for a few questions only.
    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault> {
        let wanted: HashSet<_> = attempts.iter().copied().collect();
        let mut facts: HashMap<AttemptId, Facts> = HashMap::new();
        self.scan(&mut |rows| {
            for row in rows {
                match row {
                    FactRow::Report(id, report) if wanted.contains(&id) => {
                        facts.entry(id).or_default().reports.push(report);
                    }
                    FactRow::Score(id, score) if wanted.contains(&id) => {
                        facts.entry(id).or_default().scores.push(score);
                    }
                    FactRow::Report(..) | FactRow::Score(..) => {}
                }
            }
            Ok(())
        })
        .await?;
        Ok(attempts.iter().map(|id| facts.get(id).cloned().unwrap_or_default()).collect())
    }

    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        for table in &TABLES {
            self.read(table, false, each).await?;
        }
        Ok(())
    }
}

/// One of the two files.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    row: fn(AttemptId, Vec<Value>) -> Option<FactRow>,
}

const TABLES: [Table; 2] = [
    Table {
        name: REPORT_TABLE,
        columns: &REPORT_COLUMNS,
        row: |id, cells| values::report(cells).map(|report| FactRow::Report(id, report)),
    },
    Table {
        name: SCORE_TABLE,
        columns: &SCORE_COLUMNS,
        row: |id, cells| values::score(cells).map(|score| FactRow::Score(id, score)),
    },
];

/// Where the columns stand.
struct Header {
    fields: usize,
    attempt: usize,
    /// `None` for an absent marks column.
    columns: Vec<Option<usize>>,
}

impl Table {
    fn file(&self) -> String {
        format!("{}.csv", self.name)
    }

    /// The rows of some whole records; the first record of a file is its header.
    fn parse(&self, text: &str, first_line: u64, header: &mut Option<Header>) -> Result<Vec<FactRow>, Fault> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                Fault::caused(
                    Service::Warehouse,
                    FaultKind::Misconfigured,
                    format!("{} cannot be read", self.file()),
                    error,
                )
            })?;
            let Some(header) = header else {
                *header = Some(self.header(&record)?);
                continue;
            };
            if record.len() != header.fields {
                let line = first_line + record.position().map_or(0, |at| at.line() - 1);
                return Err(refused(
                    FaultKind::Misconfigured,
                    format!(
                        "{}, line {line}: {} fields where the header has {}",
                        self.file(),
                        record.len(),
                        header.fields
                    ),
                ));
            }
            rows.extend(self.fact(header, &record));
        }
        Ok(rows)
    }

    fn header(&self, record: &csv::StringRecord) -> Result<Header, Fault> {
        let find = |name: &str| record.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let columns: Vec<_> = self.columns.iter().map(|name| find(name)).collect();
        let both_marks_absent =
            self.columns.contains(&MARKS[0]) && MARKS.iter().all(|name| find(name).is_none());
        let mut absent = Vec::new();
        if find("AttemptId").is_none() {
            absent.push("AttemptId");
        }
        for (name, column) in self.columns.iter().zip(&columns) {
            if column.is_none() && (both_marks_absent || !MARKS.contains(name)) {
                absent.push(name);
            }
        }
        match find("AttemptId") {
            Some(attempt) if absent.is_empty() => Ok(Header { fields: record.len(), attempt, columns }),
            _ => Err(refused(
                FaultKind::NotFound,
                format!("{} lacks the columns {}", self.file(), absent.join(", ")),
            )),
        }
    }

    fn fact(&self, header: &Header, record: &csv::StringRecord) -> Option<FactRow> {
        let id = values::attempt(&Value::Text(record.get(header.attempt)?.trim().to_owned()))?;
        let cell = |column: &Option<usize>| match column.and_then(|at| record.get(at)) {
            None | Some("" | "\\N") => Value::Null,
            Some(text) => Value::Text(text.to_owned()),
        };
        (self.row)(id, header.columns.iter().map(cell).collect())
    }
}

fn refused(kind: FaultKind, what: String) -> Fault {
    Fault::new(Service::Warehouse, kind, what)
}

fn of_warehouse(mut fault: Fault) -> Fault {
    fault.service = Service::Warehouse;
    fault
}
