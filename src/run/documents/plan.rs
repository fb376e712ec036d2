//! The one reader of `plan.json`, from a run store or a bundle.

use serde::{Deserialize, de::DeserializeOwned};

use super::{FORMAT, Plan};
use crate::ports::{Fault, FaultKind, Service};

impl Plan {
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

/// Reads a document of the run, which stands at `place`.
pub(in crate::run) fn parse<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("{place} cannot be read: it was changed, or another version wrote it");
        Fault::caused(Service::RunStore, FaultKind::Corrupt, what, error)
    })
}
