//! The exported folder: the two tables as `<table>.csv`, in a folder or container. `\N` or an empty field
//! is null; everything else is text.

mod rows;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use self::rows::Rows;
use super::{
    prefix::Prefix,
    tables::{ATTEMPT, MARKS},
    values,
};
use crate::{
    domain::{
        AttemptFacts, AttemptId, Dialect, Extent, FactRow, REPORT_COLUMNS, REPORT_TABLE, SCORE_COLUMNS,
        SCORE_TABLE, TableExtent, Value,
    },
    inputs::{
        CsvReader, Fingerprint, Format, InputError, InputSource, Layout, Record, Role, StrangeIds,
        is_empty_by_bcp,
    },
    ports::{Blobs, EXPORTED_TABLES, Fault, FaultKind, Service, Warehouse, WarehouseShape},
};

/// The warehouse as exported files.
#[derive(Clone)]
pub struct Export {
    blobs: Arc<dyn Blobs>,
    dialect: Dialect,
    /// Of the files that were read to their end.
    scanned: Arc<Mutex<HashMap<&'static str, TableExtent>>>,
}

impl Export {
    /// The two files in `blobs`, with the export dialect that the settings name.
    pub fn new(blobs: Arc<dyn Blobs>, dialect: Dialect) -> Self {
        Self { blobs, dialect, scanned: Arc::default() }
    }

    fn source(&self, table: &Table) -> InputSource {
        InputSource::Blob { blobs: Arc::clone(&self.blobs), name: format!("{}.csv", table.name) }
    }

    /// Opens a table's file and finds its columns.
    async fn open(&self, table: &Table) -> Result<(CsvReader, Columns), Fault> {
        let source = self.source(table);
        let format = Format { encoding: None, dialect: self.dialect.clone(), role: Role::WarehouseTable };
        let mut reader = CsvReader::open(&source, &format).await.map_err(of_warehouse)?;
        let columns = table.find(&reader)?;
        reader.expect(columns.layout());
        Ok((reader, columns))
    }

    async fn extent_of(&self, table: &Table) -> Result<TableExtent, Fault> {
        let scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner).get(table.name).cloned();
        if let Some(scanned) = scanned {
            return Ok(scanned);
        }
        let source = self.source(table);
        let Fingerprint { size_bytes, sha256 } = source.fingerprint().await.map_err(of_warehouse)?;
        Ok(TableExtent { table: source.location(), extent: Extent::File { size_bytes, sha256 } })
    }
}

#[async_trait]
impl Warehouse for Export {
    async fn description(&self) -> Result<String, Fault> {
        Ok(self.address())
    }

    fn address(&self) -> String {
        format!("{EXPORTED_TABLES}in {}", self.blobs.location())
    }

    async fn shape(&self) -> Result<WarehouseShape, Fault> {
        let mut problems = Vec::new();
        for table in &TABLES {
            match self.open(table).await {
                Ok(_) => {}
                Err(fault) if fault.kind == FaultKind::NotFound => problems.push(fault.what),
                Err(fault) => return Err(fault),
            }
        }
        if !problems.is_empty() {
            return Err(Fault::new(Service::Warehouse, FaultKind::NotFound, problems.join("; ")));
        }
        Ok(WarehouseShape {
            description: self.description().await?,
            rows: None,
            extent: Vec::new(),
            lookups_are_cheap: false,
            scan_bytes: None,
            max_connections: None,
            connections_per_process: None,
        })
    }

    async fn extent(&self) -> Result<Vec<TableExtent>, Fault> {
        let mut extent = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            extent.push(self.extent_of(table).await?);
        }
        Ok(extent)
    }

    /// Reads both files to their end: for a few questions only.
    async fn fetch_some(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<AttemptFacts>, Fault> {
        let mut prefix = Prefix::new(attempts, room);
        self.scan(&mut |rows| {
            for row in rows {
                prefix.take(row);
            }
            Ok(())
        })
        .await?;
        Ok(prefix.finish())
    }

    async fn reported(&self, each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        let [reports, _] = &TABLES;
        let mut rows = Rows::begin(self, reports).await?;
        while let Some(batch) = rows.next().await? {
            let id = |row: &FactRow| match row {
                FactRow::Report(id, _) | FactRow::Score(id, _) => *id,
            };
            each(batch.iter().map(id).collect());
        }
        Ok(())
    }

    /// Reads both tables at once, each on a task of its own.
    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        rows::scan(self, each).await
    }
}

/// One of the two files.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    row: fn(AttemptId, Vec<Value>) -> Option<FactRow>,
}

static TABLES: [Table; 2] = [
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

/// Index of each column in the file.
struct Columns {
    attempt: usize,
    /// `None` for an absent marks column.
    values: Vec<Option<usize>>,
}

impl Columns {
    fn layout(&self) -> Layout {
        let used = self.values.iter().flatten().copied().chain([self.attempt]).collect();
        Layout { id: self.attempt, used, strange_ids: StrangeIds::RefuseTheFile, ..Layout::default() }
    }
}

impl Table {
    fn find(&self, reader: &CsvReader) -> Result<Columns, Fault> {
        let place = |name: &str| reader.places(name).next();
        let values: Vec<_> = self.columns.iter().map(|name| place(name)).collect();
        let both_marks_absent =
            self.columns.contains(&MARKS[0]) && MARKS.iter().all(|name| place(name).is_none());
        let may_be_absent = |name: &&str| MARKS.contains(name) && !both_marks_absent;
        let names = || std::iter::once(ATTEMPT).chain(self.columns.iter().copied());
        let absent: Vec<&str> =
            names().filter(|name| place(name).is_none() && !may_be_absent(name)).collect();
        let doubled: Vec<&str> = names().filter(|name| reader.places(name).count() > 1).collect();
        let file = reader.location();
        match place(ATTEMPT) {
            Some(attempt) if absent.is_empty() && doubled.is_empty() => Ok(Columns { attempt, values }),
            _ if absent.is_empty() => Err(Fault::new(
                Service::Warehouse,
                FaultKind::Misconfigured,
                format!("{file} has the columns {} more than once", doubled.join(", ")),
            )),
            _ => Err(Fault::new(
                Service::Warehouse,
                FaultKind::NotFound,
                format!(
                    "{file} lacks the columns {}; {}",
                    absent.join(", "),
                    reader.hint(&absent, &names().collect::<Vec<_>>())
                ),
            )),
        }
    }

    /// `None` for a row whose cells are all blank. For any other row without an id the reader refuses the file.
    fn fact(&self, columns: &Columns, record: &Record, dialect: &Dialect) -> Option<FactRow> {
        let id = AttemptId::from_number(record.get(columns.attempt)).ok()?;
        let cell = |column: &Option<usize>| {
            let Some(index) = *column else { return Value::Null };
            match record.get(index) {
                "" | "\\N" => Value::Null,
                text if is_empty_by_bcp(text) => Value::Text(String::new()),
                text if dialect.is_null(text, record.is_quoted(index)) => Value::Null,
                text => Value::Text(text.to_owned()),
            }
        };
        (self.row)(id, columns.values.iter().map(cell).collect())
    }
}

fn of_warehouse(error: InputError) -> Fault {
    match error {
        InputError::Fault(mut fault) => {
            fault.service = Service::Warehouse;
            fault
        }
        InputError::Unreadable { location, reason } => {
            let what = format!("{location} is missing: {reason}");
            Fault::new(Service::Warehouse, FaultKind::NotFound, what)
        }
        refused => Fault::new(Service::Warehouse, FaultKind::Misconfigured, refused.to_string()),
    }
}
