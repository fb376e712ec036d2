//! `rollback`: removes what the run created in the target, or says what it would remove.

use std::path::Path;

use serde::Serialize;

use crate::{
    cli::RollbackArgs,
    exit::{End, Exit, Moment, Stop},
    inputs::read_attempts,
    ports::{TargetReader, TargetUndo, WrittenSubmission},
    report,
    rollback::{
        Rollback, Touched,
        report::{Report, Settled},
    },
    run::{
        Plan, RunName, RunStore, Summary,
        lines::no_room,
        lock::LockedRun,
        names,
        pins::{Loss, Present, differences},
        results::{self, CSV, CsvDraft},
    },
    settings::Settings,
};

use super::{
    compare::unchanged,
    connect,
    decided::decided,
    finalize::{self, WAIT_FOR_LOCK},
    json::json,
    own_inputs,
};

/// Connections: removals under way, and one beside them.
const CONNECTIONS: u32 = 5;

/// Without `--yes` prints what would be removed and writes nothing.
pub async fn run(settings: &Settings, args: &RollbackArgs) -> Result<End, Stop> {
    own_inputs::refuse(settings).await?;
    let decided = args.yes.then(|| decided(settings, &decision(settings, args))).transpose()?;
    let attempts = settings.trial.attempts.as_deref().map(read_attempts).transpose()?;
    let store = connect::run_store(settings)?;
    let plan = store.plan_or("this run wrote nothing").await?;
    connect::tell_purged(&store).await?;
    let files = connect::target_blobs(settings)?;
    let application = format!("{}/rollback/{}", settings.run, std::process::id());
    let target = connect::undo_database(settings, CONNECTIONS, &application)?;
    let now = Present::of(settings, &plan.id, target.identity().await?, &files.location());
    unchanged(&differences(&plan, &now))?;
    unchanged(&target.removable().await?)?;
    for advice in target.slow_keys().await? {
        report::tell(&advice);
    }
    let fence = connect::fence(settings, &plan, &target, "rollback");
    let rollback = Rollback {
        run: LockedRun {
            store: &store,
            plan: &plan,
            target: &target,
            fence: &fence,
            deadline: settings.work.give_up_after.min(WAIT_FOR_LOCK),
            loss: Loss::of(settings),
        },
        undo: &target,
        files: &files,
        lms_instance: &settings.organisation.lms_instance,
        attempts: attempts.as_deref(),
        touched: if args.force_touched { Touched::Remove } else { Touched::Keep },
        give_up_after: settings.work.give_up_after,
    };
    let Some(decided) = decided else {
        let report = rollback.rehearse().await?;
        target.close().await;
        return tell(args, &plan, &report, "would remove");
    };
    if attempts.is_some() && books(&store).await?.is_some() {
        // The books will be made of it again: what cannot be read stops the rollback before it has removed anything.
        connect::inputs(settings)?.submissions().await?;
    }
    let mut rows = Rows::create()?;
    let report = rollback.perform(&decided, &mut |submission, settled| rows.add(submission, settled)).await;
    let report = report.map_err(|stop| stop.at(Moment::AfterPlan))?;
    target.close().await;
    rows.publish(&store, &settings.out).await?;
    let told = tell(args, &plan, &report, "removed");
    // Not those from before the lock: a merge that it waited for has made them again.
    let books = if attempts.is_some() { books(&store).await } else { Ok(None) };
    match books {
        Ok(Some(before)) => beside(told, update_books(settings, &store, &plan, &before).await),
        Ok(None) => told,
        Err(stop) => beside(told, Err(stop)),
    }
}

/// Both ends of a rollback: what it left, and what is wrong with the results. The results decide the exit code.
fn beside(told: Result<End, Stop>, books: Result<(), Stop>) -> Result<End, Stop> {
    let Err(books) = books else { return told };
    let left = told.err().map(|stop| format!("{stop}\n")).unwrap_or_default();
    let message = format!("{left}{books}");
    Err(books.saying(message))
}

/// As `decisions.jsonl` names it.
fn decision(settings: &Settings, args: &RollbackArgs) -> String {
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).display().to_string();
    let attempts = settings.trial.attempts.as_deref().map(|path| format!(" --attempts {}", name(path)));
    let force = if args.force_touched { " --force-touched" } else { "" };
    format!("rollback --yes{}{force}", attempts.unwrap_or_default())
}

