//! The exit codes: sysexits, as the chart's podFailurePolicy reads them.

use std::fmt;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every row has an outcome and the done marker stands.
    Done = 0,
    /// Verify found differences.
    Differences = 1,
    /// The command line or a setting cannot be read.
    Usage = 64,
    /// The inputs are refused, or the circuit breaker is open.
    DataRefused = 65,
    /// Rows are without an outcome.
    Incomplete = 69,
    /// A bug.
    Bug = 70,
    /// Temporary: run again.
    Temporary = 75,
    /// Configuration, rights, or a plan that does not match.
    Configuration = 78,
    /// Stopped by SIGTERM after a clean flush.
    Stopped = 143,
}

impl Exit {
    /// The code's meaning, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Differences => "verify found differences",
            Self::Usage => "wrong usage",
            Self::DataRefused => "data refused",
            Self::Incomplete => "INCOMPLETE: rows without an outcome",
            Self::Bug => "a bug; please report it",
            Self::Temporary => "temporary; run again",
            Self::Configuration => "configuration, rights, or a plan that does not match",
            Self::Stopped => "stopped; run again to go on",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An end of the process that is as it should be: the code, and what was achieved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub exit: Exit,
    /// What happened, in a line.
    pub message: String,
}

impl End {
    /// Success.
    pub fn done(message: impl Into<String>) -> Self {
        Self { exit: Exit::Done, message: message.into() }
    }
}

impl From<Exit> for End {
    fn from(exit: Exit) -> Self {
        Self { exit, message: exit.meaning().to_owned() }
    }
}

/// An end of the process that is not success: the code, and what to tell the person.
#[derive(Debug)]
pub struct Stop {
    /// The exit code.
    pub exit: Exit,
    /// What happened, where, and what to do.
    pub message: String,
}

impl Stop {
    /// Ends the process with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

impl From<crate::ports::Fault> for Stop {
    /// Before the first row: what may pass by itself is temporary, the rest is configuration.
    fn from(fault: crate::ports::Fault) -> Self {
        let exit = match fault.kind.retry() {
            crate::ports::Retry::Again | crate::ports::Retry::Settle => Exit::Temporary,
            crate::ports::Retry::Never => match fault.kind {
                crate::ports::FaultKind::Fenced => Exit::Temporary,
                _ => Exit::Configuration,
            },
        };
        Self::new(exit, fault.chain())
    }
}
