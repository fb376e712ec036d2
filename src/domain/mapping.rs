//! A row of `attempt_number_mapping.csv`.

use serde::{Deserialize, Serialize};

/// The columns of `attempt_number_mapping.csv` that must be there, by their header names.
pub const MAPPING_COLUMNS: [&str; 5] =
    ["Attempt ID", "Unit Code", "Unit Code Version", "Assessment ID", "Submission"];

/// What the mapping holds for one attempt, cells as they came (untrimmed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// "Unit Code Version", e.g. `24_01`.
    pub unit_version: String,
    /// "Submission", e.g. `Attempt 2` or `Retake Attempt 1`.
    pub submission: String,
}

/// The mapping's answer for one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingState {
    /// No row names the attempt.
    Missing,
    /// One row, or several equal ones.
    Found(Mapping),
    /// The mapping has several rows for the attempt that differ.
    Ambiguous,
}
