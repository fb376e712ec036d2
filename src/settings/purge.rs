//! The settings of `purge`.

use std::path::PathBuf;

use super::{Sources, StoreSettings, parse, reader::Reader, table as t};
use crate::exit::Stop;

/// Settings of `purge`: a run, and a person's decision about it. No service but the run store is asked.
#[derive(Debug, Clone)]
pub struct PurgeSettings {
    /// The run and its store.
    pub store: StoreSettings,
    /// `--attempts`: the only attempts to purge.
    pub attempts: Option<PathBuf>,
    /// `--reason`.
    pub reason: Option<String>,
    /// The user of the machine, as far as it is known.
    pub user: String,
}

impl PurgeSettings {
    /// Parses them; the refusal names every bad and every missing one.
    pub fn load(sources: &Sources) -> Result<Self, Stop> {
        let mut reader = Reader::new(sources);
        reader.log();
        let store = reader.store_settings();
        let attempts = reader.optional(&t::ATTEMPTS, parse::path);
        let reason = reader.optional(&t::REASON, parse::text);
        let user = reader.user();
        let settings = store.map(|store| Self { store, attempts, reason, user });
        reader.end(settings)
    }
}
