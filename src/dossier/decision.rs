//! The decision about the attempt, made again by the run's own rules from what is there now, and the rule that made it.

use std::collections::HashSet;

use super::{
    Run, Service, fate,
    page::{Page, time},
    recorded::Recorded,
};
use crate::{
    domain::{
        AttemptId, Decision, Facts, Fate, FileKind, Held, Migration, QueuedRow, REPORT_COLUMNS,
        SCORE_COLUMNS, Value, source_digest,
    },
    gather::{Ask, GatheredRow, gather as gather_rows},
    ports::{Absent, HeldSubmission, TargetReader, Warehouse, in_order},
    rules::{CatalogueIndex, decide},
    run::writers::Writers,
};

/// The attempt's row with what decides it, and what the rules make of it as if nothing stood in the target yet.
pub struct Gathered {
    /// Row, facts, and what the target holds.
    pub row: GatheredRow,
    /// The decision about it.
    pub decision: Decision,
}

impl Gathered {
    /// The values that the rules make of it.
    pub fn migration(&self) -> Option<&Migration> {
        match &self.decision {
            Decision::Migrate(migration) | Decision::Recover(Some(migration)) => Some(migration),
            Decision::Recover(None) | Decision::Skip(_) | Decision::Fail(_) => None,
        }
    }
}

/// Gathers the facts as a shard does, and decides.
pub async fn gather(run: &Run<'_>, row: QueuedRow, facts: Option<Facts>) -> Service<Gathered> {
    let target = *run.services.target.as_ref().map_err(Clone::clone)?;
    let warehouse = run.services.warehouse.as_ref().map(AsRef::as_ref).map_err(Clone::clone);
    let asking = Asking { target, warehouse, writers: Writers::new(run.store.clone()) };
    let gathered = gather_rows(&asking, &run.rules, vec![(row, facts)]).await?;
    let mut row =
        gathered.into_iter().next().ok_or("the row was lost while it was gathered; please report it")?;
    if row.held == Held::ByThisRun {
        // It stands, so `--redo lost` had taken the earlier run's word away from it.
        row.row.earlier = None;
    }
    let catalogue = target.catalogue().await.map_err(|fault| fault.chain())?;
    // What this run wrote is no reason to skip: the decision is the one that came before it.
    let held = match &row.held {
        Held::ByThisRun | Held::Lost | Held::SessionOnly(_) => &Held::Nothing,
        held => held,
    };
    let decision = decide(&row.row, held, &row.facts, &CatalogueIndex::from(catalogue), &run.rules);
    Ok(Gathered { row, decision })
}

/// The sections about facts and decision.
pub fn write(page: &mut Page, run: &Run<'_>, gathered: &Service<Gathered>, recorded: Option<&Recorded>) {
    page.section("The facts of the warehouse");
    let gathered = match gathered {
        Ok(gathered) => gathered,
        Err(why) => {
            page.not_available("facts", why);
            page.section("The decision");
            page.not_available("what the rules decide now", why);
            write_recorded(page, run, recorded);
            return;
        }
    };
    write_facts(page, gathered);
    let standing = recorded.and_then(Recorded::standing);
    if let Some(then) = standing.and_then(|one| one.outcome.source.as_ref()) {
        let GatheredRow { row, facts, takes_facts, .. } = &gathered.row;
        let now = source_digest(&row.cells, &row.mapping, then.facts.then_some(facts));
        page.say(if then.facts && !takes_facts {
            "whether row, mapping and facts are those that the run decided from is not known: it took the warehouse's facts, \
             and the row is decided without them now"
        } else if now.sha256 == then.sha256 {
            "row, mapping and facts are those that the run decided from (same digest)"
        } else {
            "row, mapping or facts are not those that the run decided from: they changed since"
        });
    }
    page.section("The decision");
    write_recorded(page, run, recorded);
    match &gathered.decision {
        Decision::Migrate(migration) | Decision::Recover(Some(migration)) => {
            page.say("by the rules, as things are now: to be migrated, with these values");
            write_migration(page, migration);
        }
        Decision::Recover(None) => page.say("by the rules, as things are now: it stands in the target"),
        Decision::Skip(skip) => {
            page.say(&format!("by the rules, as things are now: skipped, {}: {}", skip.code, skip.detail));
            write_rule(page, run, skip.code.code());
        }
        Decision::Fail(failure) => {
            page.say(&format!(
                "by the rules, as things are now: failed, {}: {}",
                failure.code, failure.message
            ));
            write_rule(page, run, failure.code.code());
        }
    }
}

