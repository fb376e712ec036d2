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

/// Declares a text for each code; its file is `explain/codes/<code>.md`. What several texts end with stands once, in a file of
/// `explain/`.
macro_rules! texts {
    ($($kind:ident $code:literal $(+ $end:literal)?;)+) => {
        /// The texts of all codes.
        pub const TEXTS: &[Text] = &[$(Text {
            kind: Kind::$kind,
            code: $code,
            markdown: concat!(
                include_str!(concat!("explain/codes/", $code, ".md")),
                $(include_str!(concat!("explain/", $end)))?
            ),
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
    Warning "sweep_failed";
    Warning "prediction_not_compared";
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
    Check "launch_session_learner" + "repair.md";
    Check "launch_session_course" + "repair.md";
    Check "launch_session_consumer" + "repair.md";
    Check "launch_session_expiry" + "repair.md";
    Check "session_record_present";
    Check "session_record_learner" + "repair.md";
    Check "session_record_course" + "repair.md";
    Check "session_record_consumer" + "repair.md";
    Check "session_record_expiry" + "repair.md";
    Check "submission_present";
    Check "submission_single";
    Check "submission_learner" + "repair.md";
    Check "submission_course" + "repair.md";
    Check "submission_consumer" + "repair.md";
    Check "submission_ids" + "repair.md";
    Check "submission_attempt_number" + "repair.md";
    Check "submission_dates" + "repair.md";
    Check "submission_file_count" + "repair.md";
    Check "submission_file_size" + "repair.md";
    Check "files_present" + "repair.md";
    Check "file_names" + "repair.md";
    Check "file_types" + "repair.md";
    Check "file_sizes" + "repair.md";
    Check "file_urls" + "repair.md";
    Check "file_blob_names" + "repair.md";
    Check "file_uploader" + "repair.md";
    Check "file_dates" + "repair.md";
    Check "learner_file_present" + "repair.md";
    Check "marking_assignment_present";
    Check "marking_assignment_released" + "repair.md";
    Check "marking_assignment_dates" + "repair.md";
    Check "marks_present" + "repair.md";
    Check "marks_sections" + "repair.md";
    Check "marks_values" + "repair.md";
    Check "marks_comments" + "repair.md";
    Check "grade_present";
    Check "grade_assessment" + "repair.md";
    Check "grade_marks" + "repair.md";
    Check "grade_percentage" + "repair.md";
    Check "grade_final" + "repair.md";
    Check "grade_summary" + "repair.md";
    Check "grade_complete" + "repair.md";
    Check "malpractice_notes" + "repair.md";
    Check "enforcement_newest" + "repair.md";
    Check "receipt_unchanged" + "repair.md";
    Check "source_unchanged";
    Check "run_receipt";
    Check "files_count_note";
    Check "failed_absent";
    Check "skipped_claims";
    Check "nothing_surplus";
    Check "source_files_unchanged";
    Check "blob_present" + "repair.md";
    Check "blob_length" + "repair.md";
    Check "blob_content_type" + "repair.md";
    Check "blob_content_encoding" + "repair.md";
    Check "blob_metadata" + "repair.md";
    Check "blob_md5" + "repair.md";
    Check "blobs_surplus";
    Check "content_source" + "repair.md";
    Check "content_receipt" + "repair.md";
    Check "content_manifest" + "repair.md";
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
