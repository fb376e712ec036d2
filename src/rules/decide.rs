//! The decision table of the rules, top to bottom: the first line that applies is the row's fate.

use super::{
    RuleConfig,
    assessment::{CatalogueIndex, first_two_words},
    attempt_number::attempt_number,
    files::{self, FileContext, planned_files},
    grade::{final_grade, not_missed},
    malpractice::{self, enforced_max_attempts},
    message::{fail, list, quoted},
    misread::misread_columns,
    report::{SoundReport, sound_report},
    scores::sound_scores,
    sections::section_marks,
};
use crate::domain::{
    AttemptId, Decision, Facts, FailCode, Failure, Grade, Held, Malpractice, MalpracticeLevel, Mapping,
    MappingState, Migration, Note, NoteCode, QueuedRow, Skip, SkipCode, SubmissionIds, SubmissionRow,
    enforcement_id, text::trim,
};

/// The fate of a row. Never fails: a bad row is a value.
pub fn decide(
    row: &QueuedRow,
    held: &Held,
    facts: &Facts,
    catalogue: &CatalogueIndex,
    config: &RuleConfig,
) -> Decision {
    let eligible = match Eligible::of(row, held, config) {
        Ok(eligible) => eligible,
        Err(decision) => return decision,
    };
    match (held, migration(row, eligible, facts, catalogue, config)) {
        // The target holds what this run wrote, even if the facts have changed since.
        (Held::ByThisRun, migration) => Decision::Recover(migration.ok().map(Box::new)),
        (_, Err(failure)) => Decision::Fail(failure),
        (Held::SessionOnly(launch_id), Ok(_)) => Decision::Fail(lone_launch_session(launch_id)),
        (Held::Lost, Ok(migration)) => {
            Decision::Migrate(Box::new(Migration { takes_over_session: true, ..migration }))
        }
        (Held::Nothing | Held::Elsewhere(_), Ok(migration)) => Decision::Migrate(Box::new(migration)),
    }
}

/// The fate of a row that needs no facts, exactly as [`decide`] would give it; `None` if it needs them.
pub fn decide_without_facts(row: &QueuedRow, held: &Held, config: &RuleConfig) -> Option<Decision> {
    Eligible::of(row, held, config).err()
}

/// Whether the warehouse may be asked about the row: the input and the mapping leave it undecided. What the target holds
/// does not count, because it may be gone when the row is decided. A plan and its shards agree on it, so that every row
/// finds its facts in a facts file.
pub fn needs_facts(row: &QueuedRow, config: &RuleConfig) -> bool {
    decide_without_facts(row, &Held::Nothing, config).is_none()
}

/// Whether the target is asked about the row: only if it has an attempt id and is no duplicate.
pub fn asks_target(row: &QueuedRow) -> bool {
    sound_row(row).is_ok() && not_a_duplicate(row).is_ok()
}

/// What the plan saw in the target under another program's launch id. What it saw under the id that this program gives
/// is looked up again before the row is skipped, so here it counts as nothing.
pub fn held_elsewhere(row: &QueuedRow, config: &RuleConfig) -> Held {
    let own = row.attempt.map(|attempt| SubmissionIds::new(&config.lms_instance, attempt).launch_id());
    match &row.held_launch_id {
        Some(held) if own.as_ref() != Some(held) => Held::Elsewhere(held.clone()),
        Some(_) | None => Held::Nothing,
    }
}

/// The failure of a row whose launch id is taken by a launch session without a submission.
pub fn lone_launch_session(launch_id: &str) -> Failure {
    let message = format!(
        "the unique key of lti_launch_sessions.launch_id refuses the row: {launch_id} is already there, but no submission \
         of it; find out who wrote it, then remove it"
    );
    fail(FailCode::TargetRejected, message)
}

