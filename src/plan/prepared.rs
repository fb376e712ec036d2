//! All checks and reads of a plan, before anything is written.

use std::sync::Arc;

use chrono::Utc;

use super::{
    PlanReport, PlanState, Services,
    draft::Draft,
    earlier,
    facts::FactSpool,
    later::Later,
    listed::{self, Hints},
    preflight::{self, Reasons, Touch},
    queues::Rows,
    rules::rule_config,
    trial::Selection,
    witnesses::Witnesses,
};
use crate::{
    domain::{TableExtent, TargetIdentity},
    exit::{Exit, Stop},
    inputs::{Excluded, InputSource},
    ports::{Fault, Holdings, WarehouseShape},
    run::{Expected, FORMAT, Plan, PlanId, RULES_VERSION, ShardPlan, WarehouseRows, pins::pinned_settings},
    settings::Settings,
};

/// What all checks and reads found.
pub struct Prepared {
    /// What the inputs and the target tell of each row.
    pub draft: Arc<Draft>,
    facts: Option<Arc<FactSpool>>,
    hints: Option<Arc<Hints>>,
    shape: WarehouseShape,
    extent: Vec<TableExtent>,
    witnesses: Witnesses,
    database: TargetIdentity,
    holdings: Holdings,
    trial: Option<String>,
    excluded: Option<String>,
}

/// Checks and reads; with [`Touch::Read`] only what a report needs.
pub async fn prepare(settings: &Settings, services: Services<'_>, touch: Touch) -> Result<Prepared, Stop> {
    refuse_altered_keys(settings)?;
    let selection = Selection::read(&settings.trial)?;
    let excluded = Excluded::read(settings.exclude.as_deref())?;
    let mut reasons = Reasons::default();
    let processes = settings.parallelism.min(settings.shards).max(1);
    let shape = preflight::services(&services, settings, touch, processes, &mut reasons).await;
    let pinned = excluded.pinned();
    let draft = async {
        let earlier = earlier::read(settings, &services, shape.as_ref()).await?;
        Draft::read(services.inputs, &selection, Later::new(excluded, earlier)).await
    };
    let mut draft = match draft.await {
        Ok(draft) => draft,
        Err(stop) => return Err(reasons.after(stop)),
    };
    reasons.into_result()?;
    let no_shape = "the warehouse said neither its shape nor a fault";
    let shape = shape.ok_or_else(|| Stop::new(Exit::Bug, no_shape))?;
    let database = services.target.identity().await?;
    let holdings = services.target.holdings().await?;
    draft.settle(services.target, &rule_config(settings)).await?;
    let draft = Arc::new(draft);
    let sampled = preflight::sampled(&draft);
    let mut reasons = Reasons::default();
    let (facts, hints) = if shape.lookups_are_cheap {
        (None, None)
    } else {
        preflight::room(shape.scan_bytes, settings.pod.disk_bytes)?;
        // A role of the sources that is on its way is waited for before they are listed: a listing is not repeated.
        preflight::sources(&services, settings, &draft, &sampled, &mut reasons).await?;
        // Before the scan, so that the disk does not hold the listings beside the facts.
        let hints = list_sources(settings, &services, touch, &draft).await?;
        let attempts = sampled.iter().filter_map(|index| draft.facts_wanted(*index)).collect();
        (Some(FactSpool::scan(services.warehouse, &shape, &draft, settings.shards, &attempts).await?), hints)
    };
    let extent = expected_extent(settings, &services, &shape, &draft).await?;
    let witnesses = preflight::warehouse(&services, &draft, &sampled, facts.as_ref(), &mut reasons).await;
    if shape.lookups_are_cheap {
        preflight::sources(&services, settings, &draft, &sampled, &mut reasons).await?;
    }
    reasons.into_result()?;
    // Last, because it may take minutes: what would refuse the run has been asked.
    let hints = match hints {
        None if shape.lookups_are_cheap => list_sources(settings, &services, touch, &draft).await?,
        listed => listed,
    };
    Ok(Prepared {
        draft,
        facts: facts.map(Arc::new),
        hints: hints.map(Arc::new),
        extent,
        shape,
        witnesses,
        database,
        holdings,
        trial: selection.pinned(),
        excluded: pinned,
    })
}

