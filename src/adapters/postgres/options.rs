//! How readers and writers of the target database are made.

use std::{sync::Arc, time::Duration};

use azure_core::credentials::TokenCredential;

use super::{EnforcementLedger, OnWait, SharedFence};
use crate::{
    ports::Gate,
    settings::{DatabaseSettings, Organisation, RuleSettings},
};

/// How the target database is reached, and what is looked for there.
pub struct PostgresOptions<'settings> {
    /// How it is reached.
    pub database: &'settings DatabaseSettings,
    /// Source of Entra tokens; set only with [`crate::settings::DatabaseAuth::Entra`].
    pub credential: Option<Arc<dyn TokenCredential>>,
    /// Largest number of open connections in the pool.
    pub pool: u32,
    /// What the server shows beside the connections and their locks: `run/shard/writer`, at most 63 bytes.
    pub application_name: String,
    /// Whose submissions these are.
    pub organisation: &'settings Organisation,
    /// Instruction set, assignment title, owner of applied rules.
    pub rules: &'settings RuleSettings,
}

/// What a writer has beside a reader.
pub struct WriterOptions {
    /// The run's lock: every connection takes it before it is used.
    pub fence: SharedFence,
    /// Where images of enforcement rows go before they are changed.
    pub ledger: Arc<dyn EnforcementLedger>,
    /// `azure_container_name` of the files.
    pub container: String,
    /// Where the target guard holds up statements; shared by the workers of the process.
    pub gate: Arc<Gate>,
    /// Is told how long each statement waited for a connection of the pool, or for its turn at the gate.
    pub waited: OnWait,
    /// Is told of each statement that committed submissions, once it is answered.
    pub sent: OnSent,
}

/// What the next shard of a process has of its own: the connections stay.
pub struct NextShard {
    /// `run/shard/writer`, at most 63 bytes.
    pub application_name: String,
    /// The run's lock, with the question whether the next shard's writer was retired.
    pub fence: SharedFence,
    /// As [`WriterOptions::waited`].
    pub waited: OnWait,
    /// As [`WriterOptions::sent`].
    pub sent: OnSent,
}

/// Is told of a statement that was answered.
pub type OnSent = Arc<dyn Fn(SentStatement) + Send + Sync>;

/// A statement that committed submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentStatement {
    /// How many it carried.
    pub submissions: usize,
    /// From the request to the answer, without the wait for a connection.
    pub took: Duration,
    /// Whether it was a transaction of several round trips, and this is the time of all of them.
    pub in_transaction: bool,
}