fn migration(
    row: &QueuedRow,
    eligible: Eligible,
    facts: &Facts,
    catalogue: &CatalogueIndex,
    config: &RuleConfig,
) -> Result<Migration, Failure> {
    let cells = &row.cells;
    let Eligible { attempt, unit_version, attempt_number } = eligible;
    let report = sound_report(&facts.reports, config.warehouse_time_zone)?;
    let scores = sound_scores(&facts.scores)?;
    let email = learner_email(cells)?;
    let exercise = exercise_words(&report.exercise)?;
    let assessment = catalogue.assessment(&exercise, unit_version)?;
    let section_marks = section_marks(scores, assessment)?;
    not_missed(&report.grade)?;
    let level = malpractice::level(&report.grade, &catalogue.malpractice_levels)?;
    let context = FileContext { attempt, email, assessment_code: &assessment.code };
    let (files, mut notes) = planned_files(cells, &context, config)?;
    notes.extend(misread_note(cells));

    let lms_user_id = format!("{}::{}", config.lms_instance, report.ti_user_id);
    let context_id = format!("{}::{}", config.lms_instance, report.ti_section_id);
    let malpractice = level.map(|level| Malpractice {
        level_id: level.id.clone(),
        notes: report.grade.clone(),
        enforcement_id: enforcement_id(&lms_user_id, &assessment.code, &context_id),
        enforced_max_attempts: enforced_max_attempts(&level.level_text, attempt_number),
        rule_applied_by: catalogue.rule_owner_id.clone(),
    });
    let grade = grade_row(&report, level, &assessment.code);
    Ok(Migration {
        attempt,
        takes_over_session: false,
        ids: SubmissionIds::new(&config.lms_instance, attempt),
        lms_user_id,
        context_id,
        context_title: context_title(cells, &report.exercise),
        return_url: format!("{}/{}", config.return_url, report.ti_section_id),
        course_name: report.exercise,
        first_name: trim(&cells.first_name).to_owned(),
        last_name: trim(&cells.surname).to_owned(),
        full_name: full_name(cells),
        email: email.to_owned(),
        assessment_id: assessment.id.clone(),
        assessment_code: assessment.code.clone(),
        attempt_number,
        submitted_at: report.results_approved.unwrap_or(report.date_inserted),
        date_inserted: report.date_inserted,
        date_modified: report.date_modified.unwrap_or(report.date_inserted),
        files,
        section_marks,
        grade,
        malpractice,
        notes,
    })
}

fn grade_row(report: &SoundReport, level: Option<&MalpracticeLevel>, assessment_code: &str) -> Grade {
    Grade {
        total_marks_awarded: report.total_marks_awarded.clone(),
        total_marks_possible: report.marks_available.clone(),
        percentage_score: report.grade_percent.clone(),
        final_grade: match level {
            Some(_) => malpractice::FINAL_GRADE.to_owned(),
            None => final_grade(&report.grade, assessment_code),
        },
        overall_summary: report.marker_notes.clone(),
    }
}

/// A row that passed rows 1 to 7 of the decision table, with its values from the input and the mapping.
#[derive(Clone, Copy)]
struct Eligible<'a> {
    attempt: AttemptId,
    unit_version: &'a str,
    attempt_number: i32,
}

impl<'a> Eligible<'a> {
    fn of(row: &'a QueuedRow, held: &Held, config: &RuleConfig) -> Result<Self, Decision> {
        let attempt = sound_row(row)?;
        not_a_duplicate(row)?;
        not_held_elsewhere(held)?;
        Self::mapped(attempt, row, config).map_err(|decision| match held {
            Held::ByThisRun => Decision::Recover(None),
            Held::Nothing | Held::Lost | Held::Elsewhere(_) | Held::SessionOnly(_) => decision,
        })
    }

    fn mapped(attempt: AttemptId, row: &'a QueuedRow, config: &RuleConfig) -> Result<Self, Decision> {
        let mapping = one_mapping(&row.mapping)?;
        let unit_version = included_version(mapping, config)?;
        let attempt_number = attempt_number(&mapping.submission)?;
        Ok(Self { attempt, unit_version, attempt_number })
    }
}

/// The cell may hold anything, so the message does not repeat it.
fn sound_row(row: &QueuedRow) -> Result<AttemptId, Failure> {
    let Some(attempt) = row.attempt else {
        let message = "Attempt ID is not a whole number from 1 to 2147483647";
        return Err(fail(FailCode::AttemptIdInvalid, message));
    };
    let with_nul = columns_with_nul(&row.cells);
    if !with_nul.is_empty() {
        return Err(fail(FailCode::RowInvalid, format!("NUL in {}", list(with_nul))));
    }
    Ok(attempt)
}

