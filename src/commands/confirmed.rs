//! `--yes` and `--attempts` at commands that decide: the same flags everywhere, and a sentence where one of them means nothing.

use crate::{
    cli::{Command, DecisionFlags},
    exit::{Exit, Stop},
    settings::Sources,
};

/// Refuses `--yes` without a decision, and `--attempts` where a decision is about the whole run.
pub fn refuse(command: &Command, sources: &Sources) -> Result<(), Stop> {
    let is_any_given = |keys: &[&str]| keys.iter().any(|key| sources.is_given(key));
    match command {
        Command::Finalize(args) => {
            whole(
                "finalize",
                "--accept lost is about every lost row, as lost.csv names them",
                &args.decision,
            )?;
            confirms(args.decision.confirm.yes, is_any_given(&["accept"]), "finalize", "--accept lost")
        }
        Command::Resume(args) => {
            whole("resume", "--redo lost is about every lost row, as lost.csv names them", &args.decision)?;
            confirms(args.decision.confirm.yes, is_any_given(&["redo"]), "resume", "--redo lost")
        }
        Command::Orphans(args) => {
            whole("orphans", "orphans are blobs that no attempt names", &args.decision)?;
            confirms(args.decision.confirm.yes, args.delete, "orphans", "--delete")
        }
        Command::Plan(args) => {
            confirms(args.confirm.yes, is_any_given(&["exclude"]), "plan", "--exclude FILE")
        }
        Command::Run(args) => {
            let decides = is_any_given(&["exclude", "breaker"]);
            confirms(args.confirm.yes, decides, "run", "--exclude FILE or --breaker off")
        }
        Command::Shard(_)
        | Command::Verify(_)
        | Command::Status(_)
        | Command::Results(_)
        | Command::Report(_)
        | Command::Rollback(_)
        | Command::Purge(_)
        | Command::Explain(_)
        | Command::Settings(_)
        | Command::Sample(_)
        | Command::Completions(_) => Ok(()),
    }
}

fn whole(command: &str, why: &str, given: &DecisionFlags) -> Result<(), Stop> {
    if given.attempts.is_none() {
        return Ok(());
    }
    let message = format!(
        "{command} takes no --attempts: {why}; leave it out (rollback, purge, verify, plan and run take --attempts)"
    );
    Err(Stop::new(Exit::Usage, message))
}

fn confirms(yes: bool, decides: bool, command: &str, decision: &str) -> Result<(), Stop> {
    if !yes || decides {
        return Ok(());
    }
    let message =
        format!("--yes confirms a decision, and {command} is given none: add {decision}, or leave --yes out");
    Err(Stop::new(Exit::Usage, message))
}
