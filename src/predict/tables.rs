//! The tables beside a prediction: drafted on the local disk, published when the prediction stands.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    exit::Stop,
    ports::Fault,
    run::{
        RunStore,
        lines::no_room,
        names::{self, CONTROLS, NOT_IN_INPUT, TRANSFORMATIONS},
        results::{self, BYTE_ORDER_MARK, CSV, CsvDraft},
    },
};

/// The three tables.
pub struct Tables {
    folder: TempDir,
    /// `transformations.csv`.
    pub transformations: CsvDraft,
    /// `controls.csv`.
    pub controls: CsvDraft,
    /// `not_in_input.csv`.
    pub not_in_input: CsvDraft,
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
            transformations: CsvDraft::create(&path.join(TRANSFORMATIONS), BYTE_ORDER_MARK, transformations)?,
            controls: CsvDraft::create(&path.join(CONTROLS), BYTE_ORDER_MARK, controls)?,
            not_in_input: CsvDraft::create(&path.join(NOT_IN_INPUT), BYTE_ORDER_MARK, not_in_input)?,
            folder,
        })
    }

    /// Puts everything on disk; the tables are ready to be published.
    pub fn finish(self) -> Result<Drafted, Fault> {
        for table in [self.transformations, self.controls, self.not_in_input] {
            table.finish()?;
        }
        Ok(Drafted(self.folder))
    }
}

/// The three tables, complete.
pub struct Drafted(TempDir);

impl Drafted {
    /// Copies the tables into the folder `out` and, unless nothing may be written to it, into the run store.
    pub async fn publish(&self, store: Option<&RunStore>, out: &Path) -> Result<Vec<String>, Stop> {
        let mut places = Vec::new();
        for name in names::PREDICTED {
            results::publish(store, Some(out), name, &self.0.path().join(name), CSV).await?;
            places.push(out.join(name).display().to_string());
        }
        Ok(places)
    }
}
