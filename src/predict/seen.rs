//! What a prediction sees of the services while it reads: how fast rows are gathered, how far PostgreSQL is.

use std::time::{Duration, Instant};

use crate::ports::{Fault, TargetReader};

/// Round trips to PostgreSQL that are timed, behind one that opens the connection.
const ROUND_TRIPS: usize = 9;

/// What was seen of the services while every row was gathered and decided.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// Rows that were gathered and decided.
    pub rows: u64,
    /// How long that took in one process.
    pub gathering: Duration,
    /// The middle one of some round trips to PostgreSQL.
    pub round_trip: Duration,
}

/// The middle one of some looks at a row by its key.
pub async fn round_trip(target: &dyn TargetReader) -> Result<Duration, Fault> {
    let nothing = ["rogo-migrate".to_owned()];
    target.standing(&nothing).await?;
    let mut took = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let asked = Instant::now();
        target.standing(&nothing).await?;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(ROUND_TRIPS / 2).copied().unwrap_or_default())
}