/// Columns whose NUL would be stored, as a value or as part of a file's name. URLs are not stored as they are; the URL
/// parser refuses a NUL.
fn columns_with_nul(cells: &SubmissionRow) -> Vec<&'static str> {
    let has_learner_files = !files::is_empty(&cells.learner_blob_urls);
    let has_marker_files = !files::is_empty(&cells.marker_blob_urls);
    let holds_nul = |cell: &str| cell.contains('\0');
    [
        ("First Name", holds_nul(&cells.first_name)),
        ("Surname", holds_nul(&cells.surname)),
        ("Learner Email", holds_nul(&cells.learner_email)),
        ("Assessment ID", has_marker_files && holds_nul(&cells.assessment_id)),
        ("Course Title", holds_nul(&cells.course_title)),
        ("Rogo User ID", has_learner_files && holds_nul(&cells.rogo_user_id)),
        ("Rogo User Name", own_name(cells).is_empty() && holds_nul(&cells.rogo_user_name)),
        ("Learner File Names", files::names_by_position(cells).any(holds_nul)),
    ]
    .into_iter()
    .filter_map(|(column, found)| found.then_some(column))
    .collect()
}

fn not_a_duplicate(row: &QueuedRow) -> Result<(), Skip> {
    match row.newer_row {
        None => Ok(()),
        Some(newer) => {
            let detail = format!("row {newer} holds the same Attempt ID and is newer");
            Err(Skip { code: SkipCode::DuplicateRow, detail })
        }
    }
}

/// Rows written since the row was gathered are detected by the unique launch id at commit.
fn not_held_elsewhere(held: &Held) -> Result<(), Skip> {
    match held {
        Held::Nothing | Held::Lost | Held::ByThisRun | Held::SessionOnly(_) => Ok(()),
        Held::Elsewhere(launch_id) => {
            let detail = format!("the target holds launch id {launch_id}");
            Err(Skip { code: SkipCode::AlreadyMigrated, detail })
        }
    }
}

fn one_mapping(mapping: &MappingState) -> Result<&Mapping, Failure> {
    match mapping {
        MappingState::Found(mapping) => Ok(mapping),
        MappingState::Missing => {
            Err(fail(FailCode::MappingMissing, "no row of the mapping names the attempt"))
        }
        MappingState::Ambiguous => {
            Err(fail(FailCode::MappingAmbiguous, "rows of the mapping that name the attempt differ"))
        }
    }
}

fn included_version<'a>(mapping: &'a Mapping, config: &RuleConfig) -> Result<&'a str, Decision> {
    let version = trim(&mapping.unit_version);
    if version.is_empty() {
        return Err(fail(FailCode::UnitVersionMissing, "Unit Code Version is blank in the mapping").into());
    }
    if !config.unit_versions.iter().any(|included| version.starts_with(included)) {
        let included = list(config.unit_versions.iter().map(|version| quoted(version)));
        let detail = format!("Unit Code Version {} begins with none of {included}", quoted(version));
        return Err(Skip { code: SkipCode::UnitVersionExcluded, detail }.into());
    }
    Ok(version)
}

fn learner_email(cells: &SubmissionRow) -> Result<&str, Failure> {
    match trim(&cells.learner_email) {
        "" => Err(fail(FailCode::LearnerEmailMissing, "Learner Email is blank")),
        email => Ok(email),
    }
}

fn exercise_words(exercise: &str) -> Result<String, Failure> {
    first_two_words(exercise).ok_or_else(|| {
        fail(FailCode::ExerciseInvalid, format!("Exercise has fewer than two words: {}", quoted(exercise)))
    })
}

/// The exercise is not trimmed, because course_name stores it untrimmed.
fn context_title(cells: &SubmissionRow, exercise: &str) -> String {
    match trim(&cells.course_title) {
        "" => exercise.to_owned(),
        title => title.to_owned(),
    }
}

fn misread_note(cells: &SubmissionRow) -> Option<Note> {
    let columns = misread_columns(cells);
    let detail = || format!("looks like UTF-8 read as Windows-1252: {}", list(&columns));
    (!columns.is_empty()).then(|| Note { code: NoteCode::TextMisread, detail: detail() })
}

fn full_name(cells: &SubmissionRow) -> String {
    let name = own_name(cells);
    if name.is_empty() { trim(&cells.rogo_user_name).to_owned() } else { name }
}

/// Blank if both names are blank.
fn own_name(cells: &SubmissionRow) -> String {
    trim(&format!("{} {}", trim(&cells.first_name), trim(&cells.surname))).to_owned()
}
