//! The part of the target's data about an attempt that the decision needs.

/// What the target holds under a launch id of the attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Held {
    /// No row under a launch id of the attempt.
    #[default]
    Nothing,
    /// A submission that another run or another program wrote; its launch id.
    Elsewhere(String),
    /// A submission that this run wrote: a process that was killed before it recorded it, or a twin.
    ByThisRun,
    /// A launch session whose submission this run wrote and the target lost: it is taken over by `--redo lost`.
    Lost,
    /// A launch session without a submission, whose unique key would refuse the row; its launch id.
    SessionOnly(String),
}
