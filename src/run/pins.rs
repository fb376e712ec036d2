//! What must not change while a run is under way, and how a process finds out that it did.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;

use super::lines::JsonLines;
use crate::{
    domain::{Fate, Outcome, TargetIdentity},
    inputs::{Fingerprint, Hasher},
    ports::{Fault, FaultKind, Target},
    run::{Plan, RULES_VERSION, RunStore},
    settings::{MarkerOnly, SameDatabase, Settings},
};

/// Recorded rows that are looked up in the target, and segments that they are taken from.
const LOOKED_UP: usize = 1_000;
const SEGMENTS_READ: usize = 20;

/// What pins a run, as this process sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The target database ([`Target::identity`]).
    pub database: TargetIdentity,
    /// Whether another one is the plan's, moved.
    pub same_database: SameDatabase,
    /// The target container ([`crate::ports::Blobs::location`]).
    pub target: String,
    /// The warehouse ([`crate::ports::Warehouse::description`]); `None` where it was not asked.
    pub warehouse: Option<String>,
    /// The settings that change outcomes.
    pub settings: BTreeMap<String, String>,
    /// `--shards`; `None` for a process that takes the plan's.
    pub shards: Option<u32>,
    /// `--limit` and `--attempts`; `None` for a process that takes the plan's.
    pub trial: Option<Option<String>>,
}

impl Present {
    /// What every process compares: cheap, the inputs are not read.
    pub fn of(settings: &Settings, database: TargetIdentity, target: &str) -> Self {
        Self {
            database,
            same_database: settings.database.same_database,
            target: target.to_owned(),
            warehouse: None,
            settings: pinned_settings(settings),
            shards: None,
            trial: None,
        }
    }
}

/// A sentence for each thing that is not as it was when the plan was made; empty where all is.
pub fn differences(plan: &Plan, now: &Present) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, then: &str, now: &str| {
        if then != now {
            found.push(changed(what, &format!("from {then} to {now}")));
        }
    };
    compare("the rules' version", &plan.rules_version.to_string(), &RULES_VERSION.to_string());
    compare("the target container", &plan.target, &now.target);
    if let Some(warehouse) = &now.warehouse {
        compare("the warehouse", &plan.warehouse, warehouse);
    }
    if let Some(shards) = now.shards {
        compare("the number of shards", &plan.shards.len().to_string(), &shards.to_string());
    }
    if let Some(trial) = &now.trial {
        let said = |trial: &Option<String>| trial.clone().unwrap_or_else(|| "all rows".into());
        compare("the trial (--limit, --attempts)", &said(&plan.trial), &said(trial));
    }
    let names: std::collections::BTreeSet<&String> =
        plan.settings.keys().chain(now.settings.keys()).collect();
    for name in names {
        let value = |settings: &BTreeMap<String, String>| {
            settings.get(name).cloned().unwrap_or_else(|| "not set".into())
        };
        compare(&format!("the setting {name}"), &value(&plan.settings), &value(&now.settings));
    }
    let moved = plan.identity.differences(&now.database);
    if !moved.is_empty() && now.same_database == SameDatabase::No {
        found.push(format!(
            "the target database changed since the run began ({}): it is another database; give the one that the run \
             began with (DATABASE_URL), start a run with another name, or confirm a planned move with --same-database",
            moved.join(", ")
        ));
    }
    found
}

/// A sentence for each input whose bytes are not those that were planned.
pub fn input_differences(plan: &Plan, submissions: &Fingerprint, mapping: &Fingerprint) -> Vec<String> {
    [
        ("submission_files.csv", &plan.submissions, submissions),
        ("attempt_number_mapping.csv", &plan.mapping, mapping),
    ]
    .into_iter()
    .filter(|(_, then, now)| (&then.sha256, then.size_bytes) != (&now.sha256, now.size_bytes))
    .map(|(name, then, now)| {
        changed(
            name,
            &format!("then {} of {} bytes, now {} bytes", then.location, then.size_bytes, now.size_bytes),
        )
    })
    .collect()
}

