//! Flags of commands that decide, as plain text: [`crate::settings`] parses those that are settings.

use clap::Args;
use serde::Serialize;

/// What is done again.
#[derive(Debug, Args, Serialize)]
pub struct RedoFlags {
    /// lost: move the rows again that were migrated and that the target no longer holds [env: ROGO_REDO]
    #[arg(long, value_name = "lost", help_heading = "Deciding")]
    pub redo: Option<String>,
}

/// What is accepted as it is.
#[derive(Debug, Args, Serialize)]
pub struct AcceptFlags {
    /// lost: skip the rows that were migrated and that the target no longer holds, as deleted_in_target
    #[arg(long, value_name = "lost", help_heading = "Deciding")]
    pub accept: Option<String>,
}

/// Which attempts a decision is about.
#[derive(Debug, Args, Serialize)]
pub struct AttemptFlags {
    /// Only these attempts: ids one a line, or any CSV with an Attempt ID column
    #[arg(long, value_name = "FILE", help_heading = "Deciding")]
    pub attempts: Option<String>,
}

/// That a person has decided, for commands that do not insist on it.
#[derive(Debug, Args)]
pub struct ConfirmFlags {
    /// Confirms the decision; taken by every command that decides, needed by rollback and purge only
    #[arg(long, help_heading = "Deciding")]
    pub yes: bool,
}

/// What `rollback` and `purge` take too, for decisions that are about the whole run.
#[derive(Debug, Args)]
pub struct DecisionFlags {
    /// Confirmation of the decision.
    #[command(flatten)]
    pub confirm: ConfirmFlags,
    /// Refused with a sentence: this decision is about the whole run
    #[arg(long, value_name = "FILE", hide = true)]
    pub attempts: Option<String>,
}

/// Why a person decided so.
#[derive(Debug, Args, Serialize)]
pub struct ReasonFlags {
    /// Why, for the run's log of decisions [env: ROGO_REASON]
    #[arg(long, value_name = "TEXT", help_heading = "Deciding")]
    pub reason: Option<String>,
}