/// The results that are to be brought up to date: a purged run has none, and one that was rolled back as a whole accepts
/// none.
async fn books(store: &RunStore) -> Result<Option<Summary>, Stop> {
    let is_ended = store.exists(names::ROLLED_BACK).await? || store.exists(names::PURGED).await?;
    Ok(if is_ended { None } else { store.read(&names::result(names::SUMMARY)).await? })
}

/// The results of a run that stays valid say from now on that these rows were rolled back. Rows that were missing or lost
/// before are no news; others are, also of a run that was INCOMPLETE.
async fn update_books(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    before: &Summary,
) -> Result<(), Stop> {
    let merged = finalize::merge_after_rollback(settings, store, plan).await.map_err(|stop| {
        let message = format!(
            "the attempts were rolled back, but the run's results do not say so yet: {stop}\nwhen that is mended, run \
             finalize"
        );
        stop.saying(message)
    });
    let mut published = merged?;
    let now = &published.summary;
    let lacks_more = now.missing.rows > before.missing.rows || now.lost.rows > before.lost.rows;
    let ended = match published.incomplete() {
        Some(incomplete) if lacks_more => Err(incomplete),
        _ => published.swept().map(drop),
    };
    ended.map_err(|stop| {
        let message =
            format!("the attempts were rolled back, and the run's results say so. They also say: {stop}");
        stop.saying(message)
    })
}

fn tell(args: &RollbackArgs, plan: &Plan, rolled_back: &Report, verb: &str) -> Result<End, Stop> {
    #[derive(Serialize)]
    struct Told<'a> {
        run: &'a RunName,
        dry_run: bool,
        #[serde(flatten)]
        report: &'a Report,
    }
    if args.json {
        let told = Told { run: &plan.run, dry_run: !args.yes, report: rolled_back };
        report::print(&json("report", &told)?);
    } else {
        report::print(&rolled_back.text(verb));
        if !args.yes {
            report::print("nothing was written: a dry run; --yes --reason TEXT does it");
        }
    }
    let message = format!("{verb} {} submissions of run {}", rolled_back.removed.attempts, plan.run);
    if rolled_back.is_incomplete() {
        let left = rolled_back.kept.attempts + rolled_back.not_of_this_run.attempts;
        let reasons: Vec<String> = rolled_back
            .reasons
            .iter()
            .map(|(code, counted)| format!("{} {code}", counted.attempts))
            .collect();
        let elsewhere = match rolled_back.not_of_this_run.attempts {
            0 => None,
            attempts => Some(format!("{attempts} not_of_this_run")),
        };
        let reasons: Vec<String> = reasons.into_iter().chain(elsewhere).collect();
        let message = format!("INCOMPLETE: {message}; {left} are left ({})", reasons.join(", "));
        return Err(Stop::new(Exit::Incomplete, message));
    }
    Ok(End::done(message))
}

/// `rolled_back.csv`, drafted on the local disk.
struct Rows {
    folder: tempfile::TempDir,
    draft: CsvDraft,
}

impl Rows {
    fn create() -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(no_room)?;
        let header = ["Attempt ID", "Launch ID", "Submission ID", "Result", "Detail"];
        let draft = CsvDraft::create(&folder.path().join(names::ROLLED_BACK_ROWS), &[], header)?;
        Ok(Self { folder, draft })
    }

    fn add(&mut self, submission: &WrittenSubmission, settled: &Settled) -> Result<(), Stop> {
        let ids = &submission.ids;
        let row = [
            ids.attempt().to_string(),
            ids.launch_id(),
            ids.row("assignment_submissions", 1),
            settled.code().to_owned(),
            settled.detail(),
        ];
        Ok(self.draft.row(row)?)
    }

    async fn publish(self, store: &RunStore, out: &Path) -> Result<(), Stop> {
        let Self { folder, draft } = self;
        draft.finish()?;
        let file = names::ROLLED_BACK_ROWS;
        results::publish(Some(store), Some(out), file, &folder.path().join(file), CSV).await
    }
}
