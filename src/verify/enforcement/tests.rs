//! Which of several rows of one learner, assessment and context has to stand.

use chrono::TimeDelta;

use super::*;
use crate::{
    domain::{
        SubmissionIds,
        form::{Layout, NumberType},
    },
    ports::{Cell, StoredCatalogue},
    verify::expect::RunSettings,
};

const INSTANCE: &str = "0b8f0c1e-3c1a-4f0e-9a53-0d3c5d1e7a11";

fn settings() -> RunSettings {
    let text = String::new;
    RunSettings {
        lms_instance: INSTANCE.to_owned(),
        lms_name: text(),
        return_url: text(),
        consumer_key: text(),
        instruction_set: text(),
        assignment_title: text(),
        unit_versions: Vec::new(),
        marker_only: false,
        zone: chrono_tz::UTC,
        container: text(),
        url_base: text(),
    }
}

fn submission(attempt: &str) -> String {
    SubmissionIds::new(INSTANCE, attempt.parse().unwrap()).row(Table::Submissions.name(), 1)
}

/// What differs if these rows stand, each with the submission that it names and that one's age in microseconds before the
/// rule of attempt 7. This run has also migrated attempts 5, 9 and 11, the last one another learner's.
fn finds(rows: &[(&str, i64)]) -> Vec<String> {
    let settings = settings();
    let (catalogue, layout) = (StoredCatalogue::default(), Layout::new(&[], |_, _| NumberType::Real));
    let ground = Ground {
        settings: &settings,
        catalogue: &catalogue,
        catalogue_is_known: true,
        layout: &layout,
        writers: &BTreeSet::new(),
        unreadable: &BTreeSet::new(),
    };
    let mut known = KnownSubmissions::default();
    for attempt in ["5", "7", "9", "11"] {
        let attempt = attempt.parse().unwrap();
        known.add(&SubmissionIds::new(INSTANCE, attempt), attempt, None, None);
    }
    known.finish();
    let rule = Rule {
        row: 1,
        attempt: "7".parse().unwrap(),
        inserted: DateTime::UNIX_EPOCH,
        level: "Minor".to_owned(),
        submission: submission("7"),
        context_title: None,
        attempt_number: None,
    };
    let key = ("user".to_owned(), "code".to_owned(), "context".to_owned());
    let stored = |(names, age): &(&str, i64)| {
        let cell = |column: &&str| match *column {
            "lms_user_id" => Cell::Text(key.0.clone()),
            "custom_assessment_code" => Cell::Text(key.1.clone()),
            "context_id" => Cell::Text(key.2.clone()),
            "submission_id" => Cell::Text((*names).to_owned()),
            _ => Cell::Null,
        };
        let cells = Table::Enforcements.columns().iter().map(cell).collect();
        (StoredRow { cells, transaction: 1 }, Some(rule.inserted - TimeDelta::microseconds(*age)))
    };
    let mut standing = Standing::default();
    standing.add(rows.iter().map(stored).collect());
    // Attempt 11 has a rule under another key.
    let another = Rule { attempt: "11".parse().unwrap(), submission: submission("11"), ..rule.clone() };
    let other_key = ("other".to_owned(), "code".to_owned(), "context".to_owned());
    let newest = HashMap::from([(key.clone(), rule.clone()), (other_key, another)]);
    let rules = Rules { newest, ..Rules::default() };
    let compared = standing.compare(&rules, &ground, &known, &BTreeSet::new());
    let of_seven = compared.into_iter().filter(|(_, attempt, _)| *attempt == rule.attempt);
    let differences = of_seven.flat_map(|(.., findings)| findings.differences);
    differences.map(|difference| difference.issue).collect()
}

#[test]
fn a_live_row_of_the_same_date_stands_and_an_older_one_does_not() {
    assert!(finds(&[("live", 0)]).is_empty());
    assert_eq!(
        finds(&[("live", 1)]),
        ["malpractice_enforcements holds the rule of an older attempt, of another learner's, or of none"]
    );
    assert!(finds(&[("live", -1)]).is_empty());
    // Of several the live one of the same date is compared, in whatever order they are read.
    let own = submission("7");
    assert!(!finds(&[(&own, 0)]).is_empty(), "its other columns are null");
    assert!(finds(&[("live", 0), (&own, 0)]).is_empty());
    assert!(finds(&[(&own, 0), ("live", 0)]).is_empty());
    assert!(!finds(&[(&own, 0), ("live", 1)]).is_empty());
}

#[test]
fn of_two_attempts_of_this_run_with_the_same_date_that_with_the_higher_number_stands() {
    let (older, newer) = (submission("5"), submission("9"));
    assert_eq!(finds(&[(&older, 0)]).len(), 1);
    assert!(finds(&[(&newer, 0)]).is_empty());
}

#[test]
fn of_two_rules_of_the_same_date_that_of_the_higher_attempt_is_expected_whichever_is_met_first() {
    let rule = |attempt: &str, micros| Rule {
        row: 1,
        attempt: attempt.parse().unwrap(),
        inserted: DateTime::from_timestamp_micros(micros).unwrap(),
        level: "Minor".to_owned(),
        submission: submission(attempt),
        context_title: None,
        attempt_number: None,
    };
    let (older, five, nine) = (rule("12", 0), rule("5", 1), rule("9", 1));
    let mut all = [older, five, nine.clone()];
    for _ in 0..all.len() {
        all.rotate_left(1);
        for met in [all.to_vec(), all.iter().rev().cloned().collect()] {
            let mut rules = Rules::default();
            let key = || ("user".to_owned(), "code".to_owned(), "context".to_owned());
            for rule in met {
                rules.keep(key(), rule);
            }
            assert_eq!(rules.newest[&key()], nine);
        }
    }
}

#[test]
fn a_newer_attempt_of_this_run_does_not_take_the_place_of_another_learners_rule() {
    assert_eq!(finds(&[(&submission("11"), -1)]).len(), 1);
    assert!(finds(&[(&submission("9"), -1)]).is_empty());
}
