//! Named checks: what the pre-flight asks, and what a person should know besides.

use url::Url;

use crate::{
    exit::Stop,
    ports::{
        Blobs, Fault, FaultKind, Service, TARGET_CHECKS, TargetReader, WAREHOUSE_CHECKS, Warehouse,
        WarehouseShape,
    },
    run::{Check, CheckResult, Plan, Warning},
    settings::Settings,
};

const WAREHOUSE: &str = WAREHOUSE_CHECKS[0];
const MASKS: &str = WAREHOUSE_CHECKS[1];

/// The services that are checked.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    /// What the run was told.
    pub settings: &'a Settings,
    /// Source of the reports and scores.
    pub warehouse: &'a dyn Warehouse,
    /// Container to which files are copied.
    pub target_blobs: &'a dyn Blobs,
    /// Where the plan is kept.
    pub run_store: &'a dyn Blobs,
    /// The application's tables.
    pub target: &'a dyn TargetReader,
    /// Whether the right to write was tried, as `plan` does.
    pub tried_to_write: bool,
    /// Whether the next plan is still to make a target folder that is not there.
    pub makes_folder: bool,
}

/// Every check, in the order of the services. `refused` is why no plan could be made, if so.
pub async fn checks(checked: Checked<'_>, refused: Option<&Stop>) -> Vec<Check> {
    let mut found = target(checked).await;
    found.extend(warehouse(checked).await);
    found.extend(places(checked).await);
    if let Some(stop) = refused.filter(|_| found.iter().all(|check| check.result != CheckResult::Fail)) {
        // The inputs, or what only the rows could show.
        found.insert(0, fail("plan", &stop.message));
    }
    found
}

/// The warnings of a plan that can be made.
pub fn of_plan(plan: &Plan) -> Vec<Check> {
    let warned = |warning: Warning| with_remedy(warning.code.code(), CheckResult::Warn, &warning.detail);
    plan.warnings().into_iter().map(warned).collect()
}

async fn target(Checked { settings, target, .. }: Checked<'_>) -> Vec<Check> {
    let identity = match target.identity().await {
        Ok(identity) => pass("target_database", &identity.to_string()),
        Err(fault) => return vec![of_fault("target_database", &fault)],
    };
    let findings = match target.inspect(connections(settings)).await {
        Ok(findings) => findings,
        Err(fault) => return vec![identity, of_fault("target_database", &fault)],
    };
    let all_asked = findings.iter().all(|finding| finding.check != "target_sessions");
    let mut found = vec![identity];
    for name in TARGET_CHECKS {
        let of_check: Vec<_> = findings.iter().filter(|finding| finding.check == name).collect();
        for finding in &of_check {
            let result = if finding.stops { CheckResult::Fail } else { CheckResult::Warn };
            found.push(with_remedy(name, result, &finding.says));
        }
        if of_check.is_empty() && all_asked {
            found.push(pass(name, "as it should be"));
        }
    }
    found
}

/// Connections of a run, as the plan's pre-flight counts them.
fn connections(settings: &Settings) -> u32 {
    let processes = settings.parallelism.min(settings.shards).max(1);
    let workers = u32::try_from(settings.work.workers).unwrap_or(u32::MAX);
    workers.saturating_mul(settings.work.pool).saturating_mul(processes)
}

async fn warehouse(Checked { warehouse, .. }: Checked<'_>) -> Vec<Check> {
    let shape = match warehouse.shape().await {
        Ok(shape) => shape,
        Err(fault) if fault.findings.is_empty() => return vec![of_fault(WAREHOUSE, &fault)],
        Err(fault) => return fault.findings.iter().map(|found| fail(found.check, &found.says)).collect(),
    };
    vec![pass(WAREHOUSE, &shape.description), masks(&shape)]
}

fn masks(shape: &WarehouseShape) -> Check {
    if shape.rows.is_some() {
        return pass(MASKS, "no column that is read is masked for this login");
    }
    Check {
        check: MASKS.into(),
        result: CheckResult::Warn,
        says:
            "whether columns were masked for the login that exported the tables cannot be seen in an export"
                .into(),
        remedy: "ask who exported them whether that login has UNMASK: a masked mark is 0".into(),
    }
}

async fn places(checked: Checked<'_>) -> Vec<Check> {
    let Checked { settings, target_blobs, run_store, tried_to_write, makes_folder, .. } = checked;
    let is_made = |place: &dyn Blobs, fault: &Fault| {
        let is_gone = fault.service == Service::TargetBlobs && fault.kind == FaultKind::ContainerGone;
        makes_folder && is_gone && place.is_folder()
    };
    let mut found = Vec::new();
    for (name, place) in [("target_container", target_blobs), ("run_store", run_store)] {
        found.push(match place.answers().await {
            Ok(()) if tried_to_write => pass(name, &format!("{}: may be read and written", place.location())),
            Ok(()) => pass(name, &format!("{} answers; writing was not tried (--dry-run)", place.location())),
            Err(fault) if is_made(place, &fault) => {
                let says = format!(
                    "{} is new, and the plan makes it; if it should hold files already, its mount is missing: mount it \
                     before you plan",
                    place.location()
                );
                with_remedy(name, CheckResult::Warn, &says)
            }
            Err(fault) => of_fault(name, &fault),
        });
    }
    found.push(match target_blobs.is_immutable().await {
        Ok(false) => pass("target_container_policy", "no immutability policy and no legal hold is known"),
        Ok(true) => with_remedy(
            "target_container_policy",
            CheckResult::Warn,
            "an immutability policy or a legal hold keeps the blobs of the target container; files that killed \
             processes leave behind cannot be swept until it ends",
        ),
        Err(fault) => of_fault("target_container_policy", &fault),
    });
    found.push(storage_tls(settings, &[target_blobs.url("x"), run_store.url("x")]));
    found
}

fn storage_tls(settings: &Settings, places: &[String]) -> Check {
    let places = places.iter().filter_map(|url| url.parse::<Url>().ok());
    let mut open: Vec<String> = places
        .chain(settings.source.allow.iter().cloned())
        .filter(|url| url.scheme() == "http" && !is_loopback(url))
        .map(|url| url.origin().ascii_serialization())
        .collect();
    open.sort_unstable();
    open.dedup();
    if open.is_empty() {
        return pass("storage_tls", "every storage account is reached by https, or lies on this machine");
    }
    let says = format!("not encrypted: {}; give the https address", open.join(", "));
    with_remedy("storage_tls", CheckResult::Warn, &says)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(super) fn pass(check: &str, says: &str) -> Check {
    Check { check: check.into(), result: CheckResult::Pass, says: says.into(), remedy: String::new() }
}

fn fail(check: &str, says: &str) -> Check {
    with_remedy(check, CheckResult::Fail, says)
}

fn of_fault(check: &str, fault: &Fault) -> Check {
    fail(check, &fault.chain())
}

/// A sentence says what was found, and behind its first semicolon what to do.
pub(super) fn with_remedy(check: &str, result: CheckResult, text: &str) -> Check {
    let (says, remedy) = text.split_once("; ").unwrap_or((text, "see RUNNING.md"));
    Check { check: check.into(), result, says: says.into(), remedy: remedy.into() }
}
