//! The results of a verification: the failure CSV, the counts of each check, the verdict.

use std::{collections::BTreeMap, io};

use super::{
    findings::{Found, Lack},
    nothing::is_made_by_bytes,
    pass::Tally,
    table::{CHECKS, CheckId},
};
use crate::{
    domain::Level,
    ports::{Fault, Unreadable},
    run::{VerifyCheck, VerifyResult, lines::no_room},
};

/// Whether expected and stored values may stand in the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Only ids stand there.
    Hidden,
    /// Values too: they may be personal data.
    Shown,
}

/// `verification_failures.csv`: Attempt ID, Check, Issue.
pub struct FailureCsv(csv::Writer<io::BufWriter<tempfile::NamedTempFile>>);

impl FailureCsv {
    /// With its header, in a temporary file.
    pub fn new() -> Result<Self, Fault> {
        let file = tempfile::NamedTempFile::new().map_err(no_room)?;
        let mut writer = csv::Writer::from_writer(io::BufWriter::new(file));
        writer.write_record(["Attempt ID", "Check", "Issue"]).map_err(|error| no_room(error.into()))?;
        Ok(Self(writer))
    }

    /// Adds a difference; `note` stands behind its issue.
    pub fn add(&mut self, found: &Found, values: Values, note: &str) -> Result<(), Fault> {
        let attempt = found.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        let difference = &found.difference;
        let mut issue = difference.issue.clone();
        if let (Values::Shown, Some((expected, stored))) = (values, &difference.values) {
            issue = format!("{issue}: expected {expected}, stored {stored}");
        }
        issue.push_str(note);
        let record = [attempt.as_str(), difference.check.check().name, &issue];
        self.0.write_record(record).map_err(|error| no_room(error.into()))
    }

    /// The file, complete.
    pub fn finish(self) -> Result<tempfile::NamedTempFile, Fault> {
        let writer = self.0.into_inner().map_err(|error| no_room(io::Error::other(error.to_string())))?;
        writer.into_inner().map_err(|error| no_room(error.into_error()))
    }
}

/// Why inputs and warehouse could not be compared, if they could not.
#[derive(Debug, Clone, Default)]
pub struct Absent {
    /// Reason for the inputs.
    pub inputs: Option<String>,
    /// Reason for the warehouse.
    pub warehouse: Option<String>,
    /// Tables that this role may not read.
    pub tables: Vec<Unreadable>,
    /// Reason for the blobs of the target container.
    pub blobs: Option<String>,
    /// Reasons for containers of source files.
    pub sources: Vec<String>,
    /// Reasons for bytes of blobs.
    pub bytes: Option<String>,
}

impl Absent {
    /// The reason for a lack, as far as it is known.
    pub fn why(&self, lack: Lack) -> String {
        let table = |name: &str| self.tables.iter().find(|one| one.table == name).map(|one| one.why.clone());
        match lack {
            Lack::Inputs => {
                self.inputs.clone().unwrap_or_else(|| "the inputs do not hold the row's values".to_owned())
            }
            Lack::Warehouse => self.warehouse.clone().unwrap_or_else(|| {
                "the warehouse holds no report of these attempts that can be read".to_owned()
            }),
            Lack::Table(of) => table(of.name()).unwrap_or_else(|| format!("{} cannot be read", of.name())),
            Lack::Catalogue => {
                let names = ["assessments", "assessment_sections", "malpractice_levels", "users"];
                names
                    .into_iter()
                    .find_map(table)
                    .unwrap_or_else(|| "the user who owns applied rules is not in users".to_owned())
            }
            Lack::Digest => {
                "outcomes of an earlier version of this program keep no receipts and digests".to_owned()
            }
            Lack::Incomplete => {
                "the run is INCOMPLETE: its receipts are compared when it is COMPLETE".to_owned()
            }
            Lack::Blobs => self.blobs.clone().unwrap_or_else(|| "the blobs cannot be listed".to_owned()),
            Lack::Sources => self.sources.join("; "),
            Lack::SourceFile => "the source no longer holds the file, or it may not be read".to_owned(),
            Lack::SourceSilent => "the account of the source gave no answer while its files were read".to_owned(),
            Lack::Bytes => self.bytes.clone().unwrap_or_else(|| "the blob's bytes cannot be read".to_owned()),
            Lack::Statuses => {
                "the receipt is of rows as they were read, and more statuses of Turnitin may have stood then than can be \
                             tried"
                    .to_owned()
            }
            Lack::Manifest => "the manifest has no line for these files".to_owned(),
            Lack::Writer => {
                "submissions of failed attempts have no file that says who wrote them, and were made while \
                             this run was not at work"
                    .to_owned()
            }
            Lack::Altered => "it follows from a column that --target-alters leaves out".to_owned(),
            Lack::Row => String::new(),
        }
    }
}

/// Differences that a check found and that stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Different {
    /// All of them.
    pub all: u64,
    /// Of them in rows that were written again after the run's commit.
    pub changed_after: u64,
}

/// A line for each check of the level that `asks` lets in: rows compared, differences, what was not possible and why. One that
/// had nothing to compare with, wherever it asked, was not possible.
pub fn checks(
    level: Level,
    asks: &dyn Fn(CheckId) -> bool,
    tally: &Tally,
    different: &BTreeMap<CheckId, Different>,
    absent: &Absent,
) -> Vec<VerifyCheck> {
    let of_level = CHECKS.iter().filter(|check| check.level <= level && asks(check.id));
    of_level
        .map(|check| {
            let lacking = tally.lacking.iter().filter(|((id, _), _)| *id == check.id);
            let mut reasons: Vec<String> = Vec::new();
            let mut rows = 0;
            for ((_, lack), count) in lacking {
                let why = absent.why(*lack);
                if !reasons.contains(&why) {
                    reasons.push(why);
                }
                rows += count;
            }
            let found = different.get(&check.id).copied().unwrap_or_default();
            let compared = tally.compared.get(check.id.index()).copied().unwrap_or_default();
            let nothing = || tally.nothing.iter().filter(|((id, _), _)| *id == check.id);
            if compared == 0 && !is_made_by_bytes(check.id, level) {
                reasons.extend(nothing().map(|((_, nothing), _)| nothing.why().to_owned()));
            }
            VerifyCheck {
                name: check.name.to_owned(),
                what: check.compared.to_owned(),
                with: check.with.to_owned(),
                compared,
                different: found.all,
                changed_after: found.changed_after,
                not_possible: (!reasons.is_empty()).then(|| reasons.join("; ")),
                rows_not_possible: rows,
                nothing_to_compare_with: nothing().map(|(_, count)| count).sum(),
            }
        })
        .collect()
}

/// The result: differences before all else, then what was not possible.
pub fn result(checks: &[VerifyCheck], is_whole: bool) -> VerifyResult {
    if checks.iter().any(|check| check.different > 0) {
        VerifyResult::Differences
    } else if !is_whole || checks.iter().any(|check| check.not_possible.is_some()) {
        VerifyResult::InPart
    } else {
        VerifyResult::Verified
    }
}
