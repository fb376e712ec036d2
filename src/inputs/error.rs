//! Errors of an input, with file, line and column.

use super::Problem;
use crate::{
    exit::{Exit, Stop},
    ports::Fault,
};

/// Why an input cannot be read. Nothing is migrated from it.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The setting names a file that cannot be read.
    #[error("{location} cannot be read: {reason}; check --submissions, --mapping and the file's rights")]
    Unreadable {
        /// The path or blob.
        location: String,
        /// The operating system's or the service's reason.
        reason: String,
    },
    /// The file's text breaks RFC 4180. Names the line on which the cell began.
    #[error("{location}, line {line}, {column}: {problem}")]
    Malformed {
        /// The path or blob.
        location: String,
        /// Line of the file, counted from 1.
        line: u64,
        /// Its header name, or its number.
        column: String,
        /// What is wrong with the record.
        problem: Problem,
    },
    /// Bytes that the encoding does not allow.
    #[error("{location}, line {line}, {column}: bytes that are not {encoding}; {remedy}")]
    Encoding {
        /// The path or blob.
        location: String,
        /// From 1: where the cell began that holds them.
        line: u64,
        /// Its header name, or its number.
        column: String,
        /// What the file was read as.
        encoding: &'static str,
        /// What the operator should do.
        remedy: &'static str,
    },
    /// No header, or not the columns that must be there.
    #[error("{location}, line 1: {reason}")]
    Header {
        /// The path or blob.
        location: String,
        /// The problem and its remedy.
        reason: String,
    },
    /// The whole file is written as a tool writes it that is not asked for RFC 4180.
    #[error("{location}{place}: {reason}")]
    Habit {
        /// The path or blob.
        location: String,
        /// `, line 3, column "Grade"`; empty if `reason` names the lines.
        place: String,
        /// The tool's convention and the remedy.
        reason: String,
    },
    /// Its service did not answer.
    #[error(transparent)]
    Fault(Fault),
}

impl From<InputError> for Stop {
    /// 64 if the setting is at fault, 65 if the file is.
    fn from(error: InputError) -> Self {
        match error {
            InputError::Unreadable { .. } => Self::new(Exit::Usage, error.to_string()),
            InputError::Malformed { .. }
            | InputError::Encoding { .. }
            | InputError::Header { .. }
            | InputError::Habit { .. } => {
                Self::new(Exit::DataRefused, format!("{error}; nothing was migrated"))
            }
            InputError::Fault(fault) => fault.into(),
        }
    }
}
