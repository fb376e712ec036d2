//! What a verification leaves: the document, the failure CSV, the decision of a person.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Asked;
use crate::{
    commands::{host::host, json::json},
    exit::Stop,
    report::{events::Event, grid::count},
    run::{
        Decided, RunResult, Verification, decisions, names,
        receipts::program_digest,
        results::{self, CSV},
        verifying::Subject,
    },
    telemetry,
    verify::{
        merging::first_ids,
        nothing::Nothing,
        report::result,
        run::{OldRows, Verified},
        table::CheckId,
    },
};

impl Asked<'_> {
    /// The document without who verified, and without its verdict.
    pub(super) fn told(&self, verified: &Verified, began_at: DateTime<Utc>) -> Verification {
        let Self { verify, plan, summary, .. } = *self;
        let is_complete = summary.result == RunResult::Complete;
        let result = result(&verified.checks, is_complete && verified.unknown.is_empty());
        let mut remarks = Vec::new();
        if !is_complete {
            remarks.push(format!(
                "the run is INCOMPLETE: {} of {} rows have no outcome, {} are lost",
                summary.missing.rows, summary.rows, summary.lost.rows
            ));
        }
        remarks.extend(verified.old.map(old_rows));
        remarks.extend(nothing_to_compare_with(verified));
        let altered = &self.settings.database.target_alters;
        if !altered.is_empty() {
            let columns: Vec<String> = altered.iter().map(ToString::to_string).collect();
            remarks.push(format!("not compared, because target-alters names them: {}", columns.join(", ")));
        }
        let unknown_attempts = verified.unknown.clone();
        if !unknown_attempts.is_empty() {
            let (unknown, ids) = (unknown_attempts.len(), first_ids(&unknown_attempts));
            remarks.push(format!("this run has no outcome of {unknown} of the attempts asked for ({ids})"));
        }
        let [migrated, failed, skipped] = verified.tally.fates;
        Verification {
            result,
            verdict: String::new(),
            level: verify.level,
            run: plan.run.clone(),
            plan: plan.id.clone(),
            began_at,
            at: Utc::now(),
            rows: plan.rows,
            rows_compared: verified.tally.rows,
            migrated,
            failed,
            skipped,
            differences: verified.differences,
            rows_different: verified.rows_different,
            examples: verified.examples.clone(),
            passed: verified.passed,
            accepted: verified.accepted,
            recheck_ms: u64::try_from(verify.recheck.as_millis()).unwrap_or(u64::MAX),
            remarks,
            files: verified.files.clone(),
            checks: verified.checks.clone(),
            unknown_attempts,
            independent: false,
            not_independent: Vec::new(),
            role: String::new(),
            database: String::new(),
            host: host(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            program_sha256: program_digest().to_string(),
            results: Vec::new(),
        }
    }

    /// Everything that a verification leaves in the verify store and in the folder of results.
    pub(super) async fn keep(
        &self,
        verified: &Verified,
        verification: &mut Verification,
        subject: &Subject,
    ) -> Result<(), Stop> {
        self.settle_content(verified, verification, subject).await?;
        self.log_accepted(verified).await?;
        self.publish(verified, verification).await
    }

    /// Accepted changes are a decision of a person.
    async fn log_accepted(&self, verified: &Verified) -> Result<(), Stop> {
        let Self { results, accepted, .. } = *self;
        if verified.accepted_attempts.is_empty() {
            return Ok(());
        }
        let reasons: BTreeSet<String> = verified
            .accepted_attempts
            .iter()
            .filter_map(|attempt| accepted.get(attempt))
            .map(|one| format!("{} ({})", one.reason, one.person))
            .collect();
        let decided = Decided {
            at: Utc::now(),
            by: format!("{}@{}", self.settings.user, host()),
            reason: reasons.into_iter().collect::<Vec<_>>().join("; "),
            decision: "verify --accept".to_owned(),
            attempts: verified.accepted_attempts.len() as u64,
        };
        Ok(decisions::log(results, &decided).await?)
    }

    /// Where a result stands: in the folder of results and in the verify store.
    pub(super) fn places_of(&self, file: &str) -> [String; 2] {
        [self.settings.out.join(file).display().to_string(), self.results.describe(&names::result(file))]
    }

    /// Both results in the verify store and in the folder of results. All that the verdict says is known by now.
    async fn publish(&self, verified: &Verified, verification: &mut Verification) -> Result<(), Stop> {
        verification.verdict = verification.sentence();
        tell_checks(verification);
        let (out, store) = (&self.settings.out, self.results);
        for file in [names::VERIFICATION, names::VERIFICATION_FAILURES] {
            verification.results.extend(self.places_of(file));
        }
        let (out, failures) = (Some(out.as_path()), verified.failures.path());
        results::publish(Some(store), out, names::VERIFICATION_FAILURES, failures, CSV).await?;
        let text = json("verification", verification)?;
        results::publish_document(Some(store), out, names::VERIFICATION, &text, "application/json").await
    }

    /// Whether the verify store is the run store.
    pub(super) fn is_in_the_run_store(&self) -> bool {
        self.settings.verify_store_elsewhere().is_none()
    }
}

/// The checks that had nothing to compare with, each in how many rows or files, and why. One that compared its other columns had
/// something: the columns that are left out are told once.
fn nothing_to_compare_with(verified: &Verified) -> impl Iterator<Item = String> {
    let compared = |check: CheckId| verified.tally.all_compared().any(|(other, _)| other == check);
    let is_told = move |((check, nothing), _): &(&(CheckId, Nothing), &u64)| {
        *nothing != Nothing::TargetAlters || !compared(*check)
    };
    verified.tally.nothing.iter().filter(is_told).map(|((check, nothing), times)| {
        let name = check.check().name;
        format!("{name} had nothing to compare with in {}: {}", count(*times), nothing.why())
    })
}

/// A state that is taken up may be old, and what changed since in its rows is not seen.
fn old_rows(old: OldRows) -> String {
    let (from, to) = (old.at.0.date_naive(), old.at.1.date_naive());
    let on = if from == to { format!("on {from}") } else { format!("from {from} to {to}") };
    format!("{} rows were compared {on}: what changed there since is not seen", count(old.rows))
}

/// Tells each check's result to those who follow the process.
fn tell_checks(verification: &Verification) {
    let events = telemetry::events();
    for check in &verification.checks {
        let (check, compared, different) = (check.name.as_str(), check.compared, check.different);
        events.tell(Event::CheckDone { check, compared, different });
    }
}
