//! Whether the warehouse stood still during the run: a row that was changed meanwhile may have been read before or after.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    domain::{TableExtent, extent_changes},
    ports::{Fault, FaultKind, Service},
    run::{Plan, Warning, WarningCode},
    settings::Settings,
};

use super::connect;

/// How long the warehouse may take to count its rows.
const PATIENCE: Duration = Duration::from_mins(5);

/// Compares the warehouse with what the plan noted. A warehouse that does not answer is a warning too: the results do
/// not depend on it.
pub async fn warnings(settings: &Settings, plan: &Plan) -> Vec<Warning> {
    if plan.warehouse_extent.is_empty() {
        return Vec::new();
    }
    let warning = match timeout(PATIENCE, extent(settings)).await {
        Ok(Ok(now)) => changed(plan, &now),
        Ok(Err(fault)) => Some(not_compared(&fault)),
        Err(_) => {
            let what = format!("no answer within {} s", PATIENCE.as_secs());
            Some(not_compared(&Fault::new(Service::Warehouse, FaultKind::Unavailable, what)))
        }
    };
    warning.into_iter().collect()
}

async fn extent(settings: &Settings) -> Result<Vec<TableExtent>, Fault> {
    connect::warehouse(settings)?.extent().await
}

fn changed(plan: &Plan, now: &[TableExtent]) -> Option<Warning> {
    let changes = extent_changes(&plan.warehouse_extent, now);
    if changes.is_empty() {
        return None;
    }
    let detail = format!(
        "the warehouse changed since the plan: {}; rows were decided by what it held when they were read: find out what \
         changed, and whether the rows in question have to be run again",
        changes.join("; ")
    );
    Some(Warning { code: WarningCode::SourceNotFrozen, detail })
}

fn not_compared(fault: &Fault) -> Warning {
    let detail = format!(
        "whether the warehouse changed since the plan is unknown: {}; run finalize again to compare",
        fault.chain()
    );
    Warning { code: WarningCode::SourceNotCompared, detail }
}
