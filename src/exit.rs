//! The exit codes: sysexits, as the chart's podFailurePolicy reads them.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::ports::{Fault, FaultKind, Retry, Service};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every row has an outcome and the done marker is written.
    Done = 0,
    /// A verification found differences.
    Differences = 1,
    /// The command line or a setting cannot be read.
    Usage = 64,
    /// The inputs are refused, or the circuit breaker is open.
    DataRefused = 65,
    /// Some rows have no outcome.
    Incomplete = 69,
    /// A fault of the program itself.
    Bug = 70,
    /// Temporary: run the same command again.
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
            Self::Stopped => "stopped; run again to continue",
        }
    }

    /// What to do where the log is not at hand.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Done => "nothing",
            Self::Differences => "read the differences that the verification has written",
            Self::Usage => "correct the command line or the settings that the log names, and run again",
            Self::DataRefused => {
                "the inputs were refused, or the circuit breaker is open: the log says which; correct the cause and run again"
            }
            Self::Incomplete => "see `rogo-migrate status`: it names the shards and the next command",
            Self::Bug => "run again to continue, and report the place that the log names",
            Self::Temporary => {
                "run the same command again; if it ends like this again, the log names the service"
            }
            Self::Configuration => {
                "correct the configuration or the rights that the log names, and run again"
            }
            Self::Stopped => "run again to continue",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A regular end of the process: its exit code and a message about the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Exit code of the process.
    pub exit: Exit,
    /// What happened, in a line.
    pub message: String,
}

impl End {
    /// Ends the command with exit code 0.
    pub fn done(message: impl Into<String>) -> Self {
        Self { exit: Exit::Done, message: message.into() }
    }
}

impl From<Exit> for End {
    fn from(exit: Exit) -> Self {
        Self { exit, message: exit.meaning().to_owned() }
    }
}

/// When a fault occurs: refused credentials are a wrong setting at first, and a rotation once they have worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the plan exists, and for commands that only read a run.
    BeforePlan,
    /// The plan was let in with these credentials: a shard before its first row, a finalizer, a sweep.
    AfterPlan,
    /// A shard after its first row: what ends it ends no other shard.
    AfterFirstRow,
}

impl Moment {
    /// Whether a process waits for the fault to pass: the first column of the table in ARCHITECTURE.md.
    pub fn waits_for(self, kind: &FaultKind) -> bool {
        match kind.retry() {
            Retry::Again | Retry::Settle => true,
            Retry::Never => {
                self != Self::BeforePlan && matches!(kind, FaultKind::Unauthenticated | FaultKind::NoRole)
            }
        }
    }

    /// Exit code for the fault after the wait: the second column.
    pub fn exit(self, kind: &FaultKind) -> Exit {
        // Fenced: another process merged meanwhile, and the next one may write.
        if self.waits_for(kind) || *kind == FaultKind::Fenced {
            Exit::Temporary
        } else if self == Self::AfterFirstRow {
            Exit::DataRefused
        } else {
            Exit::Configuration
        }
    }
}

/// An unsuccessful end of the process: its exit code and the message for the operator.
#[derive(Debug)]
pub struct Stop {
    /// Exit code of the process.
    pub exit: Exit,
    /// What happened, where, and what to do.
    pub message: String,
    /// The fault that caused it, if one did.
    cause: Option<(Service, FaultKind)>,
}

impl Stop {
    /// Ends the process with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), cause: None }
    }

    /// The same, caused by a fault of this kind.
    pub fn caused(exit: Exit, message: impl Into<String>, cause: Option<(Service, FaultKind)>) -> Self {
        Self { exit, message: message.into(), cause }
    }

    /// The service whose fault caused it, and the kind of that fault.
    pub fn cause(&self) -> Option<(Service, &FaultKind)> {
        self.cause.as_ref().map(|(service, kind)| (*service, kind))
    }

    /// The same end in other words.
    #[must_use]
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// What is known of the end beside its message; the names are those of `--notify`.
    pub fn facts(&self) -> Map<String, Value> {
        let cause = self.cause();
        let facts = [
            ("exit_code", json!(self.exit as u8)),
            ("meaning", json!(self.exit.meaning())),
            ("service", json!(cause.map(|(service, _)| service.to_string()))),
            ("error_type", json!(cause.map(|(_, kind)| kind.name()))),
            ("next", json!(self.exit.advice())),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The error as one line of JSON, for programs that read standard output.
    pub fn json(&self) -> String {
        let mut error = self.facts();
        error.insert("message".to_owned(), json!(self.message));
        json!({ "error": error }).to_string()
    }

    /// The same, struck at `moment`: the exit code follows the fault that caused it. A shard that began ends no other:
    /// 78 would end them all.
    #[must_use]
    pub fn at(mut self, moment: Moment) -> Self {
        if let Some((_, kind)) = &self.cause {
            self.exit = moment.exit(kind);
        }
        if moment == Moment::AfterFirstRow && self.exit == Exit::Configuration {
            self.exit = Exit::DataRefused;
        }
        self
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

impl From<Fault> for Stop {
    /// As [`Moment::BeforePlan`] says; [`Stop::at`] says otherwise if the caller knows more.
    fn from(fault: Fault) -> Self {
        let message = fault.chain();
        Self { exit: Moment::BeforePlan.exit(&fault.kind), message, cause: Some((fault.service, fault.kind)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Service;

    #[test]
    fn the_table_of_faults_waits_and_codes() {
        use Exit::{Configuration, DataRefused, Temporary};
        use FaultKind::{
            AnswerLost, Changed, ContainerGone, Corrupt, Denied, Exists, Fenced, Immutable, Misconfigured,
            NoRole, NotFound, Rejected, Throttled, Unauthenticated, Unavailable, Unsupported,
        };
        let rejected = || Rejected("c".into());
        for (kind, before, after, begun) in [
            (Unavailable, Temporary, Temporary, Temporary),
            (Throttled(None), Temporary, Temporary, Temporary),
            (AnswerLost, Temporary, Temporary, Temporary),
            (Unauthenticated, Configuration, Temporary, Temporary),
            (NoRole, Configuration, Temporary, Temporary),
            (ContainerGone, Configuration, Configuration, DataRefused),
            (Immutable, Configuration, Configuration, DataRefused),
            (Fenced, Temporary, Temporary, Temporary),
            (Denied, Configuration, Configuration, DataRefused),
            (NotFound, Configuration, Configuration, DataRefused),
            (Exists, Configuration, Configuration, DataRefused),
            (Changed, Configuration, Configuration, DataRefused),
            (Corrupt, Configuration, Configuration, DataRefused),
            (rejected(), Configuration, Configuration, DataRefused),
            (Misconfigured, Configuration, Configuration, DataRefused),
            (Unsupported, Configuration, Configuration, DataRefused),
        ] {
            let ends = |moment| Stop::from(Fault::new(Service::Database, kind.clone(), "w")).at(moment).exit;
            assert_eq!(ends(Moment::BeforePlan), before, "{kind:?}");
            assert_eq!(ends(Moment::AfterPlan), after, "{kind:?}");
            assert_eq!(ends(Moment::AfterFirstRow), begun, "{kind:?}");
        }
        assert_eq!(Stop::new(Configuration, "").at(Moment::AfterPlan).exit, Configuration);
        assert_eq!(Stop::new(Configuration, "").at(Moment::AfterFirstRow).exit, DataRefused);
    }
}
