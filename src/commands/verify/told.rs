//! What a verification leaves: the document, the failure CSV, the decision of a person.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Asked;
use crate::{
    commands::shard::host,
    domain::{AttemptId, TargetIdentity},
    exit::{Exit, Stop},
    inputs::Hasher,
    ports::{PutOptions, ReaderRole},
    run::{Decided, RunResult, RunStore, Verification, decisions, names, private},
    verify::{report::result, run::Verified, selection::Accepted},
};

/// The document as text.
pub(super) fn json(verification: &Verification) -> Result<String, Stop> {
    serde_json::to_string_pretty(verification)
        .map_err(|error| Stop::new(Exit::Bug, format!("the verification cannot be written as JSON: {error}")))
}

impl Asked<'_> {
    /// The document without who verified.
    pub(super) fn told(
        &self,
        verified: &Verified,
        attempts: Option<&BTreeSet<AttemptId>>,
        began_at: DateTime<Utc>,
    ) -> Verification {
        let Self { verify, plan, summary, .. } = *self;
        let is_complete = summary.result == RunResult::Complete;
        let result = result(&verified.checks, is_complete);
        let mut remarks = Vec::new();
        if !is_complete {
            remarks.push(format!(
                "the run is INCOMPLETE: {} of {} rows have no outcome, {} are lost",
                summary.missing.rows, summary.rows, summary.lost.rows
            ));
        }
        let unknown_attempts: Vec<AttemptId> = attempts
            .map(|asked| asked.difference(&verified.tally.met).copied().collect())
            .unwrap_or_default();
        if !unknown_attempts.is_empty() {
            remarks.push(format!("{} of the attempts asked for are not in this run", unknown_attempts.len()));
        }
        let [migrated, failed, skipped] = verified.tally.fates;
        let mut verification = Verification {
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
            passed: verified.passed,
            accepted: verified.accepted,
            recheck_ms: u64::try_from(verify.recheck.as_millis()).unwrap_or(u64::MAX),
            remarks,
            checks: verified.checks.clone(),
            unknown_attempts,
            independent: false,
            not_independent: Vec::new(),
            role: String::new(),
            database: String::new(),
            host: host(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            program_sha256: program_sha256(),
            results: Vec::new(),
        };
        verification.verdict = verification.sentence();
        verification
    }

    /// Accepted changes are a decision of a person.
    pub(super) async fn log_accepted(
        &self,
        results: &RunStore,
        verified: &Verified,
        accepted: &BTreeMap<AttemptId, Accepted>,
    ) -> Result<(), Stop> {
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

    /// Both results in the verify store and in the folder of results.
    pub(super) async fn publish(
        &self,
        results: &RunStore,
        verified: &Verified,
        verification: &mut Verification,
    ) -> Result<(), Stop> {
        let out = &self.settings.out;
        let files = [names::VERIFICATION, names::VERIFICATION_FAILURES];
        verification.results = files
            .iter()
            .flat_map(|file| [out.join(file).display().to_string(), results.describe(&names::result(file))])
            .collect();
        let options = PutOptions::replace("text/csv; charset=utf-8");
        let failures = results.path(&names::result(names::VERIFICATION_FAILURES));
        results.blobs().put_file(&failures, verified.failures.path(), &options).await?;
        results.replace(&names::result(names::VERIFICATION), verification).await?;
        let text = json(verification)?;
        let written = || {
            private::create_folder(out)?;
            let mut csv = std::fs::File::open(verified.failures.path())?;
            std::io::copy(&mut csv, &mut private::create(&out.join(names::VERIFICATION_FAILURES))?)?;
            std::io::Write::write_all(&mut private::create(&out.join(names::VERIFICATION))?, text.as_bytes())
        };
        written().map_err(|error: std::io::Error| {
            let message = format!(
                "the results cannot be written to {}: {error}; give --out another folder",
                out.display()
            );
            Stop::new(Exit::Configuration, message)
        })
    }

    /// Who verified, and whether they could have written what they compare.
    pub(super) fn sign(&self, verification: &mut Verification, role: ReaderRole, database: &TargetIdentity) {
        verification.role = role.name;
        verification.database = database.to_string();
        let mut reasons = Vec::new();
        if !role.may_write.is_empty() {
            reasons.push(format!("its role may write {}", role.may_write.join(", ")));
        }
        if self.verify.store.as_ref().is_none_or(|place| *place == self.settings.run_store) {
            reasons.push("it writes to the run store, which holds the outcomes".to_owned());
        }
        verification.independent = reasons.is_empty();
        verification.not_independent = reasons;
    }
}

/// SHA-256 of this program's file; empty if it cannot be read.
fn program_sha256() -> String {
    struct Hashing(Hasher);
    impl std::io::Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Hasher::default());
    let copied =
        std::fs::File::open("/proc/self/exe").and_then(|mut file| std::io::copy(&mut file, &mut hashing));
    copied.map(|_| hashing.0.finish().sha256).unwrap_or_default()
}
