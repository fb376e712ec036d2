//! What every look of a verification stands on: read once by each process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Asked;
use crate::{
    adapters::postgres::PostgresReader,
    commands::{compare::unchanged, connect},
    domain::{AttemptId, SkipCode, TargetIdentity, form::Layout},
    exit::{Exit, Stop},
    inputs::{InputError, Inputs},
    ports::{
        Blobs, Fault, FaultKind, ReaderRole, StoredCatalogue, StoredTarget, Table, TargetReader, Unreadable,
        Warehouse, within,
    },
    run::{
        Standing, WriterId, decisions, enforcements,
        outcomes::Outcomes,
        pins::{Present, differences, input_differences},
        writers,
    },
    settings::{MarkerOnly, Settings},
    verify::{
        blobs::sources::SILENT_FOR, checks::Ground, expect::RunSettings, facts::FactsSource,
        mapping::InputIndex, pass::World, progress::Progress, report::Absent,
    },
};

/// Tables without which assessments, sections and levels are not known.
const CATALOGUE: [&str; 3] = ["assessments", "assessment_sections", "malpractice_levels"];

/// What does not change while a process verifies.
pub(super) struct Known<'a> {
    pub(super) target: &'a PostgresReader,
    attempts: Option<&'a BTreeSet<AttemptId>>,
    planned_at: chrono::DateTime<chrono::Utc>,
    ended_at: chrono::DateTime<chrono::Utc>,
    pub(super) identity: TargetIdentity,
    pub(super) role: ReaderRole,
    pub(super) absent: Absent,
    /// Whether the warehouse is left out because no host answers a login there, and may answer later.
    pub(super) warehouse_is_away: bool,
    pub(super) images: BTreeSet<String>,
    pub(super) settings: RunSettings,
    pub(super) progress: Progress,
    pub(super) index: Option<&'a InputIndex>,
    pub(super) warehouse: Arc<dyn Warehouse>,
    /// Whether looking attempts up in the warehouse is cheap; else it is read whole.
    pub(super) is_indexed: bool,
    unreadable: BTreeSet<Table>,
    catalogue: StoredCatalogue,
    layout: Layout,
    inputs: Inputs,
    pub(super) writers: BTreeSet<WriterId>,
    taken_out: BTreeSet<AttemptId>,
    settled: BTreeMap<AttemptId, SkipCode>,
    standing: Standing,
}

impl<'a> Known<'a> {
    /// Reads it. The settings have to be those of the run, and what can be read its inputs and warehouse.
    pub(super) async fn read(
        asked: &Asked<'a>,
        target: &'a PostgresReader,
        attempts: Option<&'a BTreeSet<AttemptId>>,
    ) -> Result<Self, Stop> {
        let Asked { settings, store, plan, summary, .. } = *asked;
        let files = connect::target_blobs(settings)?;
        let identity = target.identity().await?;
        unchanged(&differences(plan, &Present::of(settings, &plan.id, identity.clone(), &files.location())))?;
        let tables = target.unreadable().await?;
        let unreadable = Table::ALL.iter().copied().filter(|table| names(&tables, table.name())).collect();
        let inputs = connect::inputs(settings)?;
        let index = asked.index(&inputs).await?;
        let warehouse = connect::warehouse(settings)?;
        let inputs_absent = index.as_ref().err().cloned();
        let mut absent = Absent { tables, inputs: inputs_absent, ..Absent::default() };
        let mut warehouse_is_away = false;
        let is_indexed = match asked.looks_up(warehouse.as_ref()).await? {
            Ok(false) if index.is_err() => {
                let why = "the warehouse can only be read as a whole, which needs the inputs beside it";
                absent.warehouse = Some(why.to_owned());
                false
            }
            Ok(is_indexed) => is_indexed,
            Err(Gone { why, is_away }) => {
                (absent.warehouse, warehouse_is_away) = (Some(why), is_away);
                false
            }
        };
        Ok(Self {
            target,
            attempts,
            planned_at: plan.created_at,
            ended_at: summary.at,
            identity,
            role: target.role().await?,
            images: enforcements::ids(store).await?,
            settings: run_settings(settings, files.as_ref()),
            progress: Progress::default(),
            index: index.ok(),
            warehouse,
            is_indexed,
            unreadable,
            catalogue: target.stored_catalogue(&absent.tables).await?,
            layout: target.layout(&settings.database.target_alters).await?,
            inputs,
            writers: writers::registered(store).await?.0,
            taken_out: decisions::taken_out(store).await?.into_keys().collect(),
            settled: decisions::settled(store, summary.at).await?,
            standing: asked.standing.clone(),
            absent,
            warehouse_is_away,
        })
    }

    /// The world of a look.
    pub(super) fn world<'w>(&'w self, outcomes: &'w Outcomes, facts: &'w FactsSource<'w>) -> World<'w> {
        World {
            ground: Ground {
                settings: &self.settings,
                catalogue: &self.catalogue,
                catalogue_is_known: !CATALOGUE.iter().any(|table| names(&self.absent.tables, table)),
                layout: &self.layout,
                writers: &self.writers,
                unreadable: &self.unreadable,
            },
            inputs: self.index.map(|index| (&self.inputs, index)),
            facts,
            target: self.target,
            outcomes,
            standing: &self.standing,
            taken_out: &self.taken_out,
            settled: &self.settled,
            attempts: self.attempts,
            planned_at: self.planned_at,
            ended_at: self.ended_at,
            progress: &self.progress,
        }
    }

