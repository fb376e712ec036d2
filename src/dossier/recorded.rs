//! What the run store holds of the attempt: its outcomes, the processes that recorded them, people's decisions, and the
//! last verification.

use futures_util::TryStreamExt;

use super::{
    Run, Service, fate,
    page::{Page, time},
};
use crate::{
    domain::{AttemptId, Fate, Migrated, Outcome, ReceiptFrom, ShardIndex},
    ports::Fault,
    run::{
        Decided, Plan, RolledBack, RunStore, Standing, Summary, Verification, WriterId, WriterRecord,
        decisions, names, segments::segments,
    },
};

/// One outcome, and the process that recorded it.
#[derive(Clone)]
pub struct Entry {
    /// The process that recorded it.
    pub writer: WriterId,
    /// The shard of the row.
    pub shard: ShardIndex,
    /// The outcome as it stands in the segment.
    pub outcome: Outcome,
}

/// Every outcome of the attempt's rows.
pub struct Recorded {
    /// By row and time.
    entries: Vec<Entry>,
    counts: Standing,
}

impl Recorded {
    /// Reads every segment of the run.
    pub async fn read(run: &Run<'_>, attempt: AttemptId) -> Service<Self> {
        Self::of(run.store, run.plan, attempt).await.map_err(|fault| fault.chain())
    }

    async fn of(store: &RunStore, plan: &Plan, attempt: AttemptId) -> Result<Self, Fault> {
        let counts = Standing::read(store, plan).await?;
        Ok(Self { entries: outcomes(store, plan, attempt).await?, counts })
    }

    /// The outcome that counts of the attempt's newest row.
    pub fn standing(&self) -> Option<&Entry> {
        let row = self.entries.iter().map(|one| one.outcome.row).max()?;
        let of_row = || self.entries.iter().filter(|one| one.outcome.row == row);
        let outcomes = of_row().map(|one| one.outcome.clone());
        let counts = outcomes.reduce(|earlier, later| self.counts.of(earlier, later))?;
        of_row().find(|one| one.outcome == counts)
    }

    /// The shard of its only row; `None` if there may be others, elsewhere.
    pub fn shard(&self) -> Option<ShardIndex> {
        // A duplicate lies in any shard. Only a row that none is newer than is migrated, and its queue is read first.
        let [only] = self.entries.as_slice() else { return None };
        matches!(only.outcome.fate, Fate::Migrated(_)).then_some(only.shard)
    }
}

async fn outcomes(store: &RunStore, plan: &Plan, attempt: AttemptId) -> Result<Vec<Entry>, Fault> {
    let mut found = Vec::new();
    let mut all = segments(store, plan, None);
    while let Some(segment) = all.try_next().await? {
        for outcome in segment.outcomes() {
            let outcome = outcome?;
            if outcome.attempt == Some(attempt) {
                found.push(Entry { writer: segment.writer.clone(), shard: segment.shard, outcome });
            }
        }
    }
    found.sort_by_key(|one| (one.outcome.row, one.outcome.at));
    Ok(found)
}

/// The sections about outcomes, decisions and the verification.
pub async fn write(page: &mut Page, run: &Run<'_>, recorded: Result<&Recorded, &String>, attempt: AttemptId) {
    page.section("What the run recorded");
    match recorded {
        Err(why) => page.not_available("outcomes", why),
        Ok(Recorded { entries, .. }) if entries.is_empty() => page.say("no outcome"),
        Ok(Recorded { entries, .. }) => {
            for entry in entries {
                write_entry(page, run, entry).await;
            }
        }
    }
    page.section("What people decided");
    if let Err(fault) = write_decisions(page, run.store, attempt).await {
        page.not_available("decisions", &fault.chain());
    }
    page.section("The last verification");
    if let Err(fault) = write_verification(page, run.store, attempt).await {
        page.not_available("the verification", &fault.chain());
    }
}

async fn write_entry(page: &mut Page, run: &Run<'_>, entry: &Entry) {
    let Entry { writer, shard, outcome } = entry;
    let fate = match &outcome.fate {
        Fate::Migrated(migrated) if migrated.recovered => {
            "migrated (found in the target after a crash)".to_owned()
        }
        Fate::Migrated(_) => "migrated".to_owned(),
        Fate::Skipped { code, .. } => format!("skipped, {code}"),
        Fate::Failed { code, .. } => format!("failed, {code}"),
    };
    page.say(&format!("row {}: {fate} at {}", outcome.row, time(outcome.at)));
    let process: Result<Option<WriterRecord>, Fault> = run.store.read(&names::writer(writer)).await;
    let process = match process {
        Ok(Some(process)) => format!("{writer} on {}, begun {}", process.host, time(process.started_at)),
        Ok(None) => format!("{writer}, which is not registered"),
        Err(fault) => format!("{writer} ({})", fault.chain()),
    };
    page.field("writer", &format!("{process}, shard {shard}, worker {}", outcome.worker));
    page.field("took", &format!("{} ms", outcome.milliseconds));
    if let Some(source) = &outcome.source {
        page.field("digest of its source", &source.sha256.to_string());
    }
    if let Fate::Migrated(migrated) = &outcome.fate {
        write_migrated(page, migrated);
    }
}

