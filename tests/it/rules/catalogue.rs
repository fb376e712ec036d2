//! The decision table, rows 12 to 16: what the target's catalogue says.

use rogo_migrate::domain::FailCode::*;

use super::{Fails, Migrates, Row};
use crate::support::rows::{assessment, text};

pub const ROWS: &[Row] = &[
    // 12
    ("Exercise of one word", |c| c.report().exercise = text(" 5HR03\u{a0}"), Fails(ExerciseInvalid, "5HR03")),
    ("Exercise of two words", |c| c.report().exercise = text("5HR03 PQ"), Migrates),
    (
        "Exercise with several kinds of white space",
        |c| c.report().exercise = text(" 5HR03\t\u{a0} PQ\nX"),
        Migrates,
    ),
    // 13
    ("no assessments", |c| c.catalogue.assessments.clear(), Fails(AssessmentMissing, "\"5HR03 PQ\"")),
    (
        "an assessment of another version",
        |c| c.assessment().name = "5HR03 PQ 24_02".into(),
        Fails(AssessmentMissing, "\"24_01\""),
    ),
    (
        "an assessment of another second word",
        |c| c.assessment().name = "5HR03 QP 24_01".into(),
        Fails(AssessmentMissing, ""),
    ),
    (
        "an assessment whose second word goes on",
        |c| c.assessment().name = "5HR03 PQR 24_01".into(),
        Fails(AssessmentMissing, ""),
    ),
    (
        "an assessment whose second word goes on with a dash",
        |c| c.assessment().name = "5HR03 PQ-X 24_01".into(),
        Fails(AssessmentMissing, ""),
    ),
    (
        "an assessment whose first word begins earlier",
        |c| c.assessment().name = "X5HR03 PQ 24_01".into(),
        Fails(AssessmentMissing, ""),
    ),
    (
        "an assessment in lower case",
        |c| c.assessment().name = "5hr03 pq 24_01".into(),
        Fails(AssessmentMissing, ""),
    ),
    ("an exercise in lower case", |c| c.report().exercise = text("5hr03 PQ"), Fails(AssessmentMissing, "")),
    (
        "an exercise that writes its accents in another way than the assessment",
        |c| {
            c.report().exercise = text("5HR03 P\u{c9}");
            c.assessment().name = "5HR03 PE\u{301} 24_01".into();
        },
        Fails(
            AssessmentMissing,
            "; \"5HR03 PE\\u{301} 24_01\" looks the same but writes its accents in another way",
        ),
    ),
    (
        "an exercise that differs in more than the accents' form",
        |c| {
            c.report().exercise = text("5HR03 P\u{c9}");
            c.assessment().name = "5HR03 PE\u{301} 24_02".into();
        },
        Fails(AssessmentMissing, "!looks the same"),
    ),
    (
        "an assessment that goes on behind the version",
        |c| c.assessment().name = "5HR03 PQ 24_01 x".into(),
        Fails(AssessmentMissing, ""),
    ),
    (
        "a version in another case",
        |c| {
            c.map("24_a", "Attempt 2");
            c.assessment().name = "5HR03 PQ 24_A".into();
        },
        Fails(AssessmentMissing, ""),
    ),
    ("an assessment with words between", |c| c.assessment().name = "5HR03 PQ Ethics v24_01".into(), Migrates),
    (
        "an assessment with white space around and between",
        |c| c.assessment().name = " 5HR03  PQ\t24_01\n".into(),
        Migrates,
    ),
    (
        "two assessments",
        |c| {
            c.assessment().name = "5HR03 PQ a 24_01".into();
            c.catalogue.assessments.push(assessment("5HR03 PQ b 24_01", "B", &[]));
        },
        Fails(
            AssessmentAmbiguous,
            "\"5HR03 PQ a 24_01\" (code \"5HR03_24\"), \"5HR03 PQ b 24_01\" (code \"B\")",
        ),
    ),
    (
        "an exact name beside another",
        |c| {
            c.catalogue.assessments.insert(0, assessment("5HR03 PQ b 24_01", "B", &[]));
        },
        Migrates,
    ),
    (
        "two exact names",
        |c| {
            c.catalogue.assessments.push(assessment(" 5HR03 PQ 24_01", "B", &[]));
            c.catalogue.assessments.push(assessment("5HR03 PQ c 24_01", "C", &[]));
        },
        Fails(AssessmentAmbiguous, "2 assessments"),
    ),
    (
        "two assessments of which one has another version",
        |c| {
            c.catalogue.assessments.push(assessment("5HR03 PQ 24_02", "B", &[]));
        },
        Migrates,
    ),
    // 14
    (
        "a label of no section",
        |c| c.score().label = text("Question 3"),
        Fails(SectionMissing, "\"Question 3\""),
    ),
    (
        "two labels of no section",
        |c| {
            c.score().label = text("Question 3");
            c.facts.scores[1].label = text("Question 4");
        },
        Fails(SectionMissing, "\"Question 3\", \"Question 4\""),
    ),
    ("a label in another case", |c| c.score().label = text("question 1"), Fails(SectionMissing, "")),
    (
        "a label that goes on behind the section",
        |c| c.score().label = text("Question 1 a"),
        Fails(SectionMissing, ""),
    ),
    (
        "a label that is the start of longer words only",
        |c| c.score().label = text("Quest"),
        Fails(SectionMissing, ""),
    ),
    (
        "sections without text",
        |c| c.assessment().sections[0].question_text.clear(),
        Fails(SectionMissing, "Question 1"),
    ),
    (
        "a label of all sections",
        |c| c.score().label = text("Question"),
        Fails(SectionAmbiguous, "\"Question\""),
    ),
    (
        "a section that goes on with a dot",
        |c| c.assessment().sections[0].question_text = "Question 1. Why?".into(),
        Migrates,
    ),
    (
        "a section that goes on with an underscore",
        |c| c.assessment().sections[0].question_text = "Question 1_a".into(),
        Migrates,
    ),
    (
        "a section that goes on with a letter",
        |c| c.assessment().sections[0].question_text = "Question 1é".into(),
        Fails(SectionMissing, ""),
    ),
    (
        "a section with white space around",
        |c| c.assessment().sections[0].question_text = "\n Question 1 ".into(),
        Migrates,
    ),
    (
        "a label and a section that differ in blanks only",
        |c| {
            c.score().label = text("\u{feff}Question\u{a0}1");
            c.assessment().sections[0].question_text = "Question \u{200b} 1\u{2060}".into();
        },
        Migrates,
    ),
    (
        "a section that begins with the label but for its blanks",
        |c| {
            c.score().label = text("Question\u{a0}1");
            c.assessment().sections[0].question_text = "\u{200b}Question  1. Why?".into();
        },
        Migrates,
    ),
    (
        "an exact name but for its blanks beside another",
        |c| {
            c.assessment().name = "5HR03\u{a0}\u{200b}PQ \u{202f}24_01\u{feff}".into();
            c.catalogue.assessments.insert(0, assessment("5HR03 PQ b 24_01", "B", &[]));
        },
        Migrates,
    ),
    (
        "a version with blanks that do not show",
        |c| c.map("\u{feff}24_01\u{200b}", "Attempt\u{a0}2"),
        Migrates,
    ),
    (
        "a level whose text has blanks that do not show",
        |c| {
            c.catalogue.malpractice_levels[2].level_text = "\u{a0}Severe\u{feff}".into();
            c.report().grade = text("\u{200b}Malpractice\u{a0}Severe");
        },
        Migrates,
    ),
    ("a label with white space around", |c| c.score().label = text(" Question 1\u{a0}"), Migrates),
    (
        "a section that equals beside one that goes on",
        |c| c.assessment().sections[2].question_text = "Question 1 (b)".into(),
        Migrates,
    ),
    (
        "two sections that go on",
        |c| {
            c.assessment().sections[0].question_text = "Question 1 (a)".into();
            c.assessment().sections[2].question_text = "Question 1 (b)".into();
        },
        Fails(SectionAmbiguous, "several sections"),
    ),
    (
        "two equal sections",
        |c| c.assessment().sections[2].question_text = "Question 1".into(),
        Fails(SectionAmbiguous, ""),
    ),
    ("two equal scores", |c| c.facts.scores.push(c.facts.scores[0].clone()), Migrates),
    (
        "two scores whose labels differ in their blanks alone",
        |c| {
            c.facts.scores.push(c.facts.scores[0].clone());
            c.score().label = text("Question\u{a0} 1");
        },
        Migrates,
    ),
    (
        "two scores of one section with other marks",
        |c| {
            c.facts.scores.push(c.facts.scores[0].clone());
            c.score().score = text("1");
        },
        Fails(SectionAmbiguous, "differ for one section: \"Question 1\""),
    ),
    (
        "two scores of one section with other comments",
        |c| {
            c.facts.scores.push(c.facts.scores[0].clone());
            c.score().marker_comment = text("Bad");
        },
        Fails(SectionAmbiguous, ""),
    ),
    (
        "two labels of one section with equal marks",
        |c| {
            c.assessment().sections[0].question_text = "Question 1: Why?".into();
            c.facts.scores.push(c.facts.scores[0].clone());
            c.score().label = text("Question 1: Why?");
        },
        Fails(SectionAmbiguous, "\"Question 1\", \"Question 1: Why?\""),
    ),
    (
        "a label that writes its accents in another way than the section",
        |c| {
            c.assessment().sections[0].question_text = "R\u{e9}sum\u{e9}: why?".into();
            c.score().label = text("Re\u{301}sume\u{301}");
        },
        Fails(
            SectionMissing,
            "; section \"R\u{e9}sum\u{e9}: why?\" looks the same but writes its accents in another way",
        ),
    ),
    (
        "a label that is another in any form",
        |c| {
            c.assessment().sections[0].question_text = "R\u{e9}sum\u{e9}s".into();
            c.score().label = text("Re\u{301}sume\u{301}");
        },
        Fails(SectionMissing, "!looks the same"),
    ),
    ("scores of one section only", |c| c.facts.scores.truncate(1), Migrates),
    // 15
    ("Grade Missed", |c| c.report().grade = text("Grade Missed"), Fails(GradeMissed, "Grade")),
    (
        "Grade Missed with blanks that do not show",
        |c| c.report().grade = text("\u{feff}Grade\u{a0}\u{200b}Missed"),
        Fails(GradeMissed, ""),
    ),
    ("grade  MISSED", |c| c.report().grade = text(" grade  MISSED "), Fails(GradeMissed, "")),
    ("Grade Missed Out", |c| c.report().grade = text("Grade Missed Out"), Migrates),
    ("Missed", |c| c.report().grade = text("Missed"), Migrates),
    // 16
    ("Malpractice", |c| c.report().grade = text("Malpractice"), Fails(MalpracticeLevelMissing, "Grade")),
    ("Malpractices ", |c| c.report().grade = text("Malpractices "), Fails(MalpracticeLevelMissing, "")),
    (
        "Malpractice-Severe",
        |c| c.report().grade = text("Malpractice-Severe"),
        Fails(MalpracticeLevelMissing, ""),
    ),
    (
        "Malpractice Grave",
        |c| c.report().grade = text("Malpractice Grave"),
        Fails(MalpracticeLevelUnknown, "\"Grave\"; there are: \"Moderate\", \"Considerable\""),
    ),
    (
        "Malpractice Grave, of which no level is another form",
        |c| c.report().grade = text("Malpractice Grave"),
        Fails(MalpracticeLevelUnknown, "!looks the same"),
    ),
    (
        "a level that writes its accents in another way",
        |c| {
            c.catalogue.malpractice_levels[0].level_text = "S\u{e9}v\u{e8}re".into();
            c.report().grade = text("Malpractice Se\u{301}ve\u{300}re");
        },
        Fails(
            MalpracticeLevelUnknown,
            "; \"S\u{e9}v\u{e8}re\" looks the same but writes its accents in another way",
        ),
    ),
    (
        "Malpractice severe",
        |c| c.report().grade = text("Malpractice severe"),
        Fails(MalpracticeLevelUnknown, ""),
    ),
    (
        "Malpractice (Severe)",
        |c| c.report().grade = text("Malpractice (Severe)"),
        Fails(MalpracticeLevelUnknown, ""),
    ),
    (
        "Malpractice Severe without levels",
        |c| {
            c.catalogue.malpractice_levels.clear();
            c.report().grade = text("Malpractice Severe");
        },
        Fails(MalpracticeLevelUnknown, ""),
    ),
    ("Malpractice Severe", |c| c.report().grade = text("Malpractice Severe"), Migrates),
    (
        "MALPRACTICES: Considerable, twice",
        |c| c.report().grade = text("MALPRACTICES:\tConsiderable twice"),
        Migrates,
    ),
    ("No Malpractice", |c| c.report().grade = text("No Malpractice"), Migrates),
];