    /// What cannot be read, by name: another process may be able to.
    pub(super) fn lacks(&self) -> Vec<String> {
        let tables = self.absent.tables.iter().map(|table| format!("without {}", table.table));
        let inputs = self.absent.inputs.iter().map(|_| "without inputs".to_owned());
        let warehouse = self.absent.warehouse.iter().map(|_| "without warehouse".to_owned());
        tables.chain(inputs).chain(warehouse).collect()
    }

    /// Whether `--target-alters` names a column by which the controls count.
    pub(super) fn has_altered_sums(&self) -> bool {
        let columns = [(Table::Files, "azure_blob_name"), (Table::Grades, "assessment_id")];
        columns.iter().any(|(table, column)| self.layout.leaves_out(table.name(), column))
    }

    /// The warehouse's facts, if it is not read whole: it is asked, or it is gone.
    pub(super) fn facts(&self) -> Option<FactsSource<'_>> {
        match &self.absent.warehouse {
            Some(why) => Some(FactsSource::Absent(why.clone())),
            None if self.is_indexed => Some(FactsSource::Asked(self.warehouse.as_ref())),
            None => None,
        }
    }
}

impl<'a> Asked<'a> {
    /// The two inputs, if they are there; why not. Inputs of other bytes than planned are refused. They are read once, however often
    /// this process tries.
    async fn index(&self, inputs: &Inputs) -> Result<Result<&'a InputIndex, String>, Stop> {
        let index = match self.kept.index.get_or_try_init(|| InputIndex::read(inputs)).await {
            Err(InputError::Unreadable { location, reason }) => {
                return Ok(Err(format!("{location} cannot be read: {reason}")));
            }
            read => read?,
        };
        unchanged(&input_differences(self.plan, &(&index.submissions).into(), &(&index.mapping).into()))?;
        Ok(Ok(index))
    }

    /// Whether looking attempts up in the warehouse is cheap; why there is none, if it is gone, no host answers a login there, or it
    /// may not be read, which leaves its checks out. Processes that share a verification leave none out because it does not answer:
    /// it may answer another one, and what each of them has compared would never be put together.
    async fn looks_up(&self, warehouse: &dyn Warehouse) -> Result<Result<bool, Gone>, Stop> {
        let shape = match within(SILENT_FOR, || warehouse.shape()).await {
            Err(fault) if is_gone(&fault) => return Ok(Err(Gone { why: fault.chain(), is_away: false })),
            Err(fault) if fault.unreached && self.is_alone() => {
                return Ok(Err(Gone { why: fault.chain(), is_away: true }));
            }
            Err(fault) if fault.unreached && !self.args.self_test => {
                let message = format!(
                    "{}; it is waited for, since it may answer other parts of this verification: verify again when it does. To \
                     verify without it: by hand, in one process (no --shard)",
                    fault.chain()
                );
                return Err(Stop::from(fault).saying(message));
            }
            shape => shape?,
        };
        if shape.description != self.plan.warehouse {
            let message = format!(
                "the warehouse changed since the run began (from {} to {}); give the one that the run began with",
                self.plan.warehouse, shape.description
            );
            return Err(Stop::new(Exit::Configuration, message));
        }
        Ok(Ok(shape.lookups_are_cheap))
    }
}

fn names(tables: &[Unreadable], table: &str) -> bool {
    tables.iter().any(|one| one.table == table)
}

/// A warehouse that is left out.
struct Gone {
    why: String,
    /// No host answers a login there: one that is gone for good is the same, so that what needs none is proven without it.
    is_away: bool,
}

/// Whether the fault says that the service is not there for this process, rather than for now.
fn is_gone(fault: &Fault) -> bool {
    matches!(
        fault.kind,
        FaultKind::NotFound
            | FaultKind::ContainerGone
            | FaultKind::Denied
            | FaultKind::NoRole
            | FaultKind::Unauthenticated
            | FaultKind::Misconfigured
    )
}

fn run_settings(settings: &Settings, files: &dyn Blobs) -> RunSettings {
    let (organisation, rules) = (&settings.organisation, &settings.rules);
    let url = files.url("x");
    RunSettings {
        lms_instance: organisation.lms_instance.clone(),
        lms_name: organisation.lms_name.clone(),
        return_url: organisation.return_url.clone(),
        consumer_key: organisation.consumer_key.clone(),
        instruction_set: rules.instruction_set.clone(),
        assignment_title: rules.assignment_title.clone(),
        unit_versions: rules.unit_versions.clone(),
        marker_only: rules.marker_only == MarkerOnly::Migrate,
        zone: rules.warehouse_time_zone,
        container: connect::container(&settings.target),
        url_base: url.strip_suffix('x').unwrap_or(&url).to_owned(),
    }
}
