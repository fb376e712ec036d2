//! What the run is going to ask of the services, and how long it is going to take.

use crate::{
    domain::shard_of,
    run::{Plan, PredictedDuration, PredictedShard, Prediction, Quantities},
    settings::Settings,
};

/// Rows that are gathered with one round trip to each service.
const GATHERED_ROWS: u64 = 500;
/// Bytes above which a file goes in parts of this.
const PART_BYTES: u64 = 8 << 20;
/// Growth of the tables and their indexes, measured with 1,500 submissions of 3 files: 6.6 KB each. How it divides into
/// submission and file is estimated.
const SUBMISSION_BYTES: u64 = 4_000;
const FILE_BYTES: u64 = 900;
/// Rows a second of one process that need no copy.
const UNCOPIED_ROWS_A_SECOND: u64 = 30_000;
/// Files a second of one process, if nothing was measured.
const ASSUMED_FILES_A_SECOND: u64 = 250;
/// Submissions a second that one process commits at most, measured with files that take no time: 890 to 1,180.
const COMMITTED_ROWS_A_SECOND: u64 = 1_000;
/// What a run reaches of bare GET and PUT of the same files (goal of benches/).
const SHARE_OF_BARE_COPIES: f64 = 0.9;
/// From a process's start to its first copy, in milliseconds.
const START_MS: u64 = 500;

/// What was measured by copying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Files that were copied.
    pub files: u64,
    /// Length of all of them together.
    pub bytes: u64,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
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

    fn milliseconds_of_a_file(&self) -> f64 {
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

/// From the first process's start to the last outcome.
pub fn duration(
    prediction: &Prediction,
    settings: &Settings,
    measured: Option<Measured>,
) -> PredictedDuration {
    let processes = settings.parallelism.min(settings.shards).max(1);
    let files = largest_share(prediction, processes, |shard| shard.files);
    let migrated = largest_share(prediction, processes, |shard| shard.migrated);
    let uncopied = prediction.rows - prediction.outcomes.migrated.rows.min(prediction.rows);
    let other_ms = START_MS + uncopied * 1_000 / UNCOPIED_ROWS_A_SECOND / u64::from(processes);
    let (copying_ms, basis) = if let Some(measured) = measured.filter(|measured| measured.files > 0) {
        let each = measured.milliseconds_of_a_file() / SHARE_OF_BARE_COPIES;
        let basis = format!(
            "measured: {} files of {} bytes in {} ms, {} at a time; a run reaches {SHARE_OF_BARE_COPIES} of bare copies, and \
             each of {processes} processes the same rate",
            measured.files, measured.bytes, measured.milliseconds, measured.at_a_time
        );
        (whole(float(files) * each), basis)
    } else {
        let basis = format!(
            "assumed, not measured: {ASSUMED_FILES_A_SECOND} files a second in each of {processes} processes; --probe \
             measures"
        );
        (files * 1_000 / ASSUMED_FILES_A_SECOND, basis)
    };
    // Commits go on beside copies: the slower of both decides.
    let moving_ms = copying_ms.max(migrated * 1_000 / COMMITTED_ROWS_A_SECOND);
    PredictedDuration { milliseconds: other_ms + moving_ms, processes, basis }
}

/// What the process has that has most, if shards are worked on in their order.
fn largest_share(prediction: &Prediction, processes: u32, of: fn(&PredictedShard) -> u64) -> u64 {
    let mut shares = vec![0_u64; processes as usize];
    for shard in &prediction.shards {
        let process = shard_of(u64::from(shard.shard.0), processes).place();
        if let Some(share) = shares.get_mut(process) {
            *share += of(shard);
        }
    }
    shares.into_iter().max().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of a run stay far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is not negative, and a float beyond u64 becomes its largest value"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
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
            let duration = PredictedDuration { milliseconds, processes, basis: String::new() };
            assert_eq!(pod_hours(&duration), hours, "{processes} processes of {milliseconds} ms");
        }
    }
}
