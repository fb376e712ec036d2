//! The commands: wiring only.

mod connect;
mod await_plan;
mod beside;
mod bundle;
mod compare;
mod completions;
mod confirmed;
mod explain;
mod finalize;
mod frozen;
mod host;
mod json;
mod last_word;
mod limited;
mod notify;
mod open_files;
mod own_disk;
mod orphans;
mod rollback;
mod decided;
mod own_inputs;
mod patience;
mod plan;
mod predict;
mod predicted;
mod purge;
mod report;
mod run;
mod results;
mod resume;
pub mod sample;
mod settings;
mod shard;
mod signals;
mod status;
mod verify;

pub use await_plan::await_plan;
pub use last_word::{guarded, last_word};

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use self::notify::Teller;
use crate::{
    cli::{Cli, Command},
    exit::{End, Exit, Stop},
    ports::overdue,
    settings::{
        ExportSettings, Flags, LogFormat, LogSettings, PurgeSettings, Settings, Sources, StoreSettings,
        VerifySettings, require_workload_identity,
    },
    telemetry,
};

/// From SIGTERM to the end: with the 3 s in which telemetry is sent, and the 1 s in which it is told, less than the 20 s
/// promised, and than the 30 s until a pod is killed.
const LONGEST_STOP: Duration = Duration::from_secs(15);

/// Arguments → settings → telemetry → command. All that can fail synchronously fails first, but for the
/// handler of SIGTERM, which process 1 has only once it has asked for it.
pub fn run(mut cli: Cli) -> Result<End, Stop> {
    open_files::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::new(Exit::Temporary, format!("cannot start the runtime: {error}")))?;
    let (stop, disk) = signals::stop_token(&runtime)?;
    if let Command::Completions(args) = &cli.command {
        return Ok(completions::run(args).into());
    }
    if let Command::Explain(args) = &cli.command
        && args.attempt.is_none()
    {
        let explained = explain::run(args.code.as_deref())?;
        if let (Some(bundle), Some(code)) = (&args.bundle, &args.code) {
            crate::report::print(&runtime.block_on(bundle::occurrences(bundle, code))?);
        }
        return Ok(explained);
    }
    let sources = Sources::gather(flags(&cli), cli.global.config.as_deref())?;
    telemetry::tell_as_the_log(LogFormat::chosen(&sources));
    switch_on(&mut cli.command, &sources);
    if let Command::Settings(_) = &cli.command {
        return settings::run(&sources).map(End::from);
    }
    let teller = Teller::of(&cli.command, &sources);
    let cut_off = cut_off(&runtime, &stop);
    // Also a panic and settings that cannot be read are the end of a run.
    let ended =
        guarded(|| perform_with_telemetry(&cli.command, &sources, &runtime, &teller, [&stop, &cut_off]));
    let ended = ended.map_err(|stop| disk.told(stop));
    runtime.block_on(teller.tell(&ended, &cut_off));
    // Not waited for: a look-up of a name may block its thread for longer than a stop may take.
    runtime.shutdown_background();
    ended
}

/// Turns on the switches that the config file sets, where they apply: the file is one for all commands.
fn switch_on(command: &mut Command, sources: &Sources) {
    const OF_CONTENT: &str = "only_unproven";
    let applies = |key: &str| key != OF_CONTENT || sources.is_of_content();
    let is_asked_for = matches!(command, Command::Verify(args) if !args.only_unproven);
    if is_asked_for && sources.is_on(OF_CONTENT) && !applies(OF_CONTENT) {
        crate::report::tell("only_unproven, which the config file sets, is left out: it is of level content");
    }
    command.switch_on(|key| sources.is_on(key) && applies(key));
    if command.json().is_some_and(|json| *json) {
        crate::report::answer_in_json();
    }
    if let Command::Plan(args) = command
        && args.dry_run
        && args.prediction.predict
        && sources.is_on("probe")
    {
        crate::report::tell("probe, which the config file sets, is left out: --dry-run writes nothing");
    }
}

/// A token that is cancelled when a stop has taken [`LONGEST_STOP`].
fn cut_off(runtime: &Runtime, stop: &CancellationToken) -> CancellationToken {
    let (stop, cut_off) = (stop.clone(), CancellationToken::new());
    let cut = cut_off.clone();
    // Ends with the runtime.
    runtime.spawn(async move {
        overdue(&stop, LONGEST_STOP).await;
        cut.cancel();
    });
    cut_off
}

/// Sends telemetry while the command works, and what is left of it afterwards.
fn perform_with_telemetry(
    command: &Command,
    sources: &Sources,
    runtime: &Runtime,
    teller: &Teller,
    [stop, cut_off]: [&CancellationToken; 2],
) -> Result<End, Stop> {
    let log = LogSettings::load(sources)?;
    let _telemetry = telemetry::start(&log, ExportSettings::of(sources, log.trace_sample).as_ref())?;
    if let Command::Sample(args) = command {
        crate::report::print(&sample::run(args)?.to_string());
        return Ok(Exit::Done.into());
    }
    confirmed::refuse(command, sources)?;
    require_workload_identity(sources)?;
    runtime.block_on(within_patience(cut_off, perform(command, sources, &log, teller, stop)))
}

