//! `shard`: one process moves the rows of one shard.

mod kept;
mod process;
mod shared;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    domain::ShardIndex,
    exit::{End, Exit, Stop},
    ports::Service,
    report::{
        self,
        board::Board,
        events::{Beginning, Ended, Event, Events},
        observed::Observed,
        progress::{display, show_now},
    },
    run::{Decided, DoneMarker, Plan, RunStore, WriterId, decisions},
    settings::{LogSettings, Settings},
    shard::{
        self,
        pace::{Pace, Trouble},
    },
    telemetry::shard_step,
};

use super::{
    await_plan::await_plan,
    beside::{ByHand, warn_of_jobs},
    compare::compare_inputs_at_hand,
    connect, decided, signals,
};
use kept::Kept;
use process::Process;
use shared::Shared;

/// Waits for the plan, then moves the shard's rows. Exit 0 only if every row has an outcome and the
/// done marker stands.
pub async fn run(settings: &Settings, log: &LogSettings, stop: &CancellationToken) -> Result<End, Stop> {
    let Some(index) = settings.shard else {
        return Err(Stop::new(Exit::Usage, "which shard? Give --shard, or JOB_COMPLETION_INDEX"));
    };
    let store = connect::run_store(settings)?;
    let waiting =
        async { tokio::join!(await_plan(settings, &store), warn_of_jobs(settings, ByHand::Moves)).0 };
    let plan = super::or_stopped(stop, waiting).await?;
    super::or_stopped(stop, compare_inputs_at_hand(settings, &plan)).await?;
    super::or_stopped(stop, decided::redo(settings, &store, &plan)).await?;
    let rows = plan.shard(index).map_or(0, |shard| shard.rows);
    let board = Board::new(rows, 1);
    let shared = Shared::new(settings, &board);
    let plan = Arc::new(plan);
    let moving = shard_step(&plan, index, move_shard(settings, &store, plan.clone(), index, &shared, stop));
    let moved = shown(&board, log, Box::pin(moving)).await;
    shared.close().await;
    moved?;
    Ok(End::done(format!("every row of shard {index} has an outcome")))
}

/// Moves the shards of an existing plan one after another; a shard that is done ends at once. If there are several, a
/// shard that fails because of its rows or a bug does not stop the others: the merge names it.
pub async fn move_all(
    settings: &Settings,
    store: &RunStore,
    plan: &Arc<Plan>,
    log: &LogSettings,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    let shards = plan.shards.len();
    let board = Board::new(plan.rows, shards);
    let shared = Shared::new(settings, &board);
    let moving = async {
        for index in (0..).map(ShardIndex).take(shards) {
            let moving = move_shard(settings, store, plan.clone(), index, &shared, stop);
            match Box::pin(shard_step(plan, index, moving)).await {
                Err(failed) if shards > 1 && matches!(failed.exit, Exit::DataRefused | Exit::Bug) => {
                    report::tell_error(&format!("shard {index}: {failed}"), &failed.facts());
                }
                moved => moved?,
            }
        }
        Ok(())
    };
    let moved = shown(&board, log, moving).await;
    shared.close().await;
    moved
}

/// Shows the board while the work goes on.
async fn shown<T>(board: &Board, log: &LogSettings, work: impl Future<Output = T>) -> T {
    let ended = CancellationToken::new();
    let working = async {
        let result = work.await;
        ended.cancel();
        result
    };
    let style = log.progress();
    let when_asked = ended.run_until_cancelled(signals::each_usr1(|| show_now(board, style)));
    tokio::join!(working, display(board, style, ended.clone()), when_asked).0
}

/// Moves one shard of an existing plan.
async fn move_shard(
    settings: &Settings,
    store: &RunStore,
    plan: Arc<Plan>,
    index: ShardIndex,
    shared: &Shared,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    let Some(rows) = plan.shard(index).map(|shard| shard.rows) else {
        return Err(no_such_shard(store, &plan, index));
    };
    let ending = stop.child_token();
    let observed = Arc::new(Observed::new(rows, &shared.events));
    let pace = Pace::new(settings.work.give_up_after, ending.clone()).telling(&observed.events);
    let pace = Arc::new(pace);
    let done = pace.at_start(Service::RunStore, || store.done(&plan.id, index)).await;
    if let Some(marker) = done.map_err(Trouble::of_one_shard)?.filter(|_| !settings.redo_lost) {
        tracing::info!(%index, "every row of this shard has an outcome already");
        tell_done(&shared.events, &plan, rows, &marker);
        return Ok(());
    }
    without_breaker(settings, store, &plan, &pace).await?;
    let id = WriterId::fresh();
    let next = connect::of_shard(settings, store, &plan, index, &id, &observed.events);
    let kept = match shared.take_kept() {
        Some(kept) => kept.handed_on(&next),
        None => Kept::connect(settings, store, &plan, &shared.gate, next)?,
    };
    let process = Process {
        settings,
        store,
        plan: &plan,
        index,
        writer: &id,
        rows,
        pace: &pace,
        observed: &observed,
        kept: &kept,
        shared,
    };
    let moved = async {
        let inputs = process.prepare_patiently(stop, ending).await?;
        let catalogue = inputs.catalogue.clone();
        shard::run(inputs).await.map(|()| catalogue)
    };
    match moved.await {
        Ok(catalogue) => {
            tracing::info!(%index, rows, "every row of this shard has an outcome");
            shared.keep(kept.knowing(catalogue));
            Ok(())
        }
        // What stopped it may be a connection: the next shard begins with new ones.
        Err(stop) => {
            kept.close().await;
            Err(stop)
        }
    }
}

fn no_such_shard(store: &RunStore, plan: &Plan, index: ShardIndex) -> Stop {
    let has = match plan.shards.len() {
        1 => "one shard, 0".to_owned(),
        shards => format!("{shards} shards, from 0 to {}", shards.saturating_sub(1)),
    };
    let message = format!(
        "there is no shard {index}: the plan of run {} has {has}; check --shard, or JOB_COMPLETION_INDEX and SHARD_INDEXES",
        store.run()
    );
    Stop::new(Exit::Usage, message)
}

/// `--breaker off` is a decision: logged once for each reason, however many shards it concerns.
async fn without_breaker(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    pace: &Pace,
) -> Result<(), Stop> {
    if settings.work.breaker.is_some() {
        return Ok(());
    }
    let decided = Decided { attempts: plan.rows, ..decided::decided(settings, "--breaker off")? };
    let id = format!("breaker-off-{}-{}", plan.id, decided::short_digest(&decided.reason));
    pace.at_start(Service::RunStore, || decisions::log_once(store, &id, &decided)).await?;
    Ok(())
}

/// Tells of a shard that was done before this process began.
fn tell_done(events: &Events, plan: &Plan, rows: u64, marker: &DoneMarker) {
    let shard = marker.shard;
    events.tell(Event::ShardBegan(Beginning {
        shard,
        rows,
        last_row: plan.last_row(),
        earlier: &marker.books,
        workers: 0,
    }));
    events.tell(Event::ShardEnded { shard, ended: Ended::Complete });
}
