//! Values that must not change during a run, and the check that they did not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Plan, PlanId, RULES_VERSION, RunName, RunStore, names, purged, recorded::recorded_sample};
use crate::{
    domain::{Escape, TargetIdentity, form::AlteredColumn},
    inputs::{Fingerprint, Hasher},
    ports::{Fault, TargetReader},
    settings::{MarkerOnly, SameDatabase, Settings},
};

/// The pinned values, as this process sees them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The target database ([`TargetReader::identity`]).
    pub database: TargetIdentity,
    /// Whether another one is the plan's, moved.
    pub same_database: SameDatabase,
    /// Whether it may have lost most of the rows.
    pub loss: Loss,
    /// The target container ([`crate::ports::Blobs::location`]).
    pub target: String,
    /// The warehouse ([`crate::ports::Warehouse::description`], or only its address); `None` if it is not looked at.
    pub warehouse: Option<String>,
    /// The settings that change outcomes.
    pub settings: BTreeMap<String, String>,
    /// `--shards`; `None` for a process that takes the plan's.
    pub shards: Option<u32>,
    /// `--limit` and `--attempts`; `None` for a process that takes the plan's.
    pub trial: Option<Option<String>>,
    /// `--after`; `None` for a process that takes the plan's.
    pub after: Option<Vec<RunName>>,
    /// `--exclude`; `None` for a process that takes the plan's.
    pub excluded: Option<Option<String>>,
}

impl Present {
    /// What every process compares: cheap, the inputs are not read.
    pub fn of(settings: &Settings, plan: &PlanId, database: TargetIdentity, target: &str) -> Self {
        Self {
            database,
            same_database: settings.database.same_database,
            loss: Loss::of(settings),
            target: target.to_owned(),
            warehouse: None,
            settings: pinned_settings(settings, plan),
            shards: None,
            trial: None,
            after: None,
            excluded: None,
        }
    }
}

/// What a person said of rows that were migrated and are not in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: a target without most of them is taken for another database.
    Unexpected,
    /// They are moved again, or given up: the run's database may have lost any number of them.
    Decided,
}

impl Loss {
    /// By `--redo lost` and `--accept lost`.
    pub fn of(settings: &Settings) -> Self {
        if settings.redo_lost || settings.accept_lost { Self::Decided } else { Self::Unexpected }
    }
}

/// A sentence for each difference from the plan; empty if there is none.
pub fn differences(plan: &Plan, now: &Present) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, then: &str, now: &str| {
        if then != now {
            found.push(changed(what, &format!("from {then} to {now}")));
        }
    };
    compare("the rules' version", &plan.rules_version.to_string(), &RULES_VERSION.to_string());
    compare("the target container", &plan.target, &now.target);
    // A description of SQL Server ends with its address.
    let is_planned = |warehouse: &String| plan.warehouse.ends_with(&format!(" at {warehouse}"));
    if let Some(warehouse) = now.warehouse.as_ref().filter(|warehouse| !is_planned(warehouse)) {
        compare("the warehouse", &plan.warehouse, warehouse);
    }
    if let Some(shards) = now.shards {
        compare("the number of shards", &plan.shards.len().to_string(), &shards.to_string());
    }
    if let Some(trial) = &now.trial {
        let said = |trial: &Option<String>| trial.clone().unwrap_or_else(|| "all rows".into());
        compare("the trial (--limit, --attempts)", &said(&plan.trial), &said(trial));
    }
    if let Some(after) = &now.after {
        let said = |runs: &[RunName]| match runs {
            [] => "none".to_owned(),
            runs => runs.iter().map(RunName::as_str).collect::<Vec<_>>().join(","),
        };
        compare("the earlier run (--after)", &said(&plan.after), &said(after));
    }
    if let Some(excluded) = &now.excluded {
        let said = |excluded: &Option<String>| excluded.clone().unwrap_or_else(|| "no row".into());
        compare("the excluded rows (--exclude)", &said(&plan.excluded), &said(excluded));
    }
    let names: BTreeSet<&String> = plan.settings.keys().chain(now.settings.keys()).collect();
    for name in names {
        let value = |settings: &BTreeMap<String, String>| {
            settings.get(name).cloned().unwrap_or_else(|| "not set".into())
        };
        compare(&format!("the setting {name}"), &value(&plan.settings), &value(&now.settings));
    }
    let moved = plan.identity.differences(&now.database, "the plan's");
    if !moved.is_empty() && now.same_database == SameDatabase::No {
        found.push(format!(
            "the target database changed since the run began ({}): it is another database; give the one that the run \
             began with (DATABASE_URL), start a run with another name, or confirm a planned move with --same-database",
            moved.join(", ")
        ));
    }
    found
}

/// A sentence for each input whose bytes differ from the planned ones.
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

/// Refusal for a run that was rolled back; `None` if it was not.
pub async fn rolled_back(store: &RunStore) -> Result<Option<String>, Fault> {
    let is_rolled_back = store.exists(names::ROLLED_BACK).await?;
    Ok(is_rolled_back
        .then(|| format!("run {} was rolled back; start a run with another name (--run)", store.run())))
}

