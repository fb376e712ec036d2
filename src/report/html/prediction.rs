//! The prediction beside the outcome.

use crate::{
    report::grid::{count, span},
    run::Summary,
};

/// The section, ready to be shown.
pub(super) struct Told {
    pub(super) says: String,
    pub(super) table: Vec<Row>,
}

/// A count that differs.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) predicted: String,
    pub(super) outcome: String,
    pub(super) why: String,
}

pub(super) fn of(summary: &Summary) -> Told {
    let Some(compared) = &summary.prediction else {
        let says = "The run was not predicted: rogo-migrate plan --predict says beforehand what a run is going to do.";
        return Told { says: says.to_owned(), table: Vec::new() };
    };
    let time = |milliseconds| span(std::time::Duration::from_millis(milliseconds));
    let duration = format!(
        "It took {}, predicted were {} ({:+.0} %){}.",
        time(compared.duration.outcome_ms),
        time(compared.duration.predicted_ms),
        compared.duration.off_percent,
        compared.late().map_or_else(String::new, |late| format!(": {}", late.why))
    );
    let says = match compared.counts().count() {
        0 => format!("Outcomes, files and bytes are those predicted. {duration}"),
        1 => format!("One number differs from the prediction. {duration}"),
        numbers => format!("{numbers} numbers differ from the prediction. {duration}"),
    };
    let table = compared.counts().map(|difference| Row {
        what: difference.what.clone(),
        predicted: count(difference.predicted),
        outcome: count(difference.outcome),
        why: difference.why.clone(),
    });
    Told { says, table: table.collect() }
}
