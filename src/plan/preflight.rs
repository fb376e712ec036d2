//! What must be so before a plan is written: a run that could not succeed is refused at once, with
//! every reason, not after hours with the first.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::join_all};
use url::Url;

use super::{Services, draft::Draft, facts::FactSpool, roles::Arriving, rule_config, witnesses::Witnesses};
use crate::{
    domain::AttemptId,
    exit::{Exit, Moment, Stop},
    ports::{Blobs, Fault, FaultKind, Service, WarehouseShape},
    report::grid::bytes,
    rules::source_urls,
    settings::Settings,
};

/// Eligible rows of which some must have a report.
const SAMPLED_ROWS: usize = 1_000;
/// Source files that are looked at.
const SAMPLED_FILES: usize = 8;

/// Reasons why a run could not succeed.
#[derive(Debug, Default)]
pub struct Reasons {
    lasting: Vec<String>,
    passing: Vec<String>,
    /// The first fault.
    cause: Option<(Service, FaultKind)>,
}

impl Reasons {
    fn lasts(&mut self, reason: String) {
        self.lasting.push(reason);
    }

    fn fault(&mut self, fault: &Fault) {
        self.cause.get_or_insert_with(|| (fault.service, fault.kind.clone()));
        if Moment::BeforePlan.waits_for(&fault.kind) {
            self.passing.push(fault.chain());
        } else {
            self.lasting.push(fault.chain());
        }
    }

    fn note<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault(&fault)).ok()
    }

    /// Ends the process where there is a reason: 78, or 75 where all may pass by themselves.
    pub fn into_result(self) -> Result<(), Stop> {
        let exit = if self.lasting.is_empty() { Exit::Temporary } else { Exit::Configuration };
        let reasons = [self.lasting, self.passing].concat();
        if reasons.is_empty() { Ok(()) } else { Err(Stop::caused(exit, reasons.join("\n"), self.cause)) }
    }

    /// Puts what is wrong with the inputs before the rest: their exit code stands, unless it may pass by
    /// itself and another reason does not.
    pub fn after(self, inputs: Stop) -> Stop {
        let exit = match inputs.exit {
            Exit::Temporary if !self.lasting.is_empty() => Exit::Configuration,
            exit => exit,
        };
        let cause = inputs.cause().map(|(service, kind)| (service, kind.clone())).or(self.cause);
        let reasons = [vec![inputs.message], self.lasting, self.passing].concat();
        Stop::caused(exit, reasons.join("\n"), cause)
    }
}

/// How a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// Its right to be written may be tried.
    Write,
    /// The place is only read from, and a plan has yet to make a target's folder.
    Read,
    /// The place is only read from, and a plan stands: a target's folder was made for it.
    Stands,
}

/// Asks every service whether it answers and grants what a run of so many processes needs; none where room for
/// their connections is not asked for. The warehouse's shape, if it said it.
pub async fn services(
    services: &Services<'_>,
    settings: &Settings,
    touch: Touch,
    processes: u32,
    reasons: &mut Reasons,
) -> Option<WarehouseShape> {
    for blobs in [services.target_blobs, services.store.blobs().as_ref()] {
        reasons.note(reachable(blobs, touch).await);
    }
    let workers = u32::try_from(settings.work.workers).unwrap_or(u32::MAX);
    let by_workers = |pool: u32| workers.saturating_mul(pool);
    let connections = by_workers(settings.work.pool).saturating_mul(processes);
    if let Some(refusals) = reasons.note(services.target.preflight(connections).await) {
        let named = refusals.into_iter().map(|refusal| format!("{}: {refusal}", Service::Database));
        reasons.lasting.extend(named);
    }
    let shape = reasons.note(services.warehouse.shape().await)?;
    let of_process = shape.connections_per_process.unwrap_or(by_workers(settings.work.warehouse_pool));
    let needed = of_process.saturating_mul(processes);
    if shape.lookups_are_cheap
        && let Some(most) = shape.max_connections.filter(|most| *most < needed)
    {
        reasons.lasts(format!(
            "the warehouse allows {most} connections and the run would open {needed} ({of_process} in each of \
             {processes} processes); lower --parallelism, --workers or --warehouse-pool"
        ));
    }
    Some(shape)
}

async fn reachable(blobs: &dyn Blobs, touch: Touch) -> Result<(), Fault> {
    match touch {
        Touch::Write => {
            if blobs.prepare().await? {
                tracing::warn!(
                    target_blobs = %blobs.location(),
                    "the target's folder is new; if it should hold files already, its mount is missing: mount it and plan again"
                );
            }
            blobs.check().await
        }
        Touch::Read => match listed(blobs).await {
            Err(fault) if fault.kind == FaultKind::ContainerGone && blobs.is_folder() => {
                tracing::warn!(
                    target_blobs = %blobs.location(),
                    "the target's folder is not there yet, or no plan has prepared it: a plan does"
                );
                Ok(())
            }
            listed => listed,
        },
        Touch::Stands => listed(blobs).await,
    }
}

/// Lists a prefix that nothing has: the answer is all that is asked for.
async fn listed(blobs: &dyn Blobs) -> Result<(), Fault> {
    blobs.list("rogo-migrate/preflight/").take(1).try_collect::<Vec<_>>().await.map(drop)
}

