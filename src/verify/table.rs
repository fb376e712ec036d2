//! The table of checks: what must hold of every row, each with a stable name.

use serde::{Deserialize, Serialize};

use crate::domain::Level;

/// What a check compares, with what, and what to do about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Names the check in code.
    pub id: CheckId,
    /// Stable name, for the results.
    pub name: &'static str,
    /// Level from which it is made.
    pub level: Level,
    /// Side that is stored.
    pub compared: &'static str,
    /// Side that is independent of the run.
    pub with: &'static str,
    /// What to do about a difference.
    pub advice: &'static str,
}

/// Declares the checks.
macro_rules! checks {
    ($($id:ident = $name:literal, $level:ident, $compared:literal, $with:literal, $advice:literal;)+) => {
        /// Names a check in code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "each is described by its line of the table")]
        pub enum CheckId { $($id,)+ }

        /// Every check, in the order in which they are made and reported.
        pub const CHECKS: &[Check] = &[$(Check {
            id: CheckId::$id,
            name: $name,
            level: Level::$level,
            compared: $compared,
            with: $with,
            advice: $advice,
        }),+];
    };
}

checks! {
    OutcomeIds = "outcome_ids", Rows, "the ids that the outcome names", "ids derived from the attempt, the warehouse's user and section",
        "the run store was changed: restore it";
    ReportPresent = "report_present", Rows, "the report of a migrated attempt", "the warehouse: one report whose values can be read",
        "ask the owner of the warehouse what changed since the run";
    LaunchSessionPresent = "launch_session_present", Rows, "lti_launch_sessions", "exactly one row, with the derived id and launch id",
        "a row that was lost: rogo-migrate resume --redo lost";
    LaunchSessionLearner = "launch_session_learner", Rows, "the learner in lti_launch_sessions", "the input's name and e-mail cells, the warehouse's TIUserId",
        "roll the attempt back and migrate it again";
    LaunchSessionCourse = "launch_session_course", Rows, "course, context and assessment in lti_launch_sessions", "the input's Course Title, the warehouse's Exercise and TISectionId, the row beside it",
        "roll the attempt back and migrate it again";
    LaunchSessionConsumer = "launch_session_consumer", Rows, "guid, key, consumer and fixed values in lti_launch_sessions", "the settings of the run",
        "roll the attempt back and migrate it again";
    LaunchSessionExpiry = "launch_session_expiry", Rows, "expires_at", "2099-12-31 UTC",
        "roll the attempt back and migrate it again";
    SessionRecordPresent = "session_record_present", Rows, "lti_session_records", "exactly one row, with the derived id and launch id",
        "a row that was lost: rogo-migrate resume --redo lost";
    SessionRecordLearner = "session_record_learner", Rows, "the learner in lti_session_records", "the input's name and e-mail cells, the warehouse's TIUserId",
        "roll the attempt back and migrate it again";
    SessionRecordCourse = "session_record_course", Rows, "course, context and assessment in lti_session_records", "the input's Course Title, the warehouse's Exercise and TISectionId, the row beside it",
        "roll the attempt back and migrate it again";
    SessionRecordConsumer = "session_record_consumer", Rows, "guid, key, consumer and fixed values in lti_session_records", "the settings of the run",
        "roll the attempt back and migrate it again";
    SessionRecordExpiry = "session_record_expiry", Rows, "session_expiry", "2099-12-31 UTC",
        "roll the attempt back and migrate it again";
    SubmissionPresent = "submission_present", Rows, "assignment_submissions", "the row with the derived id, which names session record and launch id",
        "a row that was lost: rogo-migrate resume --redo lost";
    SubmissionSingle = "submission_single", Rows, "submissions of the attempt", "no second one",
        "find out what wrote the other submission, and remove the one that is wrong";
    SubmissionLearner = "submission_learner", Rows, "the learner in assignment_submissions", "the input's name and e-mail cells, the warehouse's TIUserId",
        "roll the attempt back and migrate it again";
    SubmissionCourse = "submission_course", Rows, "course, context and assessment in assignment_submissions", "the input's Course Title, the warehouse's Exercise and TISectionId, the row beside it",
        "roll the attempt back and migrate it again";
    SubmissionConsumer = "submission_consumer", Rows, "consumer and fixed values in assignment_submissions", "the settings of the run",
        "roll the attempt back and migrate it again";
    SubmissionIds = "submission_ids", Rows, "lms_user_id and context_id", "the instance's guid, \"::\" and an id (of a context one without another \"::\"), equal in all three tables",
        "roll the attempt back and migrate it again";
    SubmissionAttemptNumber = "submission_attempt_number", Rows, "attempt_number", "the number in the mapping's Submission",
        "roll the attempt back and migrate it again";
    SubmissionDates = "submission_dates", Rows, "submitted_at, created_at, updated_at", "the warehouse's ResultsApproved, DateInserted, DateModified",
        "roll the attempt back and migrate it again";
    SubmissionFileCount = "submission_file_count", Rows, "file_count", "the URLs of the input row, and the files that the outcome names",
        "roll the attempt back and migrate it again";
    SubmissionFileSize = "submission_file_size", Rows, "total_file_size", "the bytes that the outcome names",
        "roll the attempt back and migrate it again";
    FilesPresent = "files_present", Rows, "submission_files", "one row for each URL of the input, upload_order 1 to n",
        "roll the attempt back and migrate it again";
    FileNames = "file_names", Rows, "file_name, original_file_name", "the input's list of names, else the URL; marker files by learner and assessment",
        "roll the attempt back and migrate it again";
    FileTypes = "file_types", Rows, "file_type, file_mime_type, submission_file_type, turnitin_status", "the name's extension; learner or marker file; complete, or a status that the application set since",
        "roll the attempt back and migrate it again";
    FileSizes = "file_sizes", Rows, "file_size", "the bytes that the outcome names, in MB with one decimal",
        "roll the attempt back and migrate it again";
    FileUrls = "file_urls", Rows, "file_url, azure_blob_url, azure_container_name", "the target container's URL and the blob's name",
        "roll the attempt back and migrate it again";
    FileBlobNames = "file_blob_names", Rows, "azure_blob_name", "folder, a writer that this run registered, attempt, order and name",
        "roll the attempt back and migrate it again";
    FileUploader = "file_uploader", Rows, "uploaded_by", "the input's Rogo User ID, else Learner Email; null for marker files",
        "roll the attempt back and migrate it again";
    FileDates = "file_dates", Rows, "uploaded_at", "the warehouse's ResultsApproved, else DateInserted",
        "roll the attempt back and migrate it again";
    LearnerFilePresent = "learner_file_present", Rows, "learner files of the submission", "at least one, unless the run lets rows with marker files only through",
        "roll the attempt back and migrate it again";
    MarkingAssignmentPresent = "marking_assignment_present", Rows, "submission_marking_assignments", "the row with the derived id",
        "roll the attempt back and migrate it again";
    MarkingAssignmentReleased = "marking_assignment_released", Rows, "marking_status", "released",
        "roll the attempt back and migrate it again";
    MarkingAssignmentDates = "marking_assignment_dates", Rows, "status_updated_at, created_at, updated_at", "the warehouse's ResultsApproved, DateInserted",
        "roll the attempt back and migrate it again";
    MarksPresent = "marks_present", Rows, "submission_section_marks", "as many rows as the warehouse has scores",
        "roll the attempt back and migrate it again";
    MarksSections = "marks_sections", Rows, "section_id", "a section of the grade's assessment whose text matches the score's label",
        "roll the attempt back and migrate it again";
    MarksValues = "marks_values", Rows, "marks_awarded", "the warehouse's Score of the same section",
        "roll the attempt back and migrate it again";
    MarksComments = "marks_comments", Rows, "feedback", "the warehouse's MarkerComment of the same section",
        "roll the attempt back and migrate it again";
    GradePresent = "grade_present", Rows, "submission_grades", "one row, with the derived id",
        "roll the attempt back and migrate it again";
    GradeAssessment = "grade_assessment", Rows, "assessment_id", "an assessment whose name begins as Exercise and ends with the mapping's version",
        "roll the attempt back and migrate it again";
    GradeMarks = "grade_marks", Rows, "total_marks_awarded, total_marks_possible", "the warehouse's MarksAchieved, else MarksAwarded; MarksAvailable",
        "roll the attempt back and migrate it again";
    GradePercentage = "grade_percentage", Rows, "percentage_score", "the warehouse's GradePercent",
        "roll the attempt back and migrate it again";
    GradeFinal = "grade_final", Rows, "final_grade", "the warehouse's Grade, by the level of the assessment",
        "roll the attempt back and migrate it again";
    GradeSummary = "grade_summary", Rows, "overall_summary", "the warehouse's MarkerNotes",
        "roll the attempt back and migrate it again";
    GradeComplete = "grade_complete", Rows, "is_complete, completed_at", "true; the warehouse's ResultsApproved, else DateInserted",
        "roll the attempt back and migrate it again";
    MalpracticeNotes = "malpractice_notes", Rows, "malpractice_level_id, malpractice_notes", "the warehouse's Grade if it names malpractice, else null",
        "roll the attempt back and migrate it again";
    EnforcementNewest = "enforcement_newest", Rows, "malpractice_enforcements", "the newest attempt of the learner, assessment and context",
        "find out what wrote the row; migrate the newest attempt again";
    ReceiptUnchanged = "receipt_unchanged", Rows, "the rows of a submission in seven tables, as stored", "the receipt that the outcome keeps of them",
        "if a person changed the values on purpose: verify --accept; else roll the attempt back and migrate it again";
    SourceUnchanged = "source_unchanged", Rows, "the row's cells, its mapping and the warehouse's facts", "the digest that the outcome keeps of what it was decided from",
        "ask the owner of the warehouse what changed since the run";
    RunReceipt = "run_receipt", Rows, "every outcome in the segments of the run store, folded anew", "the receipts in summary.json: root, digest of each shard, count, digests of inputs and settings",
        "the run store was changed: restore it from its backup; what was signed is the root";
    FilesCountNote = "files_count_note", Rows, "the note files_count_differs", "the input's counts and lists of URLs",
        "look at the input row: a file may be missing from its list";
    FailedAbsent = "failed_absent", Rows, "rows of a failed attempt", "none that this run wrote",
        "remove the rows: roll the attempt back";
    SkippedClaims = "skipped_claims", Rows, "a skipped row", "what its code says: a newer row, an older submission, an excluded version, nothing",
        "look at the row: it was skipped without cause, or the target changed since";
    NothingSurplus = "nothing_surplus", Rows, "every row of the eight tables", "no row of this run that no outcome names",
        "find out what wrote the row, and remove it if it belongs to no submission";
    SourceFilesUnchanged = "source_files_unchanged", Blobs, "the length and stored MD5 of each source file", "those that the outcome keeps of the file that was copied",
        "ask the owner of the source what changed since the run";
    BlobPresent = "blob_present", Blobs, "the listing of the target container", "a blob for each file row, under its name as the service stores it",
        "restore the blob; else roll the attempt back and migrate it again";
    BlobLength = "blob_length", Blobs, "the blob's length", "the length that the outcome keeps of the file, else that of its source",
        "restore the blob; else roll the attempt back and migrate it again";
    BlobContentType = "blob_content_type", Blobs, "the blob's Content-Type", "the media type of its file row's file_type",
        "set it again, or roll the attempt back and migrate it again";
    BlobContentEncoding = "blob_content_encoding", Blobs, "the blob's Content-Encoding", "that of its source",
        "set it again, or roll the attempt back and migrate it again";
    BlobMetadata = "blob_metadata", Blobs, "the blob's metadata attemptId, migratedFrom, run, writer, fileType", "the attempt, the run, the writer in its name, the kind of its file row",
        "set it again, or roll the attempt back and migrate it again";
    BlobMd5 = "blob_md5", Blobs, "the blob's stored MD5, which is its writer's word", "the MD5 that the outcome keeps of the file, else that of its source",
        "verify --level content reads the bytes; if they differ, restore the blob or migrate the attempt again";
    BlobsSurplus = "blobs_surplus", Blobs, "every blob of this run's writers", "a file row that names it",
        "rogo-migrate orphans shows such blobs, and with --delete removes them";
    ContentSource = "content_source", Content, "the SHA-256 of the blob's bytes", "that of its source's bytes, both read now",
        "restore the blob; else roll the attempt back and migrate it again";
    ContentReceipt = "content_receipt", Content, "the SHA-256, else the MD5, of the blob's bytes", "the one that the outcome keeps of the bytes that were copied",
        "restore the blob; else roll the attempt back and migrate it again";
    ContentManifest = "content_manifest", Content, "the SHA-256 of the blob's bytes", "the line of --manifest",
        "restore the blob; else roll the attempt back and migrate it again";
}

impl CheckId {
    /// Its line of the table.
    pub fn check(self) -> &'static Check {
        const FIRST: &Check = match CHECKS.first() {
            Some(check) => check,
            None => panic!("there are checks"),
        };
        // The enum and the table are declared together.
        CHECKS.get(self.index()).unwrap_or(FIRST)
    }

    /// Whether a look at files makes it.
    pub fn is_of_files(self) -> bool {
        self.check().level > Level::Rows
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        self as usize
    }
}
