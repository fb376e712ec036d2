//! The checks of one submission: pure functions over what is expected and what is stored.

mod blob;
mod fate;
mod files;
mod grade;
mod marks;
mod outcome;
mod receipts;
mod single;
mod turnitin;

use std::collections::BTreeSet;

pub use blob::{OF_LISTING, blob, source as source_file};
pub use fate::{AtTarget, Claim, failed, skipped};
pub use receipts::{of_enforcement, receipt, source};

use super::{
    expect::{Expected, RunSettings},
    findings::{Findings, Lack},
    rows::{Beside, StoredSubmission},
};
use crate::{
    domain::{Migrated, form::Layout},
    ports::{StoredCatalogue, Table},
    run::WriterId,
};

/// What all checks of a run share.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Values that all rows of the run share.
    pub settings: &'a RunSettings,
    /// What submissions refer to.
    pub catalogue: &'a StoredCatalogue,
    /// Whether assessments, sections and levels can be read.
    pub catalogue_is_known: bool,
    /// The form of receipts.
    pub layout: &'a Layout,
    /// The writers that are registered in the run's store.
    pub writers: &'a BTreeSet<WriterId>,
    /// Tables that this role may not read.
    pub unreadable: &'a BTreeSet<Table>,
}

impl Ground<'_> {
    /// [`Lack::Altered`] if `--target-alters` names the column: what follows from it cannot be said.
    pub fn lacks(&self, table: Table, column: &str) -> Option<Lack> {
        self.layout.leaves_out(table.name(), column).then_some(Lack::Altered)
    }

    /// Why the names of the run's blobs are not known.
    pub fn lacks_blob_names(&self) -> Option<Lack> {
        let of_table = self.unreadable.contains(&Table::Files).then_some(Lack::Table(Table::Files));
        of_table.or_else(|| self.lacks(Table::Files, "azure_blob_name"))
    }
}

/// Compares a migrated row with what is stored.
pub fn migrated(
    ground: &Ground<'_>,
    expected: &Expected,
    outcome: &Migrated,
    stored: &StoredSubmission,
) -> Findings {
    let mut findings = Findings::of_rows(ground.layout);
    let beside =
        Beside { expected, settings: ground.settings, code: code(ground, stored), layout: ground.layout };
    outcome::ids(expected, outcome, ground.settings, &mut findings);
    outcome::report(expected, &mut findings);
    outcome::count_note(expected, outcome, &mut findings);
    single::rows(ground, &beside, stored, &mut findings);
    single::ids_agree(ground, stored, &mut findings);
    files::files(ground, &beside, outcome, stored, &mut findings);
    grade::assessment(ground, &beside, stored, &mut findings);
    grade::malpractice(ground, &beside, stored, &mut findings);
    marks::marks(ground, &beside, stored, &mut findings);
    findings
}

/// The code of the assessment that the stored grade names.
pub fn code<'a>(ground: &Ground<'a>, stored: &StoredSubmission) -> Result<&'a str, Lack> {
    if ground.unreadable.contains(&Table::Grades) {
        return Err(Lack::Table(Table::Grades));
    }
    if let Some(lack) = ground.lacks(Table::Grades, "assessment_id") {
        return Err(lack);
    }
    if !ground.catalogue_is_known {
        return Err(Lack::Catalogue);
    }
    let (_, code) = assessment(ground, stored).ok_or(Lack::Row)?;
    Ok(code)
}

/// Name and code of the assessment that the stored grade names.
fn assessment<'a>(ground: &Ground<'a>, stored: &StoredSubmission) -> Option<(&'a str, &'a str)> {
    let id = assessment_id(stored)?;
    ground.catalogue.assessments.get(id).map(|(name, code)| (name.as_str(), code.as_str()))
}

fn assessment_id(stored: &StoredSubmission) -> Option<&str> {
    stored.grades.first()?.text(Table::Grades.place("assessment_id")?)
}
