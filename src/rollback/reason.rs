//! Why a rollback leaves a submission: stable codes, what they say, and what a person does about each.

use std::fmt;

use crate::domain::AttemptId;

/// Why a submission is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A row was changed after the run.
    Changed {
        /// Table of the changed row.
        table: String,
    },
    /// A marker was assigned after the run.
    MarkerAssigned,
    /// The application added rows that refer to it.
    RowsAdded {
        /// Table of these rows.
        table: String,
        /// The foreign key.
        constraint: String,
    },
    /// The application removed rows of it.
    RowsRemoved {
        /// Table of these rows.
        table: &'static str,
    },
    /// None of its section marks stands, and the run did not record how many it wrote.
    MarksUnknown,
    /// The application deleted the submission; launch session or session record stand.
    SubmissionDeleted,
    /// A row that the run did not write names one of its blobs.
    BlobShared,
    /// Its malpractice rule was changed again.
    RuleChanged {
        /// The attempt that the rule names now, if it is a migrated one.
        by: Option<AttemptId>,
    },
    /// Another migrated attempt of the learner has a rule that this one replaced.
    RuleNeeded {
        /// The attempt whose rule it was.
        by: AttemptId,
    },
    /// Its malpractice rule was there before the run, and the run store has no image of it.
    ImageMissing {
        /// The rule's id.
        rule: String,
    },
    /// A constraint of the target refuses the removal.
    RefusedByConstraint {
        /// Name of the constraint.
        name: String,
    },
    /// The run has no outcome of it yet.
    NotRecorded,
}

impl Reason {
    /// Stable code, for the results.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "changed_after_run",
            Self::MarkerAssigned => "marker_assigned",
            Self::RowsAdded { .. } => "rows_added",
            Self::RowsRemoved { .. } | Self::MarksUnknown => "rows_removed",
            Self::SubmissionDeleted => "submission_deleted",
            Self::BlobShared => "blob_shared",
            Self::RuleChanged { .. } => "rule_changed_again",
            Self::RuleNeeded { .. } => "rule_of_other_attempt",
            Self::ImageMissing { .. } => "rule_image_missing",
            Self::RefusedByConstraint { .. } => "target_rejected",
            Self::NotRecorded => "not_recorded",
        }
    }

    /// Whether `--force-touched` removes the submission all the same.
    pub fn may_be_forced(&self) -> bool {
        match self {
            Self::Changed { .. }
            | Self::MarkerAssigned
            | Self::RowsAdded { .. }
            | Self::RowsRemoved { .. }
            | Self::MarksUnknown
            | Self::SubmissionDeleted
            | Self::BlobShared
            | Self::RuleChanged { .. } => true,
            Self::RuleNeeded { .. }
            | Self::ImageMissing { .. }
            | Self::RefusedByConstraint { .. }
            | Self::NotRecorded => false,
        }
    }

    /// What a person does about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::RuleNeeded { .. } => {
                "roll that attempt back too: name it in --attempts, or roll back its run first"
            }
            Self::ImageMissing { .. } => {
                "restore the run store's folder enforcements, or correct the rule by hand"
            }
            Self::RefusedByConstraint { .. } => {
                "remove the rows that refer to it in the application, then run again"
            }
            Self::NotRecorded => "run resume first, so that the run knows its outcome",
            Self::RuleChanged { .. } => {
                "roll back the run that changed it first; or remove it all the same and leave the rule: --force-touched"
            }
            _ => "leave it, or remove it with the application's work on it: --force-touched",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { table } => write!(f, "a row of {table} was changed after the run"),
            Self::MarkerAssigned => f.write_str("a marker is assigned"),
            Self::RowsAdded { table, constraint } => {
                write!(f, "the application added rows of {table} that hang on it ({constraint})")
            }
            Self::RowsRemoved { table } => write!(f, "the application removed rows of {table}"),
            Self::MarksUnknown => f.write_str(
                "it has no row of submission_section_marks, and the run did not record whether it wrote any",
            ),
            Self::SubmissionDeleted => f.write_str(
                "the application deleted the submission; its launch session or session record stands",
            ),
            Self::BlobShared => f.write_str("a file row that the run did not write names one of its blobs"),
            Self::RuleChanged { by: Some(by) } => {
                write!(f, "its malpractice rule was changed again, for attempt {by}")
            }
            Self::RuleChanged { by: None } => f.write_str("its malpractice rule was changed again"),
            Self::RuleNeeded { by } => {
                write!(f, "its malpractice rule replaced that of attempt {by}, which stays")
            }
            Self::ImageMissing { rule } => {
                write!(f, "its malpractice rule {rule} stood before the run, and no image of it was kept")
            }
            Self::RefusedByConstraint { name } => write!(f, "{name} of the target refuses the removal"),
            Self::NotRecorded => f.write_str("the run has no outcome of it"),
        }
    }
}
