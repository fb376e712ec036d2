//! What a rollback did or would do, counted, with examples.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use super::{find::Found, reason::Reason};
use crate::{domain::AttemptId, ports::WrittenSubmission, report::grid::count};

/// Attempts that are named for each count.
const EXAMPLES: usize = 5;

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// Its rows and blobs are gone.
    Removed,
    /// Nothing of it stood any more.
    GoneAlready,
    /// It stands, for these reasons.
    Kept(Vec<Reason>),
    /// The run never migrated it, and the target does not hold it.
    NotMigrated,
    /// The target holds it, and this run did not write it.
    Elsewhere,
}

impl Settled {
    /// As `rolled_back.csv` names it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::GoneAlready => "gone_already",
            Self::Kept(_) => "kept",
            Self::NotMigrated => "not_migrated",
            Self::Elsewhere => "not_of_this_run",
        }
    }

    /// The particulars, for `rolled_back.csv`.
    pub fn detail(&self) -> String {
        match self {
            Self::Removed | Self::GoneAlready => String::new(),
            Self::Kept(reasons) => {
                let texts: Vec<String> =
                    reasons.iter().map(|reason| format!("{}: {reason}", reason.code())).collect();
                texts.join("; ")
            }
            Self::NotMigrated => "this run did not migrate it, and the target does not hold it".to_owned(),
            Self::Elsewhere => {
                "the target holds it, and none of its files names a writer of this run".to_owned()
            }
        }
    }
}

/// A number of attempts, and some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Number of attempts.
    pub attempts: u64,
    /// The first of them.
    pub examples: Vec<AttemptId>,
    /// What to do about them; empty if nothing has to be done.
    pub what: &'static str,
}

impl Counted {
    fn add(&mut self, attempt: AttemptId) {
        self.attempts += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(attempt);
        }
    }

    fn named(&self) -> String {
        let named: Vec<String> = self.examples.iter().map(ToString::to_string).collect();
        let more = if self.attempts > self.examples.len() as u64 { ", …" } else { "" };
        format!("{}{more}", named.join(", "))
    }
}

/// What a rollback did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Submissions that were looked at.
    pub looked_at: u64,
    /// Submissions whose rows and blobs were removed.
    pub removed: Counted,
    /// Rows removed, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Malpractice rules that name a removed submission: removed, or as they were before the run.
    pub rules: u64,
    /// Number of blobs removed.
    pub blobs: u64,
    /// Attempts of which nothing stood any more.
    pub gone_already: Counted,
    /// Submissions that are left.
    pub kept: Counted,
    /// Why, by code; a submission may have several reasons.
    pub reasons: BTreeMap<&'static str, Counted>,
    /// Attempts that the run never migrated.
    pub not_migrated: Counted,
    /// Attempts that the target holds from elsewhere.
    pub not_of_this_run: Counted,
}

impl Report {
    /// Nothing done yet.
    pub(super) fn new(found: &Found) -> Self {
        Self { looked_at: found.candidates.len() as u64, ..Self::default() }
    }

    /// Counts one more submission.
    pub(super) fn count(&mut self, submission: &WrittenSubmission, result: &Settled) {
        let attempt = submission.ids.attempt();
        match result {
            Settled::Removed => {
                self.removed.add(attempt);
                for row in &submission.rows {
                    *self.rows.entry(row.table).or_default() += 1;
                }
                let id = submission.ids.row("assignment_submissions", 1);
                let names_it =
                    submission.rules.iter().filter(|rule| rule.submission_id.as_ref() == Some(&id));
                self.rules += names_it.count() as u64;
                self.blobs += submission.blob_names.len() as u64;
            }
            Settled::GoneAlready => self.gone_already.add(attempt),
            Settled::Kept(reasons) => {
                self.kept.add(attempt);
                for reason in reasons {
                    let counted = self.reasons.entry(reason.code()).or_default();
                    if counted.what.is_empty() {
                        counted.what = reason.advice();
                    }
                    if counted.examples.last() != Some(&attempt) {
                        counted.add(attempt);
                    }
                }
            }
            Settled::NotMigrated => self.not_migrated.add(attempt),
            Settled::Elsewhere => self.not_of_this_run.add(attempt),
        }
    }

    /// Whether something that should go stays.
    pub fn is_incomplete(&self) -> bool {
        self.kept.attempts > 0 || self.not_of_this_run.attempts > 0
    }

    /// The report for people; `verb` is what a dry run would do, or what was done: "would remove", "removed".
    pub fn text(&self, verb: &str) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{verb} {} submissions, {} rows, {} blobs; {} malpractice rules go back to what they were{}",
            count(self.removed.attempts),
            count(self.rows.values().sum()),
            count(self.blobs),
            count(self.rules),
            examples(&self.removed)
        );
        for (table, rows) in &self.rows {
            let _ = writeln!(text, "  {:>9}  {table}", count(*rows));
        }
        for (counted, what) in [
            (&self.gone_already, "nothing of them stands any more"),
            (&self.not_migrated, "not migrated by this run: nothing of them is in the target"),
            (&self.not_of_this_run, "left: the target holds them, and this run did not write them"),
            (&self.kept, "left: refused"),
        ] {
            if counted.attempts > 0 {
                let _ = writeln!(text, "{} attempts {what}{}", count(counted.attempts), examples(counted));
            }
        }
        for (code, counted) in &self.reasons {
            let _ = writeln!(
                text,
                "  {:>9}  {code}: attempt {}; {}",
                count(counted.attempts),
                counted.named(),
                counted.what
            );
        }
        text
    }
}

fn examples(counted: &Counted) -> String {
    if counted.examples.is_empty() { String::new() } else { format!(" (attempts {})", counted.named()) }
}
