//! The input's row of an outcome: the input must be the plan's, and the outcome that row's.

use super::{InputRow, InputRows};
use crate::{
    domain::{AttemptId, Outcome},
    exit::{Exit, Stop},
    run::Plan,
};

/// The input's row of the outcome, whose attempt is the same. An attempt that only an earlier run's input names has no row in this
/// one; it is skipped.
pub(super) async fn own_row(
    input: &mut dyn InputRows,
    outcome: &Outcome,
    plan: &Plan,
) -> Result<Option<InputRow>, Stop> {
    if outcome.row > plan.submissions.rows {
        return Ok(None);
    }
    let row = row_of(input, outcome.row, plan).await?;
    if row.attempt == outcome.attempt {
        return Ok(Some(row));
    }
    let is_planned = is_planned(input, plan).await?;
    Err(if is_planned { foreign(outcome, row.attempt) } else { changed(plan) })
}

/// Row `number`; rows are asked for in ascending order.
async fn row_of(input: &mut dyn InputRows, number: u64, plan: &Plan) -> Result<InputRow, Stop> {
    loop {
        match input.next().await? {
            Some(row) if row.number < number => {}
            Some(row) if row.number == number => return Ok(row),
            _ => return Err(changed(plan)),
        }
    }
}

/// Whether the input's bytes are those that were planned. Reads it to its end.
pub(super) async fn is_planned(input: &mut dyn InputRows, plan: &Plan) -> Result<bool, Stop> {
    while input.next().await?.is_some() {}
    Ok(input.sha256().is_some_and(|sha256| sha256.eq_ignore_ascii_case(&plan.submissions.sha256)))
}

/// The refusal of an outcome that is not of its row: merged into it, it would tell another learner's result.
fn foreign(outcome: &Outcome, planned: Option<AttemptId>) -> Stop {
    let named = |attempt: Option<AttemptId>| attempt.map_or("none".to_owned(), |attempt| attempt.to_string());
    let what = format!(
        "the outcome recorded for row {} is of attempt {}, and that row of the submissions CSV holds attempt {}: a \
         segment of another run was put into the run store; no result was written",
        outcome.row,
        named(outcome.attempt),
        named(planned)
    );
    Stop::new(Exit::Configuration, what)
}

pub(super) fn changed(plan: &Plan) -> Stop {
    let what = format!(
        "{} changed since the run began: bring back the file that was planned (SHA-256 {}), or start a run with \
         another name; no result was written",
        plan.submissions.location, plan.submissions.sha256
    );
    Stop::new(Exit::Configuration, what)
}
