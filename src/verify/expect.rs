//! What must stand in the target for one migrated row: the rules, stated a second time from the specification and not
//! from the code that moved the rows.

pub mod blob_name;
pub mod dates;
pub mod files;
pub mod grades;
pub mod report;
pub mod text;

use crate::domain::{AttemptId, Facts, Mapping, MappingState, SubmissionIds, SubmissionRow};
use files::{ExpectedFile, expected_files};
use report::{ExpectedReport, ExpectedScore};
use text::{is_blank, is_blank_char, trim};

use super::findings::Lack;

/// Values that all rows of a run share: settings, as the run pinned them.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// Guid of the LMS instance.
    pub lms_instance: String,
    /// Name of the LMS instance.
    pub lms_name: String,
    /// Base of the return URL, without a trailing slash.
    pub return_url: String,
    /// `consumer_key`.
    pub consumer_key: String,
    /// `custom_instruction_set`.
    pub instruction_set: String,
    /// `assignment_title`.
    pub assignment_title: String,
    /// Beginnings of the Unit Code Versions that are migrated.
    pub unit_versions: Vec<String>,
    /// Whether rows with marker files only are migrated.
    pub marker_only: bool,
    /// Time zone of warehouse dates without an offset.
    pub zone: chrono_tz::Tz,
    /// `azure_container_name`.
    pub container: String,
    /// What every file's URL begins with, up to the blob's name.
    pub url_base: String,
}

/// Everything that is expected of one migrated row.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The attempt of the row.
    pub attempt: AttemptId,
    /// The derived ids.
    pub ids: SubmissionIds,
    /// The derived launch id.
    pub launch_id: String,
    /// What the input row says; `None` if the inputs are not there.
    pub person: Option<Person>,
    /// Its files, by upload order; `None` if the inputs are not there.
    pub files: Option<Vec<ExpectedFile>>,
    /// Whether a count column names another number of files than its list holds.
    pub counts_differ: Option<bool>,
    /// The number in the mapping's Submission; `None` if the inputs are not there, or hold no number.
    pub attempt_number: Option<i32>,
    /// Unit Code Version, trimmed.
    pub unit_version: Option<String>,
    /// Whether the warehouse was asked.
    pub asked_warehouse: bool,
    /// What the warehouse says.
    pub report: Result<ExpectedReport, Lack>,
    /// The scores, equal copies once; `None` if they cannot be read.
    pub scores: Result<Vec<ExpectedScore>, Lack>,
}

/// The learner, as the input row names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// "First Name", trimmed.
    pub first_name: String,
    /// "Surname", trimmed.
    pub last_name: String,
    /// Both, else Rogo User Name.
    pub full_name: String,
    /// "Learner Email", trimmed.
    pub email: String,
    /// "Rogo User ID", else the e-mail address.
    pub uploader: String,
    /// "Course Title", trimmed; blank if the Exercise stands in for it.
    pub course_title: String,
    /// "Assessment ID", trimmed.
    pub assessment_id: String,
}

/// What is expected of the attempt; `row` and `facts` are `None` if inputs or warehouse are not there.
pub fn expect(
    attempt: AttemptId,
    row: Option<(&SubmissionRow, &MappingState)>,
    facts: Option<&Facts>,
    settings: &RunSettings,
) -> Expected {
    let ids = SubmissionIds::new(&settings.lms_instance, attempt);
    let mapping = row.and_then(|(_, state)| match state {
        MappingState::Found(mapping) => Some(mapping),
        MappingState::Missing | MappingState::Ambiguous => None,
    });
    let cells = row.map(|(cells, _)| cells);
    let person = cells.map(person);
    Expected {
        attempt,
        ids,
        launch_id: ids.launch_id(),
        files: cells.zip(person.as_ref()).map(|(cells, person)| expected_files(cells, person)),
        counts_differ: cells.map(files::counts_differ),
        person,
        attempt_number: mapping.and_then(|Mapping { submission, .. }| attempt_number(submission)),
        unit_version: mapping.map(|mapping| trim(&mapping.unit_version).to_owned()),
        asked_warehouse: facts.is_some(),
        report: facts.ok_or(Lack::Warehouse).and_then(|facts| report::report(facts, settings.zone)),
        scores: facts.ok_or(Lack::Warehouse).and_then(report::scores),
    }
}

fn person(cells: &SubmissionRow) -> Person {
    let [first_name, last_name, email, user] =
        [&cells.first_name, &cells.surname, &cells.learner_email, &cells.rogo_user_id].map(|cell| trim(cell));
    let both = format!("{first_name} {last_name}");
    let full_name = if is_blank(&both) { trim(&cells.rogo_user_name) } else { trim(&both) };
    Person {
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        full_name: full_name.to_owned(),
        email: email.to_owned(),
        uploader: if user.is_empty() { email } else { user }.to_owned(),
        course_title: trim(&cells.course_title).to_owned(),
        assessment_id: trim(&cells.assessment_id).to_owned(),
    }
}

/// The number behind the first "Attempt" (any case) that white space and digits follow.
fn attempt_number(submission: &str) -> Option<i32> {
    let lower = submission.to_ascii_lowercase();
    let behind = lower.match_indices("attempt").filter_map(|(at, word)| submission.get(at + word.len()..));
    let digits = behind.filter_map(|rest| {
        let number = rest.trim_start_matches(is_blank_char);
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        (number.len() < rest.len() && !digits.is_empty()).then_some(digits)
    });
    digits.take(1).find_map(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attempt_number_follows_the_word_and_white_space() {
        for (text, expected) in [
            ("Attempt 2", Some(2)),
            ("Retake Attempt 1", Some(1)),
            ("ATTEMPT\u{a0}12", Some(12)),
            ("Attempt2", None),
            ("Attempt x Attempt 3", Some(3)),
            ("Attempt", None),
            ("2", None),
        ] {
            assert_eq!(attempt_number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_learner_is_named_by_both_names_else_by_the_user_name() {
        let mut cells =
            SubmissionRow { rogo_user_name: " u ".into(), learner_email: " e ".into(), ..Default::default() };
        assert_eq!((person(&cells).full_name, person(&cells).uploader), ("u".into(), "e".into()));
        cells.surname = " B\u{a0}".into();
        cells.rogo_user_id = " 7 ".into();
        assert_eq!((person(&cells).full_name, person(&cells).uploader), ("B".into(), "7".into()));
        cells.first_name = "A".into();
        assert_eq!(person(&cells).full_name, "A B");
    }
}
