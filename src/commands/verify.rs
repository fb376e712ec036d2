//! `verify`: compares what the target holds with inputs and warehouse, and says what was compared and what differs.

mod self_test;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;

use crate::{
    adapters::{blobs, postgres::PostgresReader},
    cli::VerifyArgs,
    domain::{AttemptId, Level},
    exit::{End, Exit, Stop},
    inputs::{InputError, Inputs, read_attempts},
    ports::{Blobs, Fault, FaultKind, Service, StoredTarget, Table, TargetReader, Unreadable, Warehouse},
    report,
    run::{
        Plan, RunStore, Summary, Verification, VerifyResult, decisions, enforcements, names,
        outcomes::Outcomes,
        pins::{Present, differences, input_differences},
        writers,
    },
    settings::{MarkerOnly, Settings, VerifySettings},
    verify::{
        checks::Ground,
        expect::RunSettings,
        facts::FactsSource,
        mapping::InputIndex,
        pass::World,
        report::{Absent, Values},
        run::{self as comparing, Task},
        selection::{self, Accepted},
        self_test::SelfTest,
    },
};

use super::{compare::unchanged, connect, finalize::standing_plan, json::json};

/// Connections to the target database.
const CONNECTIONS: u32 = 3;
/// Tables without which assessments, sections and levels are not known.
const CATALOGUE: [&str; 3] = ["assessments", "assessment_sections", "malpractice_levels"];

/// Verifies the run; exit code 0 verified at this level, 1 differences, 69 in part.
pub async fn run(settings: &Settings, verify: &VerifySettings, args: &VerifyArgs) -> Result<End, Stop> {
    refuse_what_is_not_built(verify, args)?;
    let attempts = verify.attempts.as_deref().map(read_attempts).transpose()?;
    let attempts: Option<BTreeSet<AttemptId>> = attempts.map(|all| all.into_iter().collect());
    let accepted = verify.accept.as_deref().map(selection::accepted).transpose()?.unwrap_or_default();
    let store = connect::run_store(settings)?;
    let results = match &verify.store {
        Some(place) => {
            RunStore::new(blobs::open(place, &settings.account, Service::RunStore)?, &settings.run)
        }
        None => store.clone(),
    };
    let plan = standing_plan(&store).await?;
    connect::tell_purged(&store).await?;
    let summary = finished(&store, &plan).await?;
    // Temporary tables belong to one session.
    let connections = if args.self_test { 1 } else { CONNECTIONS };
    let target =
        connect::database(settings, connections, &format!("{}/verify/{}", settings.run, std::process::id()))?;
    let task = Asked { settings, verify, args, store: &store, plan: &plan, summary: &summary };
    let told = task.told_by(&target, &results, attempts.as_ref(), &accepted).await;
    target.close().await;
    let verification = match told? {
        Told::Verification(verification) => *verification,
        Told::SelfTest(test) => return self_test::print(&test, args.json),
    };
    if args.json {
        report::print(&json("verification", &verification)?);
    } else {
        report::print(&verification.grid());
    }
    let exit = match verification.result {
        VerifyResult::Verified => Exit::Done,
        VerifyResult::Differences => Exit::Differences,
        VerifyResult::InPart => Exit::Incomplete,
    };
    Ok(End { exit, message: verification.verdict })
}

fn refuse_what_is_not_built(verify: &VerifySettings, args: &VerifyArgs) -> Result<(), Stop> {
    let given = [
        (verify.level != Level::Rows, "--level blobs and --level content"),
        (verify.content.is_some(), "--content"),
        (verify.manifest.is_some(), "--manifest"),
        (verify.shard.is_some(), "--shard"),
        (args.only_unproven, "--only-unproven"),
        (args.self_test && verify.attempts.is_some(), "--self-test with --attempts"),
        (args.self_test && verify.accept.is_some(), "--self-test with --accept"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, flag)) => {
            let message =
                format!("{flag}: this version verifies at level rows, in one process; leave it out");
            Err(Stop::new(Exit::Usage, message))
        }
    }
}

/// The result of the run; a run that is under way is not verified.
async fn finished(store: &RunStore, plan: &Plan) -> Result<Summary, Stop> {
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    summary.filter(|summary| summary.plan == plan.id).ok_or_else(|| {
        let message = format!(
            "run {} has no result yet: its {} rows are being moved, or finalize was not run; verify it when \
             `rogo-migrate status` shows a result",
            store.run(),
            plan.rows
        );
        Stop::new(Exit::Temporary, message)
    })
}

/// What a person asked for, and of which run.
struct Asked<'a> {
    settings: &'a Settings,
    verify: &'a VerifySettings,
    args: &'a VerifyArgs,
    store: &'a RunStore,
    plan: &'a Plan,
    summary: &'a Summary,
}

/// What a process tells.
enum Told {
    Verification(Box<Verification>),
    SelfTest(SelfTest),
}