/// Says how much local disk the facts of a scan need, and refuses a TMPDIR that has less. In a pod it is on the disk of a node,
/// of which the pod may use no more than `limit` bytes.
pub fn room(needed: Option<u64>, limit: Option<u64>) -> Result<(), Stop> {
    let Some(needed) = needed else { return Ok(()) };
    let folder = std::env::temp_dir();
    let disk = rustix::fs::statvfs(&folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)).ok();
    let limit = limit.filter(|limit| disk.is_none_or(|disk| *limit < disk));
    let free = limit.or(disk);
    let free_text = free.map_or_else(|| "an unknown amount".into(), bytes);
    let mend = match limit {
        Some(_) => "raise plan.resources.ephemeralStorage",
        None => "make room, set TMPDIR to a larger disk",
    };
    tracing::info!(
        needed = bytes(needed),
        free = free_text,
        "the warehouse is read once, and its rows are kept in TMPDIR until the queues are written"
    );
    enough(needed, free).map_err(|missing| {
        let message = format!(
            "the plan keeps about {} of the warehouse's rows in TMPDIR ({}), which has {free_text}: {} more are needed; \
             {mend}, or add an index that leads on AttemptId",
            bytes(needed),
            folder.display(),
            bytes(missing)
        );
        Stop::new(Exit::Configuration, message)
    })
}

/// `Err` holds the shortfall; an unknown free amount is taken as enough.
fn enough(needed: u64, free: Option<u64>) -> Result<(), u64> {
    match free {
        Some(free) if free < needed => Err(needed - free),
        Some(_) | None => Ok(()),
    }
}

/// The newest eligible rows: those that [`warehouse`] and [`sources`] look at, by index.
pub fn sampled(draft: &Draft) -> Vec<usize> {
    draft.newest_eligible(SAMPLED_ROWS)
}

/// Checks on the newest eligible rows that the run looks at the right warehouse.
pub async fn warehouse(
    services: &Services<'_>,
    draft: &Draft,
    eligible: &[usize],
    facts: Option<&FactSpool>,
    reasons: &mut Reasons,
) -> Witnesses {
    let mut witnesses = Witnesses::default();
    if eligible.is_empty() {
        return witnesses;
    }
    let attempts: Vec<AttemptId> = eligible.iter().filter_map(|index| draft.facts_wanted(*index)).collect();
    let reported = match facts {
        Some(facts) => Some(facts.sample_is_reported),
        None => reasons.note(Witnesses::among(&attempts, services.warehouse).await).map(|found| {
            witnesses = found;
            witnesses.reported.is_some()
        }),
    };
    if reported == Some(false) {
        reasons.lasts(format!(
            "none of the newest {} eligible rows has a report in the warehouse: it is another one, or its load is \
             missing; check the connection",
            attempts.len()
        ));
    }
    witnesses
}

/// Checks on the newest eligible rows that the run looks at the right sources. A file that is missing, refused or broken is
/// that row's matter; a server that gives none of them, or has not even their container, is not. A role that may be on its way is waited for, unless the plan is refused anyway.
pub async fn sources(
    services: &Services<'_>,
    settings: &Settings,
    draft: &Draft,
    eligible: &[usize],
    reasons: &mut Reasons,
) -> Result<(), Stop> {
    let (rules, mut urls) = (rule_config(settings), Vec::new());
    for index in eligible {
        let row = draft.queued(*index)?;
        urls.extend(source_urls(&row.cells, &rules).into_iter().next());
        if urls.len() == SAMPLED_FILES {
            break;
        }
    }
    let mut arriving = Arriving::default();
    let faults = loop {
        let faults = failed_servers(services, &urls).await;
        match faults.iter().all(|fault| fault.kind == FaultKind::NoRole).then(|| faults.first()).flatten() {
            Some(fault) if reasons.lasting.is_empty() && arriving.awaits(fault).await => {}
            _ => break faults,
        }
    };
    for fault in &faults {
        reasons.fault(fault);
    }
    Ok(())
}

/// A fault of each server that gives none of its files.
async fn failed_servers(services: &Services<'_>, urls: &[Url]) -> Vec<Fault> {
    let mut by_server: BTreeMap<String, Vec<Result<(), Fault>>> = BTreeMap::new();
    let looks = join_all(urls.iter().map(|url| services.source.head(url))).await;
    for (url, look) in urls.iter().zip(looks) {
        let looked = match look {
            Err(mut fault) if fault.kind == FaultKind::Unsupported => {
                fault.what += "; the server of a source must answer HEAD requests, as Azure Storage does";
                Err(fault)
            }
            Err(fault) if fault.kind != FaultKind::NotFound => Err(fault),
            Ok(_) | Err(_) => Ok(()),
        };
        by_server.entry(url.origin().ascii_serialization()).or_default().push(looked);
    }
    by_server
        .into_values()
        .filter_map(|looked| {
            let all_failed: Option<Vec<Fault>> = looked.into_iter().map(Result::err).collect();
            all_failed.and_then(|faults| faults.into_iter().next())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_too_small_is_refused_before_the_warehouse_is_read() {
        assert_eq!(enough(10, Some(9)), Err(1));
        assert_eq!((enough(10, Some(10)), enough(10, None)), (Ok(()), Ok(())));
        assert!(room(None, None).is_ok() && room(Some(1), None).is_ok());
        let refused = room(Some(u64::MAX), None).unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        assert!(refused.message.contains("set TMPDIR to a larger disk"), "{}", refused.message);
    }

    #[test]
    fn a_pod_has_no_more_room_than_its_limit_however_large_the_disk_of_its_node_is() {
        assert!(room(Some(1), Some(1)).is_ok() && room(Some(1), Some(u64::MAX)).is_ok());
        let refused = room(Some(3 << 10), Some(2 << 10)).unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        let said = "which has 2.0 KiB: 1.0 KiB more are needed; raise plan.resources.ephemeralStorage, or add an index";
        assert!(refused.message.contains(said), "{}", refused.message);
        let of_disk = room(Some(u64::MAX), Some(u64::MAX)).unwrap_err();
        assert!(of_disk.message.contains("set TMPDIR to a larger disk"), "{}", of_disk.message);
    }
}
