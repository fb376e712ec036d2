//! The final grade and the malpractice rule, stated a second time as tables.

use super::text::{trim, words};

/// What a grade means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Grade of the warehouse, trimmed.
    pub text: String,
    /// The second word of a grade that begins with "Malpractice"; blank if it has no second word.
    pub malpractice: Option<String>,
}

/// First character of the assessment's code, grade of the warehouse, final grade. What is not listed is unchanged.
const FINAL_GRADES: [(char, &str, &str); 15] = [
    ('3', "Refer/Fail", "Refer"),
    ('3', "Refer", "Refer"),
    ('3', "Fail", "Refer"),
    ('4', "Refer/Fail", "Refer"),
    ('4', "Refer", "Refer"),
    ('4', "Fail", "Refer"),
    ('5', "Refer/Fail", "Refer"),
    ('5', "Refer", "Refer"),
    ('5', "Fail", "Refer"),
    ('7', "Refer/Fail", "Refer"),
    ('7', "Refer", "Refer"),
    ('7', "Fail", "Refer"),
    ('7', "Pass", "Low Pass"),
    ('7', "Merit", "Pass"),
    ('7', "Distinction", "High Pass"),
];

/// Reads a trimmed grade.
pub fn grade(text: &str) -> Outcome {
    let mut words = words(text);
    let first = words.next().unwrap_or_default().to_lowercase();
    let malpractice = first.starts_with("malpractice").then(|| words.next().unwrap_or_default().to_owned());
    Outcome { text: text.to_owned(), malpractice }
}

impl Outcome {
    /// The final grade under an assessment of this code.
    pub fn final_grade(&self, code: &str) -> &str {
        if self.malpractice.is_some() {
            return "Refer";
        }
        let level = trim(code).chars().next();
        let line = FINAL_GRADES.iter().find(|(of, grade, _)| Some(*of) == level && *grade == self.text);
        line.map_or(self.text.as_str(), |(.., becomes)| becomes)
    }
}

/// `enforced_max_attempts` of a level.
pub fn most_attempts(level: &str, attempt_number: i32) -> Option<i32> {
    let level = level.to_lowercase();
    let limits =
        [("moderate", 3), ("considerable", attempt_number.saturating_add(1)), ("severe", attempt_number)];
    limits.into_iter().find(|(word, _)| level.contains(word)).map(|(_, limit)| limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_becomes_what_the_level_of_the_assessment_says() {
        for (code, text, expected) in [
            ("5HR03", "Refer/Fail", "Refer"),
            ("3CO01", "Fail", "Refer"),
            ("4CO01", "Pass", "Pass"),
            ("7CO01", "Pass", "Low Pass"),
            ("7CO01", "Merit", "Pass"),
            ("7CO01", "Distinction", "High Pass"),
            ("6CO01", "Fail", "Fail"),
            ("7CO01", "Malpractice Severe", "Refer"),
            ("6CO01", "malpractices", "Refer"),
        ] {
            assert_eq!(grade(text).final_grade(code), expected, "{code} {text}");
        }
        assert_eq!(grade("Malpractice Severe (2nd)").malpractice.as_deref(), Some("Severe"));
    }

    #[test]
    fn a_level_limits_the_attempts() {
        let of = |level| most_attempts(level, 2);
        assert_eq!(
            [of("Moderate"), of("Considerable"), of("SEVERE"), of("Minor")],
            [Some(3), Some(3), Some(2), None]
        );
    }
}
