//! The decision table of the rules, top to bottom: the first line that applies is the row's fate.

use super::{
    RuleConfig,
    asked::{asked, asks_target, own_name},
    assessment::{CatalogueIndex, first_two_words},
    attempt_number::attempt_number,
    files::{FileContext, planned_files},
    grade::{final_grade, not_missed},
    later,
    malpractice::{self, enforced_max_attempts},
    message::{fail, list, quoted},
    misread::misread_columns,
    report::{SoundReport, sound_report},
    scores::sound_scores,
    sections::section_marks,
};
use crate::domain::{
    AttemptId, Decision, Earlier, Facts, FailCode, Failure, Grade, Held, ListedFile, Malpractice,
    MalpracticeLevel, Mapping, MappingState, Migration, Note, NoteCode, PlannedFile, QueuedRow, Skip,
    SkipCode, SubmissionIds, SubmissionRow, enforcement_id, text::trim,
};

/// The fate of a row. Never fails: a bad row is a value.
pub fn decide(
    row: &QueuedRow,
    held: &Held,
    facts: &Facts,
    catalogue: &CatalogueIndex,
    config: &RuleConfig,
) -> Decision {
    if let Some(earlier) = compared_with(row, held, config) {
        return later::compare(row, earlier, facts).into();
    }
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
    match compared_with(row, held, config) {
        Some(earlier) if earlier.source.facts => None,
        Some(earlier) => Some(later::compare(row, earlier, &Facts::default()).into()),
        None => Eligible::of(row, held, config).err(),
    }
}

/// Whether the warehouse may be asked about the row: the input and the mapping leave it undecided. What the target holds
/// does not count, because it may be gone when the row is decided. A plan and its shards agree on it, so that every row
/// finds its facts in a facts file.
pub fn needs_facts(row: &QueuedRow, config: &RuleConfig) -> bool {
    let is_compared = row.earlier.as_ref().is_some_and(|earlier| earlier.source.facts);
    if is_compared && asks_target(row) {
        return true;
    }
    // A row that the target lost may be moved again, whatever an earlier run says of it.
    asked(row).and_then(|attempt| Eligible::mapped(attempt, row, config)).is_ok()
}

/// The earlier run's word on a row that the target holds under the id that both runs give it.
fn compared_with<'a>(row: &'a QueuedRow, held: &Held, config: &RuleConfig) -> Option<&'a Earlier> {
    let earlier = row.earlier.as_deref()?;
    let Held::Elsewhere(launch_id) = held else { return None };
    let own = SubmissionIds::new(&config.lms_instance, asked(row).ok()?).launch_id();
    (*launch_id == own).then_some(earlier)
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
    let (mut files, mut notes) = planned_files(cells, &context, config)?;
    give_listed(&mut files, &row.listed);
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

/// Gives each file what the plan's listing of its source said.
fn give_listed(files: &mut [PlannedFile], listed: &[ListedFile]) {
    for file in files {
        let of_file = listed.iter().find(|listed| listed.order == file.upload_order);
        file.listed = of_file.cloned().map(Box::new);
    }
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
        let attempt = asked(row)?;
        not_held_elsewhere(held)?;
        later::not_deleted(row, held)?;
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