fn write_migrated(page: &mut Page, migrated: &Migrated) {
    page.field("launch id", &migrated.launch_id);
    page.field("submission id", &migrated.submission_id);
    page.field("session record id", &migrated.session_record_id);
    page.field("user id", &migrated.user_id);
    page.field("context id", &migrated.context_id);
    page.field("copy and commit", &format!("{} ms, {} ms", migrated.copy_ms, migrated.commit_ms));
    if let Some(receipt) = &migrated.receipt {
        let from = match receipt.from {
            ReceiptFrom::Sent => "of the rows as they were sent and stored",
            ReceiptFrom::Decided => "of the rows as they were decided again",
            ReceiptFrom::Stored => "of the rows as they were found",
        };
        page.field("receipt", &format!("{} {from}", receipt.sha256));
        let transaction = receipt.transaction.map(|id| id.to_string());
        page.field("transaction", &transaction.unwrap_or_default());
    } else {
        page.field("receipt", "none: an earlier program wrote the segment");
    }
    if migrated.length_only > 0 {
        page.field("proven by length only", &format!("{} of {} files", migrated.length_only, migrated.files));
    }
    for (order, file) in (1..).zip(&migrated.file_receipts) {
        let proof = match (&file.sha256, &file.md5) {
            (Some(sha256), _) => format!("SHA-256 {sha256}"),
            (None, Some(md5)) => format!("MD5 {md5}, as stored"),
            (None, None) => "proven by its length only".to_owned(),
        };
        page.field("file", &format!("{order}: {} bytes, {proof}", file.bytes));
    }
    for note in &migrated.notes {
        page.field("note", &format!("{}: {}", note.code, note.detail));
    }
}

async fn write_decisions(page: &mut Page, store: &RunStore, attempt: AttemptId) -> Result<(), Fault> {
    let said = |what: &str, decided: &Decided| {
        format!("{what} at {} by {}: {} ({})", time(decided.at), decided.by, decided.reason, decided.decision)
    };
    let mut any = false;
    let mut say = |text: String| {
        any = true;
        page.say(&text);
    };
    if let Some(whole) = store.read::<RolledBack>(names::ROLLED_BACK).await? {
        say(said("the whole run was rolled back", &whole.decided));
    }
    if let Some(decided) = decisions::rolled_back(store).await?.get(&attempt) {
        say(said("it was rolled back", decided));
    }
    if let Some(decided) = decisions::accepted(store).await?.get(&attempt) {
        say(said("its absence from the target was accepted", decided));
    }
    if !any {
        page.say("nothing about this attempt");
    }
    Ok(())
}

async fn write_verification(page: &mut Page, store: &RunStore, attempt: AttemptId) -> Result<(), Fault> {
    let Some(verification) = store.read::<Verification>(&names::result(names::VERIFICATION)).await? else {
        page.say("none in the run store");
        return Ok(());
    };
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    let verdict = verification.verdict_beside(summary.as_ref());
    page.say(&format!("at {}: {verdict}", time(verification.at)));
    let Some(text) = store.bytes(&names::result(names::VERIFICATION_FAILURES)).await? else {
        page.not_available("its differences", "verification_failures.csv is not in the run store");
        return Ok(());
    };
    let mut lines = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
    let of_attempt: Vec<csv::StringRecord> = lines
        .records()
        .filter_map(Result::ok)
        .filter(|line| line.get(0).is_some_and(|id| id.parse() == Ok(attempt)))
        .collect();
    if of_attempt.is_empty() {
        page.say("it names no difference of this attempt");
    }
    for line in of_attempt {
        page.field(line.get(1).unwrap_or_default(), line.get(2).unwrap_or_default());
    }
    Ok(())
}

/// The section about other runs of the store that know the attempt.
pub async fn write_other_runs(page: &mut Page, run: &Run<'_>, attempt: AttemptId) {
    page.section("Other runs of this run store");
    let others = match run.store.other_runs().await {
        Ok(others) => others,
        Err(fault) => return page.not_available("other runs", &fault.chain()),
    };
    let mut any = false;
    for name in &others {
        let store = RunStore::new(run.store.blobs().clone(), name);
        match of_other(&store, attempt).await {
            Ok(None) => {}
            Ok(Some(text)) => {
                any = true;
                page.say(&format!("{name}: {text}; rogo-migrate explain --attempt {attempt} --run {name}"));
            }
            Err(fault) => {
                any = true;
                page.not_available(&format!("run {name}"), &fault.chain());
            }
        }
    }
    if !any {
        page.say("none of them knows the attempt");
    }
}

async fn of_other(store: &RunStore, attempt: AttemptId) -> Result<Option<String>, Fault> {
    let Some(plan) = store.plan().await? else { return Ok(None) };
    let recorded = Recorded::of(store, &plan, attempt).await?;
    let Some(Entry { outcome, .. }) = recorded.standing() else { return Ok(None) };
    let fate = fate(&outcome.fate);
    let is_rolled_back = store.exists(names::ROLLED_BACK).await?
        || decisions::rolled_back(store).await?.contains_key(&attempt);
    let since = if is_rolled_back { "; rolled back since" } else { "" };
    Ok(Some(format!("{fate} at {}{since}", time(outcome.at))))
}