/// Refuses to plan a run that leaves out columns by which rows are recognised.
fn refuse_altered_keys(settings: &Settings) -> Result<(), Stop> {
    let columns = settings.database.target_alters.iter();
    let told = columns.filter_map(|column| {
        let says = column.key()?;
        Some(format!(
            "target-alters: {column} {says}, so that it must not be altered: end the trigger that changes it, and leave it out"
        ))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { Ok(()) } else { Err(Stop::new(Exit::Usage, told.join("\n"))) }
}

/// The extent of the warehouse's tables; refused if it or an input is not as `--expect` says.
async fn expected_extent(
    settings: &Settings,
    services: &Services<'_>,
    shape: &WarehouseShape,
    draft: &Draft,
) -> Result<Vec<TableExtent>, Stop> {
    let extent = match shape.extent.as_slice() {
        [] => services.warehouse.extent().await?,
        counted => counted.to_vec(),
    };
    if let Some(expected) = Expected::read(settings.expect.as_deref())? {
        expected.compare(&draft.submissions, &draft.mapping.digest, &extent)?;
    }
    Ok(extent)
}

/// What listings of the sources tell of the rows' files; nothing of a plan that is not kept.
async fn list_sources(
    settings: &Settings,
    services: &Services<'_>,
    touch: Touch,
    draft: &Arc<Draft>,
) -> Result<Option<Hints>, Fault> {
    match touch {
        Touch::Write => listed::list(services, draft, rule_config(settings), settings.shards).await,
        Touch::Read | Touch::Stands => Ok(None),
    }
}

impl Prepared {
    /// What the queues and facts files are written from.
    pub fn rows(&self) -> Rows<'_> {
        Rows { draft: &self.draft, facts: self.facts.as_ref(), hints: self.hints.as_ref() }
    }

    /// As the scan read them, else as the warehouse counted them.
    fn warehouse_rows(&self) -> Option<WarehouseRows> {
        let counted = self.shape.rows.map(|(reports, scores)| WarehouseRows { reports, scores });
        self.facts.as_ref().map(|facts| facts.rows_read).or(counted)
    }

    /// The document of this plan.
    pub fn plan(
        &self,
        settings: &Settings,
        services: Services<'_>,
        id: PlanId,
        shards: Vec<ShardPlan>,
    ) -> Plan {
        let pinned = pinned_settings(settings, &id);
        Plan {
            format: FORMAT,
            id,
            run: settings.run.clone(),
            created_at: Utc::now(),
            program_version: env!("CARGO_PKG_VERSION").into(),
            rules_version: RULES_VERSION,
            submissions: self.draft.submissions.clone(),
            mapping: self.draft.mapping.digest.clone(),
            rows: self.draft.len(),
            rows_left_out: self.draft.left_out,
            shards,
            database: self.database.database.clone(),
            identity: self.database.clone(),
            target: services.target_blobs.location(),
            warehouse: self.shape.description.clone(),
            warehouse_extent: self.extent.clone(),
            warehouse_rows: self.warehouse_rows(),
            facts_files: self.facts.is_some(),
            reported: self.witnesses.reported,
            scored: self.witnesses.scored,
            settings: pinned,
            trial: self.trial.clone(),
            after: settings.after.clone(),
            withdrawn: self.draft.withdrawn(),
            excluded: self.excluded.clone(),
            also_read: settings.also_read().map(|file| InputSource::File(file.clone()).recorded()).collect(),
            traceparent: services.traceparent.cloned(),
            epoch: Some(settings.epoch.clone()).filter(|epoch| !epoch.is_outside_the_chart()),
        }
    }

    /// The report that its operator reads.
    pub fn report(&self, plan: Plan, state: PlanState) -> PlanReport {
        let nameless = self.draft.mapping.rows_without_attempt;
        let remarks = (nameless > 0)
            .then(|| {
                format!(
                    "{nameless} rows of attempt_number_mapping.csv have no valid Attempt ID and are not used"
                )
            })
            .into_iter()
            .chain(self.draft.counts().no_version_fits(&plan))
            .chain(self.draft.later().remarks(self.draft.withdrawn()))
            .collect();
        let (counts, holdings) = (Some(self.draft.counts()), Some(self.holdings));
        let listed = self.hints.as_ref().map(|hints| hints.told.clone());
        PlanReport { counts, holdings, listed, remarks, ..PlanReport::of(plan, state) }
    }
}
