//! What the run is going to ask of the services.

use super::duration::float;
use crate::run::{Plan, PredictedDuration, Prediction, Quantities};

/// Rows that are gathered with one round trip to each service.
const GATHERED_ROWS: u64 = 500;
/// Bytes above which a file goes in parts of this.
const PART_BYTES: u64 = 8 << 20;
/// Growth of the tables and their indexes, measured with 1,500 submissions of 3 files: 6.6 KB each. How it divides into
/// submission and file is estimated.
const SUBMISSION_BYTES: u64 = 4_000;
const FILE_BYTES: u64 = 900;

/// What was measured by copying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Files that were copied.
    pub files: u64,
    /// Length of all of them together.
    pub bytes: u64,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
    /// Milliseconds for each file in the fastest and in the slowest half of any pass: how much chance there is in it.
    pub fastest_and_slowest: [f64; 2],
    /// Copies under way at a time.
    pub at_a_time: usize,
    /// Whether the storage service copied; else the bytes went through this process.
    pub by_the_service: bool,
}

impl Measured {
    /// Whether a file took less than one `times`-th of the other's time.
    pub fn is_faster_than(&self, other: &Self, times: f64) -> bool {
        self.milliseconds_of_a_file() * times < other.milliseconds_of_a_file()
    }

    /// Milliseconds for each file, as many at a time as there were.
    pub fn milliseconds_of_a_file(&self) -> f64 {
        float(self.milliseconds) / float(self.files.max(1))
    }
}

/// The requests and bytes of the run.
pub fn quantities(prediction: &Prediction, plan: &Plan, measured: Option<Measured>) -> Quantities {
    let migrated = prediction.outcomes.migrated.rows;
    let (files, bytes) = (prediction.files.files, prediction.files.bytes);
    let batches = prediction.rows.div_ceil(GATHERED_ROWS);
    let by_the_service = measured.is_some_and(|measured| measured.by_the_service);
    Quantities {
        database_requests: migrated + batches,
        warehouse_requests: if plan.facts_files { 0 } else { batches },
        source_requests: files,
        target_requests: files + bytes / PART_BYTES,
        egress_bytes: if by_the_service { 0 } else { bytes },
        database_bytes: migrated * SUBMISSION_BYTES + files * FILE_BYTES,
        pod_hours: pod_hours(&prediction.duration),
        basis: match measured {
            Some(_) if by_the_service => "the storage service copied in the probe, so no bytes pass through this program",
            Some(_) => "the probe's copies passed through this program, and so will all bytes",
            None => "counted as if all bytes passed through this program; if the storage service copies, none do: --probe tells",
        }
        .into(),
    }
}

/// Duration times processes, in hundredths of an hour.
fn pod_hours(duration: &PredictedDuration) -> String {
    let milliseconds = u64::from(duration.processes) * duration.milliseconds;
    format!("{}.{:02}", milliseconds / 3_600_000, milliseconds % 3_600_000 / 36_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_hours_are_the_duration_times_the_processes_that_work_at_a_time() {
        for (processes, milliseconds, hours) in [
            (1, 3_600_000, "1.00"),
            (4, 5_400_000, "6.00"),
            (3, 20 * 60_000, "1.00"),
            (8, 45 * 60_000 + 36_000, "6.08"),
            (1, 35_999, "0.00"),
        ] {
            let duration = PredictedDuration { milliseconds, processes, ..PredictedDuration::default() };
            assert_eq!(pod_hours(&duration), hours, "{processes} processes of {milliseconds} ms");
        }
    }
}
