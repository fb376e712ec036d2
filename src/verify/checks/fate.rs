//! Rows that were not migrated: the target holds nothing of a failed row, and what the code of a skipped row says.

use super::super::{
    expect::text::trim,
    findings::{Findings, Kind, Lack},
    table::CheckId,
};
use crate::{
    domain::{FailCode, MappingState, SkipCode},
    ports::Table,
};

/// What the target holds of an attempt that this run did not migrate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is seen by itself, and several hold at once")]
pub struct AtTarget {
    /// A submission under the attempt's derived launch id whose files name a writer of this run, or no writer.
    pub of_this_run: bool,
    /// A submission under a launch id of the attempt that another program or run wrote.
    pub of_another: bool,
    /// A file under derived ids of the attempt names a writer of this run.
    pub has_our_file: bool,
    /// A launch session or session record without a submission, made since the plan.
    pub session_since_plan: bool,
    /// Tables with other rows under derived ids of the attempt, unless another run wrote its submission.
    pub leftover: Vec<Table>,
}

/// Nothing of a failed row stands.
pub fn failed(code: FailCode, target: &Result<AtTarget, Lack>, findings: &mut Findings) {
    let check = CheckId::FailedAbsent;
    let target = match target {
        Ok(target) => target,
        Err(lack) => return findings.lacking(check, *lack),
    };
    // Rows that stand under ids of the attempt, and of which no file is this run's, are why a row may be rejected.
    let is_refused = code == FailCode::TargetRejected && !target.has_our_file;
    findings.holds(check, is_refused || !target.of_this_run, Kind::Surplus, || {
        format!("the row failed ({code}), and the target holds a submission of it")
    });
    let is_alone = target.session_since_plan && !is_refused;
    findings.holds(check, !is_alone || target.of_another, Kind::Surplus, || {
        format!(
            "the row failed ({code}), and the target holds a launch session or session record of it that was made since"
        )
    });
    findings.holds(check, is_refused || target.leftover.is_empty(), Kind::Surplus, || {
        let tables: Vec<&str> = target.leftover.iter().map(|table| table.name()).collect();
        format!("the row failed ({code}), and the target holds rows of it in {}", tables.join(", "))
    });
}

/// What a skipped row's code says.
pub struct Claim<'a> {
    /// Number of a newer row with the same attempt, if the input has one; `None` inside: inputs are not there.
    pub newer_row: Option<Option<u64>>,
    /// Whether a row of the input names the attempt; `None`: inputs are not there.
    pub is_in_input: Option<bool>,
    /// The mapping of the attempt; `None`: inputs are not there.
    pub mapping: Option<&'a MappingState>,
    /// Beginnings of the unit versions that are migrated.
    pub unit_versions: &'a [String],
    /// What the target holds; why that is not known.
    pub target: Result<AtTarget, Lack>,
}

/// A skipped row is what its code says.
pub fn skipped(code: SkipCode, claim: &Claim<'_>, findings: &mut Findings) {
    let check = CheckId::SkippedClaims;
    let holds = match code {
        SkipCode::DuplicateRow => claim.newer_row.map(|newer| newer.is_some()).ok_or(Lack::Inputs),
        SkipCode::UnitVersionExcluded => claim.mapping.ok_or(Lack::Inputs).map(|mapping| match mapping {
            MappingState::Found(mapping) => {
                let version = trim(&mapping.unit_version);
                !claim.unit_versions.iter().any(|begins| version.starts_with(begins.as_str()))
            }
            MappingState::Missing | MappingState::Ambiguous => false,
        }),
        SkipCode::AlreadyMigrated | SkipCode::ChangedAtSource => {
            claim.target_says(|target| target.of_another)
        }
        SkipCode::Withdrawn => claim.is_in_input.map(|is_in_input| !is_in_input).ok_or(Lack::Inputs),
        SkipCode::DeletedInTarget | SkipCode::RolledBack | SkipCode::ExcludedByOwner => {
            claim.target_says(|target| !target.of_this_run)
        }
    };
    match holds {
        Err(lack) => findings.lacking(check, lack),
        Ok(holds) => findings.holds(check, holds, Kind::Other, || match code {
            SkipCode::DuplicateRow => "duplicate_row: no newer row has this attempt".to_owned(),
            SkipCode::UnitVersionExcluded => {
                "unit_version_excluded: the mapping's version is one that is migrated".to_owned()
            }
            SkipCode::AlreadyMigrated | SkipCode::ChangedAtSource => {
                format!("{code}: the target holds no submission of another run")
            }
            SkipCode::Withdrawn => "withdrawn: a row of the input names the attempt".to_owned(),
            SkipCode::DeletedInTarget | SkipCode::RolledBack | SkipCode::ExcludedByOwner => {
                format!("{code}: the target holds a submission of this run")
            }
        }),
    }
}