/// The commands that may wait. Those that only look at a run need no settings of database and warehouse.
async fn perform(
    command: &Command,
    sources: &Sources,
    log: &LogSettings,
    teller: &Teller,
    stop: &CancellationToken,
) -> Result<End, Stop> {
    let settings = || Settings::load(sources);
    let store_settings = || StoreSettings::load(sources);
    match command {
        Command::Plan(args) => plan::run(&settings()?, args, stop).await,
        Command::Shard(_) => shard::run(&settings()?, log, stop).await,
        Command::Finalize(_) => or_stopped(stop, finalize::run(&settings()?, teller)).await,
        Command::Run(_) => run::run(&settings()?, log, teller, stop).await,
        Command::Status(args) => match &args.bundle {
            Some(bundle) => or_stopped(stop, Box::pin(status::of_bundle(bundle, args))).await,
            None => or_stopped(stop, status::run(&store_settings()?, args, log)).await,
        },
        Command::Verify(args) => {
            let (settings, verify) = VerifySettings::load(sources)?;
            or_stopped(stop, Box::pin(verify::run(&settings, &verify, args))).await
        }
        Command::Resume(_) => resume::run(sources, log, teller, stop).await,
        Command::Results(args) => or_stopped(stop, Box::pin(results::run(&store_settings()?, args))).await,
        Command::Report(args) => or_stopped(stop, Box::pin(report::of(sources, args))).await,
        Command::Orphans(args) => {
            or_stopped(stop, orphans::run(&settings()?, args.delete)).await.map(End::from)
        }
        Command::Rollback(args) => or_stopped(stop, Box::pin(rollback::run(&settings()?, args))).await,
        Command::Purge(args) => or_stopped(stop, purge::run(&PurgeSettings::load(sources)?, args)).await,
        Command::Explain(args) => {
            let attempt = args.attempt.as_deref().unwrap_or_default();
            or_stopped(stop, Box::pin(explain::attempt(sources, attempt))).await
        }
        Command::Settings(_) | Command::Sample(_) | Command::Completions(_) => Ok(Exit::Done.into()),
    }
}

/// Gives a command that was asked to stop [`LONGEST_STOP`] to do so.
async fn within_patience<T>(
    cut_off: &CancellationToken,
    command: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    tokio::select! {
        result = command => result,
        () = cut_off.cancelled() => {
            let message = "stopped while a service did not answer: what was under way may not be recorded, but the next \
                           run finds what stands in the target; run again to continue";
            Err(Stop::new(Exit::Stopped, message))
        }
    }
}

/// Runs what may be dropped half-way; SIGTERM drops it and ends the process with 143.
async fn or_stopped<T>(
    stop: &CancellationToken,
    command: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    tokio::select! {
        result = command => result,
        () = stop.cancelled() => Err(Stop::new(Exit::Stopped, "stopped before the first row or after the last; run again to continue")),
    }
}

/// Every flag of a setting, by its key.
fn flags(cli: &Cli) -> Flags {
    let mut flags = Flags::default().with(&cli.global);
    if cli.global.verbose && cli.global.log.is_none() {
        flags = flags.with(&serde_json::json!({ "log": "info" }));
    }
    match &cli.command {
        Command::Plan(args) => flags.with(&args.reason).with(&args.plan).with(&args.settings),
        Command::Shard(args) => {
            flags.with(&args.reason).with(&args.shard).with(&args.wait).with(&args.settings)
        }
        Command::Finalize(args) => {
            flags.with(&args.accept).with(&args.reason).with(&args.wait).with(&args.settings)
        }
        Command::Run(args) => flags.with(&args.reason).with(&args.plan).with(&args.settings),
        Command::Verify(args) => flags.with(&args.verify).with(&args.settings),
        Command::Status(args) => flags.with(&args.store).with(&args.verify_store).with(&args.wait),
        Command::Resume(args) => flags.with(&args.redo).with(&args.reason).with(&args.settings),
        Command::Results(args) => flags.with(&args.store).with(&args.verify_store),
        Command::Report(args) => flags.with(&args.out).with(&args.store).with(&args.verify_store),
        Command::Orphans(args) => flags.with(&args.reason).with(&args.settings),
        Command::Rollback(args) => flags.with(&args.attempts).with(&args.reason).with(&args.settings),
        Command::Settings(args) => {
            let flags = flags.with(&args.redo).with(&args.accept).with(&args.reason);
            flags.with(&args.plan).with(&args.shard).with(&args.wait).with(&args.settings)
        }
        Command::Purge(args) => {
            flags.with(&args.attempts).with(&args.reason).with(&args.verify_store).with(&args.store)
        }
        Command::Explain(args) => flags.with(&args.settings),
        Command::Sample(_) | Command::Completions(_) => flags,
    }
}
