//! `--limit`, `--attempts` and `--code`: which rows a trial, or a later run, takes.

use std::collections::HashSet;

use crate::{
    domain::{AttemptId, FailCode, text::code_of_error},
    exit::{Exit, Stop},
    inputs::{Hasher, read_attempts},
    settings::Trial,
};

/// Ids named in an error: enough to find the place.
const NAMED: usize = 10;

/// The rows that a trial takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Largest number of rows; the newest are taken.
    pub limit: Option<u64>,
    /// Sorted; `None` lets every attempt in.
    attempts: Option<Vec<AttemptId>>,
    /// Sorted; if empty, every code is let in.
    codes: Vec<FailCode>,
}

impl Selection {
    /// Reads the file of attempt ids, if there is one.
    pub fn read(trial: &Trial) -> Result<Self, Stop> {
        if trial.limit == Some(0) {
            return Err(Stop::new(Exit::Usage, "--limit 0 takes no row; give 1 or more"));
        }
        let attempts = trial.attempts.as_deref().map(read_attempts).transpose()?;
        let mut codes = trial.codes.clone();
        codes.sort_unstable();
        codes.dedup();
        Ok(Self { limit: trial.limit, attempts, codes })
    }

    /// Whether only some rows are taken.
    pub fn is_part(&self) -> bool {
        *self != Self::default()
    }

    /// Whether a row of this attempt is taken.
    pub fn takes(&self, attempt: Option<AttemptId>) -> bool {
        match (&self.attempts, attempt) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(attempts), Some(attempt)) => attempts.binary_search(&attempt).is_ok(),
        }
    }

    /// Whether a row with this Error cell is taken.
    pub fn takes_error(&self, error: &str) -> bool {
        let code = code_of_error(error);
        self.codes.is_empty() || self.codes.iter().any(|wanted| wanted.code() == code)
    }

    /// Refuses codes that no row has.
    pub fn refuse_no_rows(&self, taken: usize) -> Result<(), Stop> {
        if self.codes.is_empty() || taken > 0 {
            return Ok(());
        }
        let message = format!(
            "{}: no row of submission_files.csv has an Error that begins so; give the failure CSV of an earlier run",
            self.code_flag()
        );
        Err(Stop::new(Exit::Usage, message))
    }

    fn code_flag(&self) -> String {
        let codes: Vec<&str> = self.codes.iter().map(|code| code.code()).collect();
        format!("--code {}", codes.join(","))
    }

    /// Refuses a file that names attempts which no row has; `taken` are those of the rows taken.
    pub fn refuse_unmet(&self, taken: impl Iterator<Item = AttemptId>) -> Result<(), Stop> {
        let Some(attempts) = &self.attempts else { return Ok(()) };
        let taken: HashSet<AttemptId> = taken.collect();
        let unmet: Vec<&AttemptId> = attempts.iter().filter(|attempt| !taken.contains(attempt)).collect();
        if unmet.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = unmet.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if unmet.len() > NAMED { ", …" } else { "" };
        Err(Stop::new(
            Exit::Usage,
            format!(
                "--attempts names {} attempt ids that no row of submission_files.csv has: {}{more}; correct the file",
                unmet.len(),
                named.join(", ")
            ),
        ))
    }

    /// What must not change; `None` for all rows.
    pub fn pinned(&self) -> Option<String> {
        let limit = self.limit.map(|limit| format!("--limit {limit}"));
        let attempts = self.attempts.as_ref().map(|attempts| {
            let mut hasher = Hasher::default();
            for attempt in attempts {
                hasher.update(format!("{attempt}\n").as_bytes());
            }
            let sha256: String = hasher.finish().sha256.chars().take(12).collect();
            format!("--attempts of {} ids (sha256 {sha256})", attempts.len())
        });
        let codes = (!self.codes.is_empty()).then(|| self.code_flag());
        let parts: Vec<String> = limit.into_iter().chain(attempts).chain(codes).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
