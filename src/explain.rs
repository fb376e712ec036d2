//! One text for each code that a person meets: what it means, how to see it, what to do. Compiled in, one Markdown file
//! each in `explain/codes/`.

/// Where a code is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a row that failed or was skipped.
    Outcome,
    /// On a migrated row.
    Note,
    /// Over a whole run.
    Warning,
    /// What limits the speed of a run.
    Limit,
    /// Why a rollback leaves a submission.
    Rollback,
    /// Exit code of the program.
    ExitCode,
    /// A check of `verify`.
    Check,
}

/// The text of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Where it is met.
    pub kind: Kind,
    /// The code; an exit code is `exit_<number>`.
    pub code: &'static str,
    /// Markdown: a title, what it means, "How to see it", "What to do".
    pub markdown: &'static str,
}

/// Declares a text for each code; its file is `explain/codes/<code>.md`.
macro_rules! texts {
    ($($kind:ident $code:literal;)+) => {
        /// The texts of all codes.
        pub const TEXTS: &[Text] = &[$(Text {
            kind: Kind::$kind,
            code: $code,
            markdown: include_str!(concat!("explain/codes/", $code, ".md")),
        }),+];
    };
}

texts! {
    Outcome "attempt_id_invalid";
    Outcome "row_invalid";
    Outcome "mapping_missing";
    Outcome "mapping_ambiguous";
    Outcome "unit_version_missing";
    Outcome "submission_text_missing";
    Outcome "attempt_number_missing";
    Outcome "report_missing";
    Outcome "report_ambiguous";
    Outcome "report_incomplete";
    Outcome "report_invalid";
    Outcome "context_id_invalid";
    Outcome "score_incomplete";
    Outcome "learner_email_missing";
    Outcome "exercise_invalid";
    Outcome "assessment_missing";
    Outcome "assessment_ambiguous";
    Outcome "section_missing";
    Outcome "section_ambiguous";
    Outcome "grade_missed";
    Outcome "malpractice_level_missing";
    Outcome "malpractice_level_unknown";
    Outcome "no_files";
    Outcome "no_learner_files";
    Outcome "file_url_foreign";
    Outcome "file_missing";
    Outcome "file_forbidden";
    Outcome "file_archived";
    Outcome "file_changed";
    Outcome "file_corrupt";
    Outcome "file_name_refused";
    Outcome "target_rejected";
    Outcome "target_altered";
    Outcome "unavailable";
    Outcome "internal_error";
    Outcome "duplicate_row";
    Outcome "already_migrated";
    Outcome "unit_version_excluded";
    Outcome "changed_at_source";
    Outcome "withdrawn";
    Outcome "deleted_in_target";
    Outcome "excluded_by_owner";
    Outcome "rolled_back";
    Note "names_from_url";
    Note "files_count_differs";
    Note "text_misread";
    Note "enforcement_kept";
    Note "file_blob_missing";
    Note "changed_since";
    Warning "source_not_frozen";
    Warning "source_not_compared";
    Warning "no_scores";
    Warning "invariant_violated";
    Warning "orphans_kept";
    Warning "breaker_opened";
    Limit "throttled_service";
    Limit "service_away";
    Limit "service_latency";
    Limit "database_pool";
    Limit "cpu";
    Limit "memory_budget";
    Limit "in_flight_cap";
    Limit "warehouse_batch";
    Limit "small_files";
    Limit "slow_shard";
    Limit "run_store_flush";
    Limit "bandwidth";
    Limit "breaker_near";
    Limit "target_guard";
    Rollback "changed_after_run";
    Rollback "marker_assigned";
    Rollback "rows_added";
    Rollback "rows_removed";
    Rollback "submission_deleted";
    Rollback "blob_shared";
    Rollback "rule_changed_again";
    Rollback "rule_of_other_attempt";
    Rollback "rule_image_missing";
    Rollback "not_recorded";
    Check "outcome_ids";
    Check "report_present";
    Check "launch_session_present";
    Check "launch_session_learner";
    Check "launch_session_course";
    Check "launch_session_consumer";
    Check "launch_session_expiry";
    Check "session_record_present";
    Check "session_record_learner";
    Check "session_record_course";
    Check "session_record_consumer";
    Check "session_record_expiry";
    Check "submission_present";
    Check "submission_single";
    Check "submission_learner";
    Check "submission_course";
    Check "submission_consumer";
    Check "submission_ids";
    Check "submission_attempt_number";
    Check "submission_dates";
    Check "submission_file_count";
    Check "submission_file_size";
    Check "files_present";
    Check "file_names";
    Check "file_types";
    Check "file_sizes";
    Check "file_urls";
    Check "file_blob_names";
    Check "file_uploader";
    Check "file_dates";
    Check "learner_file_present";
    Check "marking_assignment_present";
    Check "marking_assignment_released";
    Check "marking_assignment_dates";
    Check "marks_present";
    Check "marks_sections";
    Check "marks_values";
    Check "marks_comments";
    Check "grade_present";
    Check "grade_assessment";
    Check "grade_marks";
    Check "grade_percentage";
    Check "grade_final";
    Check "grade_summary";
    Check "grade_complete";
    Check "malpractice_notes";
    Check "enforcement_newest";
    Check "receipt_unchanged";
    Check "source_unchanged";
    Check "run_receipt";
    Check "files_count_note";
    Check "failed_absent";
    Check "skipped_claims";
    Check "nothing_surplus";
    Check "source_files_unchanged";
    Check "blob_present";
    Check "blob_length";
    Check "blob_content_type";
    Check "blob_content_encoding";
    Check "blob_metadata";
    Check "blob_md5";
    Check "blobs_surplus";
    Check "content_source";
    Check "content_receipt";
    Check "content_manifest";
    ExitCode "exit_0";
    ExitCode "exit_1";
    ExitCode "exit_64";
    ExitCode "exit_65";
    ExitCode "exit_69";
    ExitCode "exit_70";
    ExitCode "exit_75";
    ExitCode "exit_78";
    ExitCode "exit_143";
}

/// The text of a code; an exit code may be given as its number.
pub fn text(code: &str) -> Option<&'static Text> {
    let code = code.trim().to_lowercase();
    let exit_code = format!("exit_{code}");
    TEXTS.iter().find(|text| text.code == code || text.code == exit_code)
}

/// Every code, by where it is met.
pub fn list() -> String {
    let kinds = [
        (Kind::Outcome, "outcomes"),
        (Kind::Note, "notes"),
        (Kind::Warning, "warnings"),
        (Kind::Limit, "what limits the speed"),
        (Kind::Rollback, "rollback"),
        (Kind::Check, "checks of verify"),
        (Kind::ExitCode, "exit codes"),
    ];
    let lines = kinds.into_iter().filter_map(|(kind, name)| {
        let codes: Vec<&str> = TEXTS.iter().filter(|text| text.kind == kind).map(|text| text.code).collect();
        (!codes.is_empty()).then(|| format!("{name}: {}", codes.join(", ")))
    });
    lines.collect::<Vec<_>>().join("\n")
}
