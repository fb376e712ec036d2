//! `purge`: deletes from the run store what holds personal data, or says what it would delete.

use chrono::Utc;

use crate::{
    cli::PurgeArgs,
    exit::{End, Exit, Stop},
    inputs::read_attempts,
    report,
    run::{Decided, Plan, Purged, RunStore, names, purge},
    settings::PurgeSettings,
};

use super::{connect, decided::decided_by};

/// Without `--yes` prints what would be deleted and writes nothing.
pub async fn run(settings: &PurgeSettings, args: &PurgeArgs) -> Result<End, Stop> {
    let what = if settings.attempts.is_some() { "purge --attempts --yes" } else { "purge --yes" };
    let decided =
        args.yes.then(|| decided_by(settings.reason.as_deref(), &settings.user, what)).transpose()?;
    let attempts = settings.attempts.as_deref().map(read_attempts).transpose()?;
    let store = connect::store_of(&settings.store)?;
    let elsewhere = elsewhere(settings).await?;
    for place in [Some(&store), elsewhere.as_ref()].into_iter().flatten() {
        if let Some(under_way) = purge::under_way(place, Utc::now()).await? {
            return Err(Stop::new(Exit::Temporary, format!("{under_way}; nothing was deleted")));
        }
    }
    match attempts {
        None => whole(&store, elsewhere.as_ref(), decided).await,
        Some(attempts) => some(&store, elsewhere.as_ref(), decided, &attempts).await,
    }
}

/// The run's folder in the verify store, if that lies elsewhere. A place that holds a plan is a run store: the queues of
/// another installation's run of the same name would go.
async fn elsewhere(settings: &PurgeSettings) -> Result<Option<RunStore>, Stop> {
    let Some(verify_store) = connect::verify_store_elsewhere_of(&settings.store)? else { return Ok(None) };
    if verify_store.exists(names::PLAN).await? {
        let place = verify_store.describe("");
        let message = format!(
            "--verify-store: {place} holds a run, not only its verifications: purge that run by --run-store; nothing was \
             deleted"
        );
        return Err(Stop::new(Exit::Configuration, message));
    }
    Ok(Some(verify_store))
}

async fn whole(
    store: &RunStore,
    elsewhere: Option<&RunStore>,
    decided: Option<Decided>,
) -> Result<End, Stop> {
    let found = purge::find(store).await?;
    if found.documents() == 0 && store.plan().await?.is_none() {
        let message = format!("there is no run at {}: nothing to purge", store.describe(""));
        return Err(Stop::new(Exit::Configuration, message));
    }
    let verify = match elsewhere {
        Some(place) => Some((place, purge::find(place).await?)),
        None => None,
    };
    let verb = if decided.is_some() { "deletes" } else { "would delete" };
    let (mut documents, mut bytes) = (0, 0);
    for (place, found) in
        [Some((store, &found)), verify.as_ref().map(|(place, found)| (*place, found))].into_iter().flatten()
    {
        report::print(&format!("purge {verb} from {}:", place.describe("")));
        for (group, (documents, bytes)) in &found.groups {
            report::print(&format!("  {group}: {documents} documents, {bytes} bytes"));
        }
        documents += found.documents();
        bytes += found.bytes();
    }
    let Some(decided) = decided else {
        tell_consequences("would no longer work:", &purge::NO_LONGER);
        report::print("nothing was deleted: a dry run; --yes --reason TEXT does it");
        return Ok(End::done(format!("would delete {documents} documents of run {}", store.run())));
    };
    let Purged { no_longer, .. } = purge::purge(store, &decided, found, verify).await?;
    tell_consequences("no longer works:", &no_longer);
    Ok(End::done(format!("deleted {documents} documents, {bytes} bytes, of run {}", store.run())))
}

async fn some(
    store: &RunStore,
    elsewhere: Option<&RunStore>,
    decided: Option<Decided>,
    attempts: &[crate::domain::AttemptId],
) -> Result<End, Stop> {
    let plan = plan_with_result(store).await?;
    let Some(decided) = decided else {
        report::print(&format!(
            "purge would blank {} attempts in queues and facts files, and take their lines out of {}, {} and the images of \
             malpractice rules",
            attempts.len(),
            names::FAILED,
            names::VERIFICATION_FAILURES
        ));
        report::print("nothing was written: a dry run; --yes --reason TEXT does it");
        return Ok(End::done(format!("would purge {} attempts of run {}", attempts.len(), store.run())));
    };
    let decided = Decided { attempts: attempts.len() as u64, ..decided };
    match purge::purge_attempts(store, elsewhere, &plan, attempts, &decided).await? {
        None => {
            let message = format!("run {} holds nothing of these attempts: nothing was purged", store.run());
            report::print(&message);
            Ok(End::done(message))
        }
        Some(Purged { documents, no_longer, .. }) => {
            tell_consequences("no longer works:", &no_longer);
            let message = format!(
                "purged {} attempts from {documents} documents of run {}",
                attempts.len(),
                store.run()
            );
            report::print(&message);
            Ok(End::done(message))
        }
    }
}

/// A row that is blanked before it has an outcome would fail for what is missing: the run has to have its result.
async fn plan_with_result(store: &RunStore) -> Result<Plan, Stop> {
    connect::not_purged(store).await?;
    let plan = store.plan_or("nothing to purge").await?;
    let summary: Option<crate::run::Summary> = store.read(&names::result(names::SUMMARY)).await?;
    match summary.map(|summary| summary.result) {
        Some(crate::run::RunResult::Complete) => Ok(plan),
        Some(crate::run::RunResult::Incomplete) | None => {
            let message = format!(
                "run {} is not complete: rows that are blanked before they are moved would fail; complete it first \
                 (rogo-migrate resume), or purge it as a whole, without --attempts",
                store.run()
            );
            Err(Stop::new(Exit::Incomplete, message))
        }
    }
}

fn tell_consequences<T: AsRef<str>>(title: &str, consequences: &[T]) {
    report::print(title);
    for consequence in consequences {
        report::print(&format!("  {}", consequence.as_ref()));
    }
    report::print(
        "copies that storage keeps by itself (soft delete, versions, backups) go when their time is over: see \
         deploy/RUNNING.md",
    );
}