/// A sentence where rows that this run recorded as migrated (up to 1,000 are looked up) are not in
/// the target: then it is another database.
pub async fn lost_rows(store: &RunStore, target: &dyn Target) -> Result<Option<String>, Fault> {
    let names = store.list("segments/").await?;
    let step = names.len().div_ceil(SEGMENTS_READ).max(1);
    let mut recorded = Vec::new();
    for name in names.iter().step_by(step) {
        match migrated_in(store, name, LOOKED_UP - recorded.len()).await {
            Ok(launch_ids) => recorded.extend(launch_ids),
            // Its own shard is refused for it, and so is the merge: no reason to stop the others.
            Err(fault) if fault.kind == FaultKind::Corrupt => {}
            Err(fault) => return Err(fault),
        }
        if recorded.len() >= LOOKED_UP {
            break;
        }
    }
    recorded.sort_unstable();
    recorded.dedup();
    if recorded.is_empty() {
        return Ok(None);
    }
    let held: std::collections::HashSet<String> =
        target.held(&recorded).await?.into_iter().map(|held| held.launch_id).collect();
    let lost = recorded.iter().filter(|launch_id| !held.contains(*launch_id)).count();
    Ok((lost > 0).then(|| {
        format!(
            "{lost} of {} looked-up rows that run {} recorded as migrated are not in the target: this is another \
             database; give the one that the run began with, or start a run with another name",
            recorded.len(),
            store.run()
        )
    }))
}

/// Launch ids of at most `most` migrated rows of a segment.
async fn migrated_in(store: &RunStore, name: &str, most: usize) -> Result<Vec<String>, Fault> {
    let mut launch_ids = Vec::new();
    let Some(reader) = store.open(name).await? else { return Ok(launch_ids) };
    let body = reader.body.into_stream();
    let mut lines = JsonLines::<Outcome>::new(Box::pin(body), store.describe(name), None);
    while launch_ids.len() < most
        && let Some(outcome) = lines.next().await?
    {
        if let Fate::Migrated(migrated) = outcome.fate {
            launch_ids.push(migrated.launch_id);
        }
    }
    Ok(launch_ids)
}

/// The settings that change outcomes, by flag name, without secrets.
pub fn pinned_settings(settings: &Settings) -> BTreeMap<String, String> {
    let organisation = &settings.organisation;
    let rules = &settings.rules;
    let mut sources: Vec<String> = settings.source.allow.iter().map(without_query).collect();
    sources.sort_unstable();
    let encoding = settings.inputs.encoding.map_or("by BOM, else UTF-8", encoding_rs::Encoding::name);
    [
        ("lms-instance", organisation.lms_instance.clone()),
        ("lms-name", organisation.lms_name.clone()),
        ("return-url", organisation.return_url.clone()),
        ("consumer-key", masked(&organisation.consumer_key)),
        ("unit-versions", rules.unit_versions.join(",")),
        ("instruction-set", rules.instruction_set.clone()),
        ("assignment-title", rules.assignment_title.clone()),
        ("rule-owner", rules.rule_owner.clone().unwrap_or_else(|| "the oldest admin".into())),
        ("marker-only", marker_only(rules.marker_only).into()),
        ("warehouse-time-zone", rules.warehouse_time_zone.name().into()),
        ("source-allow", sources.join(",")),
        ("encoding", encoding.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn changed(what: &str, how: &str) -> String {
    format!("{what} changed since the run began ({how}); start a run with another name")
}

fn marker_only(setting: MarkerOnly) -> &'static str {
    match setting {
        MarkerOnly::Fail => "fail",
        MarkerOnly::Migrate => "migrate",
    }
}

fn without_query(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// Enough to see that it changed, not to learn what it is.
fn masked(text: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.update(text.as_bytes());
    format!("sha256 {}", hasher.finish().sha256.chars().take(12).collect::<String>())
}