impl Asked<'_> {
    async fn told_by(
        &self,
        target: &PostgresReader,
        results: &RunStore,
        attempts: Option<&BTreeSet<AttemptId>>,
        accepted: &BTreeMap<AttemptId, Accepted>,
    ) -> Result<Told, Stop> {
        let Self { settings, verify, store, plan, .. } = *self;
        let began_at = Utc::now();
        let files = connect::target_blobs(settings)?;
        let identity = target.identity().await?;
        unchanged(&differences(plan, &Present::of(settings, &plan.id, identity.clone(), &files.location())))?;
        let mut absent = Absent { tables: target.unreadable().await?, ..Absent::default() };
        let unreadable: BTreeSet<Table> =
            Table::ALL.iter().copied().filter(|table| names(&absent.tables, table.name())).collect();
        let catalogue = target.stored_catalogue(&absent.tables).await?;
        let role = target.role().await?;
        let layout = target.layout(&settings.database.target_alters).await?;
        let outcomes = Outcomes::gather(store, plan).await?;
        let inputs = connect::inputs(settings)?;
        let index = self.index(&inputs).await?;
        absent.inputs = index.as_ref().err().cloned();
        let warehouse = connect::warehouse(settings)?;
        let facts = self.facts(warehouse.as_ref(), index.as_ref().ok(), &outcomes).await?;
        if let FactsSource::Absent(why) = &facts {
            absent.warehouse = Some(why.clone());
        }
        let (registered, _) = writers::registered(store).await?;
        let may_lack: BTreeSet<AttemptId> = decisions::taken_out(store).await?.into_keys().collect();
        let images = enforcements::ids(store).await?;
        let run_settings = run_settings(settings, files.as_ref());
        let world = World {
            ground: Ground {
                settings: &run_settings,
                catalogue: &catalogue,
                catalogue_is_known: !CATALOGUE.iter().any(|table| names(&absent.tables, table)),
                layout: &layout,
                writers: &registered,
                unreadable: &unreadable,
            },
            inputs: index.as_ref().ok().map(|index| (&inputs, index)),
            facts: &facts,
            target,
            outcomes: &outcomes,
            may_lack: &may_lack,
            attempts,
            planned_at: plan.created_at,
        };
        if self.args.self_test {
            return self.self_test(&world, target, &absent, &images).await;
        }
        let task = Task {
            level: verify.level,
            recheck: verify.recheck,
            accepted,
            values: if self.args.show_values { Values::Shown } else { Values::Hidden },
            rows: plan.submissions.rows,
            images: &images,
        };
        let verified = comparing::verify(&world, &task, &absent).await?;
        let mut verification = self.told(&verified, attempts, began_at);
        self.sign(&mut verification, role, &identity);
        self.log_accepted(results, &verified, accepted).await?;
        self.publish(results, &verified, &mut verification).await?;
        Ok(Told::Verification(Box::new(verification)))
    }

    /// The two inputs, if they are there; why not. Inputs of other bytes than planned are refused.
    async fn index(&self, inputs: &Inputs) -> Result<Result<InputIndex, String>, Stop> {
        let index = match InputIndex::read(inputs).await {
            Err(InputError::Unreadable { location, reason }) => {
                return Ok(Err(format!("{location} cannot be read: {reason}")));
            }
            read => read?,
        };
        let fingerprint = |digest: &crate::domain::InputDigest| crate::inputs::Fingerprint {
            sha256: digest.sha256.clone(),
            size_bytes: digest.size_bytes,
        };
        let (submissions, mapping) = (fingerprint(&index.submissions), fingerprint(&index.mapping));
        unchanged(&input_differences(self.plan, &submissions, &mapping))?;
        Ok(Ok(index))
    }

    /// The warehouse's facts; a warehouse that is gone, or may not be read, leaves its checks out.
    async fn facts<'w>(
        &self,
        warehouse: &'w dyn Warehouse,
        index: Option<&InputIndex>,
        outcomes: &Outcomes,
    ) -> Result<FactsSource<'w>, Stop> {
        let shape = match warehouse.shape().await {
            Err(fault) if is_gone(&fault) => return Ok(FactsSource::Absent(fault.chain())),
            shape => shape?,
        };
        if shape.description != self.plan.warehouse {
            let message = format!(
                "the warehouse changed since the run began (from {} to {}); give the one that the run began with",
                self.plan.warehouse, shape.description
            );
            return Err(Stop::new(Exit::Configuration, message));
        }
        match index {
            Some(index) if !shape.lookups_are_cheap => {
                Ok(FactsSource::split(warehouse, index, outcomes).await?)
            }
            None if !shape.lookups_are_cheap => {
                let why = "the warehouse can only be read as a whole, which needs the inputs beside it";
                Ok(FactsSource::Absent(why.to_owned()))
            }
            _ => Ok(FactsSource::Asked(warehouse)),
        }
    }
}

fn names(tables: &[Unreadable], table: &str) -> bool {
    tables.iter().any(|one| one.table == table)
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