/// Refusal for a run that a person has ended, by a rollback or a purge; `None` if it was not ended.
pub async fn ended(store: &RunStore) -> Result<Option<String>, Fault> {
    match rolled_back(store).await? {
        None => purged::refusal(store).await,
        refusal => Ok(refusal),
    }
}

/// Refusal that lists every difference from the plan; `None` if there is none.
pub async fn refusal(
    store: &RunStore,
    plan: &Plan,
    target: &dyn TargetReader,
    now: &Present,
) -> Result<Option<String>, Fault> {
    if let Some(refusal) = ended(store).await? {
        return Ok(Some(refusal));
    }
    let mut changed = differences(plan, now);
    changed.extend(target.session().await?);
    changed.extend(another_database(store, plan, target, now.loss).await?);
    Ok((!changed.is_empty()).then(|| changed.join("; ")))
}

/// A sentence if the target is another database than the one that the run wrote to: most of the recorded rows that are
/// looked up are absent. Rows that are absent one by one were deleted or lost: they are not for this question. Nor are those that a
/// person has decided about, in a database whose identity the caller compares ([`differences`]): a failover may lose most.
pub async fn another_database(
    store: &RunStore,
    plan: &Plan,
    target: &dyn TargetReader,
    loss: Loss,
) -> Result<Option<String>, Fault> {
    let recorded = recorded_sample(store, plan).await?;
    if recorded.is_empty() {
        return Ok(None);
    }
    let held: HashSet<String> =
        target.held(&recorded).await?.into_iter().map(|held| held.launch_id).collect();
    let absent = recorded.iter().filter(|launch_id| !held.contains(*launch_id)).count();
    if absent > 1 && 2 * absent > recorded.len() && loss == Loss::Unexpected {
        return Ok(Some(format!(
            "{absent} of {} looked-up rows that run {} recorded as migrated are not in the target: it is another \
             database, or was restored to an earlier day; give the one that the run began with (DATABASE_URL), or start \
             a run with another name; if it is the run's own and has lost them, as by a failover: resume --redo lost moves \
             them again, finalize --accept lost gives them up",
            recorded.len(),
            store.run()
        )));
    }
    if absent > 0 {
        tracing::warn!(
            absent,
            looked_up = recorded.len(),
            "rows that were recorded as migrated are not in the target"
        );
    }
    Ok(None)
}

/// Setting that may name a person.
pub const RULE_OWNER: &str = "rule-owner";
/// Its value if it names none.
pub const OLDEST_ADMIN: &str = "the oldest admin";
/// What is shown in place of a value that names a person.
pub const HIDDEN: &str = "set (hidden)";

/// The settings that change outcomes, by flag name, without secrets. The plan's id salts the digest of the one that is
/// secret.
pub fn pinned_settings(settings: &Settings, plan: &PlanId) -> BTreeMap<String, String> {
    let organisation = &settings.organisation;
    let rules = &settings.rules;
    let mut sources: Vec<String> = settings.source.allow.iter().map(without_query).collect();
    sources.sort_unstable();
    let dialect = &settings.inputs.dialect;
    let encoding = settings.inputs.encoding.map_or("by BOM, else UTF-8", encoding_rs::Encoding::name);
    [
        ("lms-instance", organisation.lms_instance.clone()),
        ("lms-name", organisation.lms_name.clone()),
        ("return-url", organisation.return_url.clone()),
        ("consumer-key", masked(&organisation.consumer_key, plan)),
        ("unit-versions", rules.unit_versions.join(",")),
        ("instruction-set", rules.instruction_set.clone()),
        ("assignment-title", rules.assignment_title.clone()),
        (RULE_OWNER, rules.rule_owner.clone().unwrap_or_else(|| OLDEST_ADMIN.into())),
        ("marker-only", marker_only(rules.marker_only).into()),
        ("warehouse-time-zone", rules.warehouse_time_zone.name().into()),
        ("source-allow", sources.join(",")),
        ("encoding", encoding.into()),
        ("warehouse-null", dialect.null.clone().unwrap_or_else(|| "not set".into())),
        ("warehouse-escape", escape(dialect.escape).into()),
        ("target-alters", altered(&settings.database.target_alters)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn changed(what: &str, how: &str) -> String {
    format!("{what} changed since the run began ({how}); start a run with another name")
}

fn altered(columns: &[AlteredColumn]) -> String {
    let mut names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "no column".to_owned() } else { names.join(",") }
}

fn escape(setting: Option<Escape>) -> &'static str {
    match setting {
        None => "not set",
        Some(Escape::None) => "none",
        Some(Escape::Backslash) => "backslash",
    }
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

/// Enough to see that it changed, not to learn what it is: salted, so that two runs of one key do not tell that it is
/// one, and no list of digests made beforehand holds it.
fn masked(text: &str, salt: &PlanId) -> String {
    let mut hasher = Hasher::default();
    hasher.update(format!("rogo-migrate plan {salt} ").as_bytes());
    hasher.update(text.as_bytes());
    format!("sha256 {}", hasher.finish().sha256.chars().take(12).collect::<String>())
}
