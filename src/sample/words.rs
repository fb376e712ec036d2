//! The words of which a sample is made: invented, and odd in the ways that real exports are.

/// The LMS instance of every sample: part of each launch id, so the seed of the target depends on it.
pub const LMS_INSTANCE: &str = "5e1f0c52-7a34-4b8e-9c1d-2f60a7b3d948";

pub(super) const FIRST_NAMES: [&str; 20] = [
    "Ada",
    "Zoë",
    "Łucja",
    "Omar",
    "Nguyễn",
    "Siân",
    "Ivo",
    "Mary Jane",
    "José",
    "Ngozi",
    "Aoife",
    "Björn",
    "Chloé",
    "Dmitri",
    "Esi",
    "Femi",
    "Grace",
    "Hana",
    "Iñigo",
    "Jo",
];

pub(super) const SURNAMES: [&str; 20] = [
    "Ashdown",
    "O'Byrne",
    "Fenwick-Lee",
    "García Márquez",
    "Hollis",
    "Iqbal",
    "Jankowska",
    "Kowal",
    "Larsen",
    "Müller",
    "Nakamura",
    "Okafor",
    "Pryce",
    "Quill",
    "Ramdin",
    "Sørensen",
    "Thorne",
    "Ude",
    "Vance",
    "Wren",
];

/// Units as the first two words of an exercise, and the unit's title.
pub(super) const UNITS: [(&str, &str); 10] = [
    ("3FN11 WR", "Essentials of Practice"),
    ("3KM02 PQ", "Working With Data"),
    ("4BK07 PQ", "Planning and Review"),
    ("4LT05 WR", "Evidence at Work"),
    ("5KX03 PQ", "Rewarding Performance"),
    ("5RV01 WR", "Managing Change"),
    ("5TD08 PQ", "Wellbeing, Health and Safety"),
    ("7ZL02 CS", "Strategy in Context"),
    ("7QA01 RP", "Research Project"),
    ("CRT09 WR", "Certificate \"Bridge\" Unit"),
];

/// Unit versions that are migrated by default.
pub(super) const VERSIONS: [&str; 4] = ["24_01", "24_02", "25_01", "25_02"];
/// Unit versions that are not.
pub(super) const OLD_VERSIONS: [&str; 6] = ["21_01", "21_02", "22_01", "22_02", "23_01", "23_02"];

/// The sections of every unit. The first is no prefix of the last: a digit follows.
pub(super) const SECTIONS: [&str; 4] =
    ["Question 1", "Question 2 - Analyse the case", "  Question 3: Recommend, and justify", "Question 10"];
/// The labels under which the warehouse holds their scores.
pub(super) const LABELS: [&str; 4] = ["Question 1", "Question 2", "Question 3", "Question 10"];

/// Source file names: every one has to survive the trip unchanged.
pub(super) const LEARNER_FILES: [&str; 14] = [
    "Assignment.docx",
    "Final submission (2).docx",
    "Évaluation – partie 1.pdf",
    "appendix A.xlsx",
    "100% done.docx",
    "notes & sources.txt",
    "Reflexión.DOCX",
    "chart #3.png",
    "photo+scan.jpeg",
    "課題.pdf",
    "draft.v2.final.doc",
    "README",
    "slides 📊.pptx",
    "It's_done.pdf",
];

pub(super) const NOTES: [&str; 6] = [
    "Clear structure; cites the sources asked for.",
    "  Well argued.\nThe second part needs more evidence.  ",
    "Good use of \"own\" examples, but too short.",
    "",
    "Meets every criterion – très bien.",
    "See the comments, question by question.",
];
