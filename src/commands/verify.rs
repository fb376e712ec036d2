//! `verify`: compares what the target holds with inputs and warehouse, and says what was compared and what differs.

mod beat;
mod controls;
mod files;
mod hand;
mod joining;
mod known;
mod parts;
mod result;
mod self_test;
mod shared;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::OnceCell;

use crate::{
    adapters::postgres::PostgresReader,
    cli::VerifyArgs,
    domain::AttemptId,
    exit::{End, Exit, Stop},
    inputs::read_attempts,
    report,
    run::{Plan, RunStore, Standing, Summary, Verification, VerifyResult},
    settings::{Settings, VerifySettings},
    telemetry::{Step, step},
    verify::{
        mapping::InputIndex,
        selection::{self, Accepted},
        self_test::SelfTest,
    },
};

use self::{
    known::Known,
    result::{Awaited, Found},
};
use super::{connect, json::json, own_inputs, patience::patiently_beyond};

/// Connections to the target database.
const CONNECTIONS: u32 = 3;

/// Verifies the run; exit code 0 verified at this level, 1 differences, 69 in part.
pub async fn run(settings: &Settings, verify: &VerifySettings, args: &VerifyArgs) -> Result<End, Stop> {
    refuse_what_does_not_fit(verify, args)?;
    own_inputs::refuse_verified(settings, verify, args).await?;
    let attempts = verify.attempts.as_deref().map(read_attempts).transpose()?;
    let attempts: Option<BTreeSet<AttemptId>> = attempts.map(|all| all.into_iter().collect());
    let accepted = verify.accept.as_deref().map(selection::accepted).transpose()?.unwrap_or_default();
    let store = connect::run_store(settings)?;
    let results = connect::verify_store_elsewhere(settings)?.unwrap_or_else(|| store.clone());
    let plan = result::plan(settings, &store).await?;
    let awaited = Awaited { settings, verify, store: &store, plan: &plan };
    awaited.wait().await?;
    connect::tell_purged(&store).await?;
    // Temporary tables belong to one session.
    let connections = if args.self_test { 1 } else { CONNECTIONS };
    let target =
        connect::database(settings, connections, &format!("{}/verify/{}", settings.run, std::process::id()))?;
    let kept = Kept::default();
    let telling = patiently_beyond(
        settings,
        || kept.partitions.load(Ordering::Relaxed),
        async || {
            // Before each try: a merge may have ended since.
            let Found { summary, standing } = awaited.result().await?;
            let asked = Asked {
                settings,
                verify,
                args,
                store: &store,
                results: &results,
                plan: &plan,
                summary: &summary,
                standing: &standing,
                attempts: attempts.as_ref(),
                accepted: &accepted,
                kept: &kept,
            };
            Box::pin(asked.told_by(&target)).await
        },
    );
    let told = step(Step::Verify, plan.traceparent.as_ref(), Box::pin(telling)).await;
    target.close().await;
    match told? {
        Told::Verification(verification) => shown(*verification, args),
        Told::Part(message) => {
            report::print(&message);
            Ok(End::done(message))
        }
        Told::Open(message) => Err(Stop::new(Exit::Temporary, message)),
        Told::SelfTest(test) => self_test::print(&test, args.json),
    }
}

fn shown(verification: Verification, args: &VerifyArgs) -> Result<End, Stop> {
    if args.json {
        report::print(&json("verification", &verification)?);
    } else {
        report::print(&verification.grid());
    }
    let exit = match verification.result {
        VerifyResult::Verified | VerifyResult::ToTheByte => Exit::Done,
        VerifyResult::Differences => Exit::Differences,
        VerifyResult::InPart => Exit::Incomplete,
    };
    Ok(End { exit, message: verification.verdict })
}

fn refuse_what_does_not_fit(verify: &VerifySettings, args: &VerifyArgs) -> Result<(), Stop> {
    files::refuse_other_levels(verify, args)?;
    let given = [
        (args.self_test && verify.shard.is_some(), "--self-test with --shard"),
        (args.self_test && verify.attempts.is_some(), "--self-test with --attempts"),
        (args.self_test && verify.accept.is_some(), "--self-test with --accept"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, flag)) => {
            let message = format!("{flag}: the self-test is of the whole run, in one process; leave it out");
            Err(Stop::new(Exit::Usage, message))
        }
    }
}

/// What a person asked for, and of which run.
struct Asked<'a> {
    settings: &'a Settings,
    verify: &'a VerifySettings,
    args: &'a VerifyArgs,
    store: &'a RunStore,
    /// The verify store.
    results: &'a RunStore,
    plan: &'a Plan,
    summary: &'a Summary,
    /// Which outcomes that result counts.
    standing: &'a Standing,
    attempts: Option<&'a BTreeSet<AttemptId>>,
    accepted: &'a BTreeMap<AttemptId, Accepted>,
    kept: &'a Kept,
}

/// What a process keeps if it tries again.
#[derive(Default)]
struct Kept {
    /// The inputs, indexed, once they could be read to their end.
    index: OnceCell<InputIndex>,
    /// Partitions that it has written.
    partitions: AtomicU64,
}

/// What a process tells.
enum Told {
    Verification(Box<Verification>),
    /// One of several parts is compared; another process merges.
    Part(String),
    /// One of several parts is compared, and no process is going to merge.
    Open(String),
    SelfTest(SelfTest),
}

impl Asked<'_> {
    /// Whether no other process may share this verification.
    fn is_alone(&self) -> bool {
        !self.args.self_test && self.settings.pod.name.is_none() && self.verify.shard.is_none()
    }

    async fn told_by(&self, target: &PostgresReader) -> Result<Told, Stop> {
        let known = Known::read(self, target, self.attempts).await?;
        if self.args.self_test {
            return self.self_test(&known, target).await;
        }
        self.verify(&known).await
    }
}
