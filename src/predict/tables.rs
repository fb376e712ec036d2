//! The tables beside a prediction: drafted on the local disk, published when the prediction stands.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use tempfile::TempDir;

use crate::{
    exit::{Exit, Stop},
    ports::{Fault, PutOptions},
    run::{
        RunStore,
        lines::no_room,
        names::{self, CONTROLS, NOT_IN_INPUT, TRANSFORMATIONS},
        private,
    },
};

const CSV: &str = "text/csv; charset=utf-8";
/// Excel takes the file for UTF-8 by it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The three tables.
pub struct Tables {
    folder: TempDir,
    /// `transformations.csv`.
    pub transformations: Table,
    /// `controls.csv`.
    pub controls: Table,
    /// `not_in_input.csv`.
    pub not_in_input: Table,
}

/// One CSV file being written.
pub struct Table(csv::Writer<BufWriter<File>>);

impl Table {
    fn create(folder: &Path, name: &str, header: &[&str]) -> Result<Self, Fault> {
        let mut file = BufWriter::new(private::create(&folder.join(name)).map_err(no_room)?);
        file.write_all(BYTE_ORDER_MARK).map_err(no_room)?;
        let mut table = Self(csv::Writer::from_writer(file));
        table.row(header)?;
        Ok(table)
    }

    /// Appends a row.
    pub fn row(&mut self, cells: &[impl AsRef<[u8]>]) -> Result<(), Fault> {
        self.0.write_record(cells).map_err(|error| no_room(error.into()))
    }
}

impl Tables {
    /// Three tables that hold their headers only.
    pub fn create() -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(no_room)?;
        let path = folder.path();
        let transformations = ["Kind", "From", "Within", "To", "Rows", "Example Attempt ID"];
        let controls =
            ["Unit Code Version", "Grade", "Rows", "Files", "Bytes", "Marks Awarded", "Marks Possible"];
        let not_in_input = ["Kind", "Attempt ID", "Unit Code Version", "Found In", "Blob", "Bytes"];
        Ok(Self {
            transformations: Table::create(path, TRANSFORMATIONS, &transformations)?,
            controls: Table::create(path, CONTROLS, &controls)?,
            not_in_input: Table::create(path, NOT_IN_INPUT, &not_in_input)?,
            folder,
        })
    }

    /// Puts everything on disk.
    pub fn finish(&mut self) -> Result<(), Fault> {
        for table in [&mut self.transformations, &mut self.controls, &mut self.not_in_input] {
            table.0.flush().map_err(no_room)?;
        }
        Ok(())
    }

    /// Copies the tables into the folder `out` and, unless nothing may be written to it, into the run store.
    pub async fn publish(&self, store: Option<&RunStore>, out: &Path) -> Result<Vec<String>, Stop> {
        let mut places = Vec::new();
        for name in names::PREDICTED {
            let draft = self.folder.path().join(name);
            if let Some(store) = store {
                let path = store.path(&names::result(name));
                store.blobs().put_file(&path, &draft, &PutOptions::replace(CSV)).await?;
            }
            let place = out.join(name);
            private::copy_whole(&draft, out, name).map_err(|error| {
                Stop::new(
                    Exit::Configuration,
                    format!("cannot write {}: {error}; give --out another folder", place.display()),
                )
            })?;
            places.push(place.display().to_string());
        }
        Ok(places)
    }
}