impl Claim<'_> {
    fn target_says(&self, says: fn(&AtTarget) -> bool) -> Result<bool, Lack> {
        self.target.as_ref().map(says).map_err(|lack| *lack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(code: SkipCode, claim: &Claim<'_>) -> usize {
        let mut findings = Findings::default();
        skipped(code, claim, &mut findings);
        findings.differences.len()
    }

    #[test]
    fn a_skipped_row_is_what_its_code_says() {
        let versions = ["24".to_owned()];
        let mapping = |version: &str| {
            MappingState::Found(crate::domain::Mapping {
                unit_version: version.into(),
                submission: String::new(),
            })
        };
        let (included, excluded) = (mapping("24_01"), mapping("21_01"));
        let claim = |newer, mapping, target| Claim {
            newer_row: Some(newer),
            is_in_input: Some(newer.is_some()),
            mapping: Some(mapping),
            unit_versions: &versions,
            target: Ok(target),
        };
        let nothing = AtTarget::default;
        let other = || AtTarget { of_another: true, ..nothing() };
        let ours = || AtTarget { of_this_run: true, ..nothing() };
        let (missing, ambiguous) = (MappingState::Missing, MappingState::Ambiguous);
        for (code, claim, differences) in [
            (SkipCode::DuplicateRow, claim(Some(2), &included, nothing()), 0),
            (SkipCode::DuplicateRow, claim(None, &included, nothing()), 1),
            (SkipCode::UnitVersionExcluded, claim(None, &excluded, nothing()), 0),
            (SkipCode::UnitVersionExcluded, claim(None, &included, nothing()), 1),
            (SkipCode::UnitVersionExcluded, claim(None, &missing, nothing()), 1),
            (SkipCode::UnitVersionExcluded, claim(None, &ambiguous, nothing()), 1),
            (SkipCode::AlreadyMigrated, claim(None, &included, other()), 0),
            (SkipCode::AlreadyMigrated, claim(None, &included, nothing()), 1),
            (SkipCode::ChangedAtSource, claim(None, &included, other()), 0),
            (SkipCode::ChangedAtSource, claim(None, &included, ours()), 1),
            (SkipCode::Withdrawn, claim(None, &included, other()), 0),
            (SkipCode::Withdrawn, claim(Some(2), &included, other()), 1),
            (SkipCode::ExcludedByOwner, claim(None, &included, other()), 0),
            (SkipCode::ExcludedByOwner, claim(None, &included, ours()), 1),
            (SkipCode::DeletedInTarget, claim(None, &included, nothing()), 0),
            (SkipCode::DeletedInTarget, claim(None, &included, ours()), 1),
        ] {
            assert_eq!(finds(code, &claim), differences, "{code}");
        }
    }

    #[test]
    fn nothing_of_a_failed_row_stands_that_another_run_did_not_write() {
        let finds = |code, target: AtTarget| {
            let mut findings = Findings::default();
            failed(code, &Ok(target), &mut findings);
            findings.differences.into_iter().map(|one| one.issue).collect::<Vec<_>>()
        };
        let (code, nothing) = (FailCode::FileMissing, AtTarget::default());
        let session = AtTarget { session_since_plan: true, ..nothing.clone() };
        let ours = AtTarget { of_this_run: true, leftover: vec![Table::Files], ..nothing.clone() };
        for (code, target, differences) in [
            (code, nothing.clone(), 0),
            (code, AtTarget { of_this_run: true, ..nothing.clone() }, 1),
            (code, AtTarget { of_another: true, ..session.clone() }, 0),
            (code, session.clone(), 1),
            (FailCode::TargetRejected, session, 0),
            (FailCode::TargetRejected, AtTarget { leftover: vec![Table::Grades], ..nothing.clone() }, 0),
            (FailCode::TargetRejected, AtTarget { of_this_run: true, ..nothing.clone() }, 0),
            (FailCode::TargetRejected, AtTarget { has_our_file: true, ..ours.clone() }, 2),
        ] {
            assert_eq!(finds(code, target.clone()).len(), differences, "{code} {target:?}");
        }
        let leftover = AtTarget { leftover: vec![Table::Files, Table::Grades], ..nothing };
        let issue = "the row failed (file_missing), and the target holds rows of it in submission_files, submission_grades";
        assert_eq!(finds(code, leftover), [issue]);
    }
}
