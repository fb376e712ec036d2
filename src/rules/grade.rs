//! The grade: values that fail a row, and the target's names for the others.

use super::message::fail;
use crate::domain::{
    FailCode, Failure,
    text::{equal_key, trim},
};

/// Fails a row whose grade was missed: there is nothing to migrate.
pub(super) fn not_missed(grade: &str) -> Result<(), Failure> {
    if equal_key(grade).eq_ignore_ascii_case("grade missed") {
        return Err(fail(FailCode::GradeMissed, "the warehouse's Grade is \"Grade Missed\""));
    }
    Ok(())
}

/// The target's word for a trimmed grade that is not malpractice, by the level of the assessment
/// (first character of its code).
pub(super) fn final_grade(grade: &str, assessment_code: &str) -> String {
    let level = trim(assessment_code).chars().next();
    let word = match (level, grade) {
        (Some('3' | '4' | '5' | '7'), "Refer/Fail" | "Refer" | "Fail") => "Refer",
        (Some('7'), "Pass") => "Low Pass",
        (Some('7'), "Merit") => "Pass",
        (Some('7'), "Distinction") => "High Pass",
        _ => grade,
    };
    word.to_owned()
}
