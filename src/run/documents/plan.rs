//! The one reader of `plan.json`, from a run store or a bundle, and what its figures warn of.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{FORMAT, Plan, Warning, WarningCode};
use crate::{
    domain::SCORE_TABLE,
    ports::{Fault, FaultKind, Service},
};

/// Rows of the warehouse's tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarehouseRows {
    /// Of the reports' table.
    pub reports: u64,
    /// Of the scores' table.
    pub scores: u64,
}

impl Plan {
    /// What a person should know of the plan before its run, and of the run's result: the plan and its prediction say it, and the
    /// summary again.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warehouse_rows.and_then(no_scores).into_iter().collect()
    }

    /// Reads `plan.json`, which stands at `place`. [`FaultKind::Misconfigured`] if its documents have another format;
    /// `instead` says what to do then.
    pub(in crate::run) fn read(place: &str, bytes: &[u8], instead: &str) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Format {
            format: Option<u64>,
        }
        let Format { format } = parse(place, bytes)?;
        if format == Some(u64::from(FORMAT)) {
            return parse(place, bytes);
        }
        let found =
            format.map_or_else(|| "names no format".to_owned(), |format| format!("has format {format}"));
        let what = format!(
            "{place} {found}, and this program reads format {FORMAT}: another version made it, {instead}"
        );
        Err(Fault::new(Service::RunStore, FaultKind::Misconfigured, what))
    }
}

/// An organisation may give no scores; more often their export or their load is missing, and no row can show it: a
/// submission may have no score.
fn no_scores(WarehouseRows { reports, scores }: WarehouseRows) -> Option<Warning> {
    let is_suspect = reports > 0 && scores == 0;
    is_suspect.then(|| Warning {
        code: WarningCode::NoScores,
        detail: format!(
            "the warehouse holds {reports} reports and not one score, so that no submission gets section marks; if there \
             are scores, export or load {SCORE_TABLE} again and start a run with another name"
        ),
    })
}

/// Reads a document of the run, which stands at `place`.
pub(in crate::run) fn parse<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("{place} cannot be read: it was changed, or another version wrote it");
        Fault::caused(Service::RunStore, FaultKind::Corrupt, what, error)
    })
}
