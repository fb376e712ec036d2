//! The dossier of one attempt: everything that the run knows about it, for a person who asks what became of a learner's
//! work. It only reads, and says of each source that is gone why nothing of it is shown.
//!
//! ```text
//! inputs, queue ─► row ─┐
//! facts, warehouse ─────┼─► gather ─► decide ─► the decision and its rule
//! segments ─► outcome, writer, receipt       target ─► what stands now
//! ```

mod decision;
mod input;
mod page;
mod recorded;
mod rules;
mod stored;

use std::sync::Arc;

use crate::{
    domain::{AttemptId, Fate},
    exit::Stop,
    inputs::Inputs,
    ports::{Blobs, StoredTarget, TargetReader, Warehouse},
    rules::RuleConfig,
    run::{Plan, RunStore, purged},
};
use page::Page;
use recorded::Recorded;

pub use rules::pinned as pinned_rules;

/// The first line of every page.
pub const WARNING: &str = "This page prints personal data of a learner: keep it only as long as you need it, and only where the inputs may be kept.";

/// The target, for its decisions and for its stored rows.
pub trait Target: TargetReader + StoredTarget {}

impl<T: TargetReader + StoredTarget> Target for T {}

/// A service, or why it is not asked.
pub type Service<T> = Result<T, String>;

/// What is asked, as far as it is there.
pub struct Services<'a> {
    /// The two inputs.
    pub inputs: Service<Inputs>,
    /// Facts of an attempt, if its plan has no facts files.
    pub warehouse: Service<Arc<dyn Warehouse>>,
    /// The target database.
    pub target: Service<&'a dyn Target>,
    /// The target container.
    pub files: Service<Arc<dyn Blobs>>,
}

/// A run, one of whose attempts is asked about.
pub struct Run<'a> {
    /// The run's folder in the run store.
    pub store: &'a RunStore,
    /// The plan that pins rules and queues.
    pub plan: &'a Plan,
    /// The rules, as the plan pins them.
    pub rules: RuleConfig,
    /// What else is asked.
    pub services: Services<'a>,
    /// What is to be known beforehand: how the settings of today differ from the run's.
    pub remarks: Vec<String>,
    /// Text of a code: what it means (`explain CODE`).
    pub meaning: fn(&str) -> Option<&'static str>,
}

/// Everything about the attempt, as text.
pub async fn dossier(run: &Run<'_>, attempt: AttemptId) -> Result<String, Stop> {
    let recorded = Recorded::read(run, attempt).await;
    let input = input::read(run, attempt).await;
    let shard = recorded.as_ref().ok().and_then(Recorded::shard);
    let queued = input::queued(run, attempt, shard).await;
    let newest = queued.as_ref().ok().and_then(|rows| rows.iter().max_by_key(|(row, _)| row.number)).cloned();
    let gathered = match newest {
        Some((row, facts)) => decision::gather(run, row, facts).await,
        None => Err("without the row of the queue nothing can be decided again".to_owned()),
    };
    let stored = stored::read(run, attempt, gathered.as_ref().ok()).await;

    let mut page = Page::new(WARNING);
    page.blank();
    page.line(&format!("Attempt {attempt} in run {} ({})", run.store.run(), run.store.describe("")));
    page.line(&in_short(&recorded, &input, &stored));
    if let Ok(Some(purged)) = purged::refusal(run.store).await {
        page.line(&format!("Note: {purged}"));
    }
    for remark in &run.remarks {
        page.line(&format!("Note: {remark}"));
    }
    input.write(&mut page, run, queued.as_deref());
    decision::write(&mut page, run, &gathered, recorded.as_ref().ok());
    recorded::write(&mut page, run, recorded.as_ref(), attempt).await;
    stored.write(&mut page, recorded.as_ref().ok());
    recorded::write_other_runs(&mut page, run, attempt).await;
    Ok(page.text())
}

/// The answer in a sentence.
fn in_short(recorded: &Service<Recorded>, input: &input::Found, stored: &stored::Found) -> String {
    let outcome = match recorded {
        Err(why) => return format!("In short: not known, because the run store cannot be read: {why}"),
        Ok(recorded) => recorded.standing(),
    };
    match outcome {
        Some(one) => {
            let fate = fate(&one.outcome.fate);
            match &one.outcome.fate {
                Fate::Migrated(_) => {
                    format!("In short: {fate} at {}; {}", page::time(one.outcome.at), stored.in_short())
                }
                Fate::Skipped { .. } | Fate::Failed { .. } => format!("In short: {fate}"),
            }
        }
        None if input.names_it() == Some(false) => {
            "In short: no row of the run's input names this attempt, so the run did nothing with it".to_owned()
        }
        None => {
            "In short: the run recorded no outcome of it: it was left out (--limit, --attempts), or its row is not moved yet"
                .to_owned()
        }
    }
}

/// What became of a row, in words.
fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Migrated(_) => "migrated".to_owned(),
        Fate::Skipped { code, detail } => format!("skipped, {code}: {detail}"),
        Fate::Failed { code, message } => format!("failed, {code}: {message}"),
    }
}