fn write_recorded(page: &mut Page, run: &Run<'_>, recorded: Option<&Recorded>) {
    let Some(one) = recorded.and_then(Recorded::standing) else { return };
    let fate = fate(&one.outcome.fate);
    match &one.outcome.fate {
        Fate::Migrated(_) => page.say(&format!("the run: {fate}; no rule kept it out")),
        Fate::Skipped { code, .. } => {
            page.say(&format!("the run: {fate}"));
            write_rule(page, run, code.code());
        }
        Fate::Failed { code, .. } => {
            page.say(&format!("the run: {fate}"));
            write_rule(page, run, code.code());
        }
    }
}

/// What the code means: the first paragraph of its text.
fn write_rule(page: &mut Page, run: &Run<'_>, code: &str) {
    let meaning = (run.meaning)(code).and_then(|text| text.split("\n\n").nth(1));
    if let Some(meaning) = meaning {
        page.field("rule", meaning);
    }
    page.field("more", &format!("rogo-migrate explain {code}"));
}

fn write_facts(page: &mut Page, gathered: &Gathered) {
    let GatheredRow { facts, takes_facts, .. } = &gathered.row;
    if !takes_facts {
        page.say("the row is decided without the warehouse");
        return;
    }
    page.say(&format!("reports: {}, scores: {}", facts.reports.len(), facts.scores.len()));
    for report in &facts.reports {
        for (name, value) in REPORT_COLUMNS.into_iter().zip(report.values()) {
            page.field(name, &text(value));
        }
    }
    for score in &facts.scores {
        let values = score.values().map(text);
        let named: Vec<String> =
            SCORE_COLUMNS.into_iter().zip(values).map(|(name, value)| format!("{name} {value}")).collect();
        page.field("score", &named.join("; "));
    }
}

fn write_migration(page: &mut Page, migration: &Migration) {
    let Migration { attempt_number, full_name, email, assessment_code, context_title, .. } = migration;
    page.field("launch id", &migration.ids.launch_id());
    page.field("learner", &format!("{full_name}, {email}, {}", migration.lms_user_id));
    page.field("attempt number", &attempt_number.to_string());
    page.field("assessment", &format!("{assessment_code} (id {})", migration.assessment_id));
    page.field("context", &format!("{context_title} ({})", migration.context_id));
    page.field("submitted at", &time(migration.submitted_at));
    let grade = &migration.grade;
    page.field("final grade", &grade.final_grade);
    let marks = format!(
        "{} of {}, {} %",
        grade.total_marks_awarded, grade.total_marks_possible, grade.percentage_score
    );
    page.field("marks", &marks);
    for mark in &migration.section_marks {
        page.field("section mark", &format!("{} in section {}", mark.marks_awarded, mark.section_id));
    }
    if let Some(malpractice) = &migration.malpractice {
        let limit =
            malpractice.enforced_max_attempts.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        page.field("malpractice", &format!("{}; limit of attempts: {limit}", malpractice.notes));
    }
    for file in &migration.files {
        let kind = match file.kind {
            FileKind::Learner => "learner's",
            FileKind::Marker => "marker's",
        };
        page.field("file", &format!("{} ({kind}): {}", file.upload_order, file.name));
    }
    for note in &migration.notes {
        page.field("note", &format!("{}: {}", note.code, note.detail));
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Local(at) => at.to_string(),
        Value::Instant(at) => at.to_rfc3339(),
        Value::Bool(is) => is.to_string(),
        Value::Invalid(why) => format!("(cannot be read: {why})"),
    }
}

/// The services of one question; it never waits for one.
struct Asking<'a> {
    target: &'a dyn super::Target,
    warehouse: Service<&'a dyn Warehouse>,
    writers: Writers,
}

impl Ask for Asking<'_> {
    type Error = String;

    async fn held(&self, launch_ids: &[String]) -> Service<Vec<HeldSubmission>> {
        TargetReader::held(self.target, launch_ids).await.map_err(|fault| fault.chain())
    }

    async fn absent(&self, launch_ids: &[String]) -> Service<Vec<Absent>> {
        self.target.absent(launch_ids).await.map_err(|fault| fault.chain())
    }

    async fn wrote(&self, held: &HeldSubmission) -> Service<bool> {
        self.writers.wrote(held).await.map_err(|fault| fault.chain())
    }

    async fn submitted(&self, launch_ids: &[String]) -> Service<HashSet<String>> {
        self.target.submitted(launch_ids).await.map_err(|fault| fault.chain())
    }

    async fn standing(&self, submission_ids: &[String]) -> Service<HashSet<String>> {
        self.target.standing(submission_ids).await.map_err(|fault| fault.chain())
    }

    fn was_lost(&self, _: &QueuedRow) -> bool {
        false
    }

    async fn facts(&self, attempts: &[AttemptId], room: usize) -> Service<Vec<Facts>> {
        let warehouse = self.warehouse.as_ref().map_err(|why| format!("the warehouse: {why}"))?;
        let answers = warehouse.fetch_some(attempts, room).await.map_err(|fault| fault.chain())?;
        in_order(attempts, answers)
    }
}
