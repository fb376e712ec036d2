//! Why an operation has no result, and how that ends a process.

use std::time::Duration;

use crate::{
    exit::{Exit, Moment, Stop},
    ports::{Fault, FaultKind},
};

/// Why an operation has no result.
#[derive(Debug)]
pub enum Trouble {
    /// The row is to blame: a retry changes nothing, or its tries are used up.
    Row(Fault),
    /// The process must end.
    Process(Stop),
    /// The process received SIGTERM while it waited; the row gets no outcome.
    Stopping,
}

impl Trouble {
    /// The end of a shard: what is wrong with its own files in the run store is no other shard's matter.
    pub fn of_one_shard(self) -> Stop {
        match self {
            Self::Row(fault) if fault.kind == FaultKind::Corrupt => {
                Stop::from(fault).at(Moment::AfterFirstRow)
            }
            other => other.into(),
        }
    }
}

impl From<Trouble> for Stop {
    /// If there is no row to blame, the fault ends the process.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Row(fault) => fault.into(),
            Trouble::Process(stop) => stop,
            Trouble::Stopping => {
                Self::new(Exit::Stopped, "stopped before it was done; run again to continue")
            }
        }
    }
}

/// The end of a process for which a service did not work for longer than `give_up_after`.
pub(super) fn given_up(give_up_after: Duration, fault: &Fault) -> Stop {
    let minutes = give_up_after.as_secs_f64() / 60.0;
    let what = if fault.is_answer() { "in which each answer was a refusal" } else { "without an answer" };
    Stop::new(
        Exit::Temporary,
        format!(
            "gave up after {minutes:.1} min {what} (give-up-after): {}. No row was blamed; repair the service and run again",
            fault.chain()
        ),
    )
}
