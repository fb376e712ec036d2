//! The fate of a row: its kinds, its stable codes, and what a person does about each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Migration;

/// The decision about a row, made before any file is copied.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Copy its files and write it.
    Migrate(Box<Migration>),
    /// It stands in the target, written by this run: record it as migrated, with the notes of what it would be now;
    /// `None` if the facts have changed and it would not be migrated now.
    Recover(Option<Box<Migration>>),
    /// Leave it, for a reason that is in order.
    Skip(Skip),
    /// Leave it; someone has to look.
    Fail(Failure),
}

/// A row that is left for a reason that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Stable code, written to `skipped.csv`.
    pub code: SkipCode,
    /// The particulars, without personal data.
    pub detail: String,
}

/// A row that could not be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code, the first word of the Error column.
    pub code: FailCode,
    /// The particulars, without personal data.
    pub message: String,
}

impl From<Skip> for Decision {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

impl From<Failure> for Decision {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

/// Declares an enum of stable codes: its variants, their texts and advice, and the way back.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $advice:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every code, in the order of the decision.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text for CSVs, logs, metrics and the report.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What a person does about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($code => Ok(Self::$variant),)+ _ => Err(format!("unknown code {text:?}")) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

codes! {
    /// Why a row failed.
    FailCode {
        /// Attempt ID is not a whole number in range.
        AttemptIdInvalid = "attempt_id_invalid", "correct the Attempt ID in the input";
        /// NUL in a cell that would be stored.
        RowInvalid = "row_invalid", "remove the NUL characters from the named columns";
        /// The mapping has no row for the attempt.
        MappingMissing = "mapping_missing", "add the attempt to the mapping export";
        /// Mapping rows that differ.
        MappingAmbiguous = "mapping_ambiguous", "leave one mapping row for the attempt";
        /// Unit Code Version blank.
        UnitVersionMissing = "unit_version_missing", "fill Unit Code Version in the mapping";
        /// Submission is blank in the mapping.
        SubmissionTextMissing = "submission_text_missing", "fill Submission in the mapping";
        /// No attempt number in Submission.
        AttemptNumberMissing = "attempt_number_missing", "write Submission as \"Attempt <number>\" in the mapping";
        /// The warehouse has no report for the attempt.
        ReportMissing = "report_missing", "check that the warehouse load holds this attempt";
        /// The warehouse has several reports for the attempt that differ.
        ReportAmbiguous = "report_ambiguous", "leave one report row for the attempt in the warehouse";
        /// Required fields of the report are blank.
        ReportIncomplete = "report_incomplete", "fill the named columns in the warehouse";
        /// Fields of the report that are no number or date, or do not fit.
        ReportInvalid = "report_invalid", "correct the named columns in the warehouse";
        /// `TISectionId` contains `::`.
        ContextIdInvalid = "context_id_invalid", "correct TISectionId in the warehouse";
        /// A score without label or number.
        ScoreIncomplete = "score_incomplete", "correct the named columns of the attempt's scores in the warehouse";
        /// Learner Email is blank in the input.
        LearnerEmailMissing = "learner_email_missing", "fill Learner Email in the input";
        /// Exercise of fewer than two words.
        ExerciseInvalid = "exercise_invalid", "correct Exercise in the warehouse";
        /// No assessment of the target matches the exercise.
        AssessmentMissing = "assessment_missing", "create the assessment in the target, or correct its name";
        /// Several assessments of the target match the exercise.
        AssessmentAmbiguous = "assessment_ambiguous", "rename the assessments in the target so that one matches";
        /// Score labels that match no section.
        SectionMissing = "section_missing", "add the sections to the assessment in the target";
        /// Score labels that match several sections, or differing scores for one.
        SectionAmbiguous = "section_ambiguous", "make the section texts or the scores unambiguous";
        /// The grade is "Grade Missed".
        GradeMissed = "grade_missed", "nothing to migrate unless the attempt is graded";
        /// Malpractice grade without a level.
        MalpracticeLevelMissing = "malpractice_level_missing", "name the malpractice level in the warehouse's Grade";
        /// Malpractice grade with an unknown level.
        MalpracticeLevelUnknown = "malpractice_level_unknown", "create or activate the malpractice level in the target";
        /// No file at all.
        NoFiles = "no_files", "export the files of the attempt again";
        /// The row names marker files but no learner file.
        NoLearnerFiles = "no_learner_files", "export the learner's files, or set marker-only to migrate";
        /// A file URL outside the allowed sources.
        FileUrlForeign = "file_url_foreign", "correct the URL, or allow its source with source-allow";
        /// Source file not found.
        FileMissing = "file_missing", "restore the file at its source";
        /// The source refused to let the file be read.
        FileForbidden = "file_forbidden", "grant read access to the source";
        /// Source file in the archive tier.
        FileArchived = "file_archived", "rehydrate the file at its source";
        /// Source changed while it was copied.
        FileChanged = "file_changed", "run again when the source is at rest";
        /// Length or checksum differs.
        FileCorrupt = "file_corrupt", "compare the source with its stored checksum; restore it";
        /// The target's storage service refuses the blob's name.
        FileNameRefused = "file_name_refused", "give the file another name in the input";
        /// A constraint of the target refused the row.
        TargetRejected = "target_rejected", "look up the named constraint in the target";
        /// What the target stored differs from what was sent.
        TargetAltered = "target_altered", "find the trigger that changes the named columns, or accept it with target-alters";
        /// A fault of this row alone that outlived its retries.
        Unavailable = "unavailable", "give the failure CSV to a new run";
        /// A panic in this row.
        InternalError = "internal_error", "report the bug with the log of this row";
    }
}

impl FailCode {
    /// Whether a row with this code had passed the rules: it failed while its files were copied, or at commit.
    pub fn reached_copy(self) -> bool {
        match self {
            Self::FileMissing
            | Self::FileForbidden
            | Self::FileArchived
            | Self::FileChanged
            | Self::FileCorrupt
            | Self::FileNameRefused
            | Self::TargetRejected
            | Self::TargetAltered
            | Self::Unavailable
            | Self::InternalError => true,
            Self::AttemptIdInvalid
            | Self::RowInvalid
            | Self::MappingMissing
            | Self::MappingAmbiguous
            | Self::UnitVersionMissing
            | Self::SubmissionTextMissing
            | Self::AttemptNumberMissing
            | Self::ReportMissing
            | Self::ReportAmbiguous
            | Self::ReportIncomplete
            | Self::ReportInvalid
            | Self::ContextIdInvalid
            | Self::ScoreIncomplete
            | Self::LearnerEmailMissing
            | Self::ExerciseInvalid
            | Self::AssessmentMissing
            | Self::AssessmentAmbiguous
            | Self::SectionMissing
            | Self::SectionAmbiguous
            | Self::GradeMissed
            | Self::MalpracticeLevelMissing
            | Self::MalpracticeLevelUnknown
            | Self::NoFiles
            | Self::NoLearnerFiles
            | Self::FileUrlForeign => false,
        }
    }
}

codes! {
    /// Why a row was skipped.
    SkipCode {
        /// A newer row names the same attempt.
        DuplicateRow = "duplicate_row", "nothing: the newer row stands";
        /// The target holds the attempt.
        AlreadyMigrated = "already_migrated", "nothing: the target holds the attempt";
        /// Unit version not among those to migrate.
        UnitVersionExcluded = "unit_version_excluded", "nothing, or add the version to unit-versions";
        /// An earlier run migrated it, and its source differs now.
        ChangedAtSource = "changed_at_source", "nothing, or replace it: rollback --attempts of the earlier run, then run --attempts of another";
        /// Only the earlier export names it.
        Withdrawn = "withdrawn", "ask the data's owner whether it belongs into the target; rollback --attempts of the earlier run removes it";
        /// It was migrated, the target no longer holds it, and a person has accepted that.
        DeletedInTarget = "deleted_in_target", "nothing: it was deleted on purpose, or resume --redo lost moves it again";
        /// Its owner leaves it out.
        ExcludedByOwner = "excluded_by_owner", "nothing: --exclude leaves it out for good";
        /// It was migrated and removed again.
        RolledBack = "rolled_back", "nothing, or move it again: run --attempts FILE with another --run";
    }
}

codes! {
    /// What is worth knowing about a migrated row.
    NoteCode {
        /// File names were taken from the URLs.
        NamesFromUrl = "names_from_url", "compare the names with the old system where they matter";
        /// A count column names another number than its list holds.
        FilesCountDiffers = "files_count_differs", "compare the row's files with the old system; export them again if one is missing";
        /// Texts that look like UTF-8 read as Windows-1252.
        TextMisread = "text_misread", "correct the named columns in the input, or export it again as UTF-8, before the row is migrated";
        /// A newer enforcement, which no migration wrote, was kept.
        EnforcementKept = "enforcement_kept", "check that the standing malpractice rule is right";
        /// A recovered row is no longer what it would be written as.
        ChangedSince = "changed_since", "compare the named columns: the application, the warehouse or a trigger has changed them";
        /// A blob of a recovered row is gone.
        FileBlobMissing = "file_blob_missing", "find out what removed the file from the target container; restore it";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_none_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for code in FailCode::ALL {
            assert_eq!(code.code().parse::<FailCode>(), Ok(*code));
            assert!(seen.insert(code.code()));
        }
        for code in SkipCode::ALL {
            assert_eq!(code.code().parse::<SkipCode>(), Ok(*code));
            assert!(seen.insert(code.code()));
        }
        for code in NoteCode::ALL {
            assert_eq!(code.code().parse::<NoteCode>(), Ok(*code));
            assert!(seen.insert(code.code()));
        }
    }
}
