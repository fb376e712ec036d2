//! The attempt number, from the mapping's Submission.

use super::message::{fail, quoted};
use crate::domain::{
    FailCode, Failure,
    text::{is_blank, is_blank_char},
};

const WORD: &str = "attempt";

/// The number behind "Attempt" (any case, also inside a word) and white space; the first such counts:
/// "Retake Attempt 1" is 1, "Attempt2" has none.
pub(super) fn attempt_number(submission: &str) -> Result<i32, Failure> {
    if is_blank(submission) {
        return Err(fail(FailCode::SubmissionTextMissing, "Submission is blank in the mapping"));
    }
    let said = || format!("Submission is {}", quoted(submission));
    let digits = submission
        .char_indices()
        .find_map(|(at, _)| digits_behind_word(submission.get(at..)?))
        .ok_or_else(|| fail(FailCode::AttemptNumberMissing, said()))?;
    digits.parse().map_err(|_| {
        fail(FailCode::AttemptNumberMissing, format!("{}: the number does not fit an integer", said()))
    })
}

/// The digits, if the text begins with the word, white space and a digit.
fn digits_behind_word(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(WORD.len())?;
    if !word.eq_ignore_ascii_case(WORD) || !rest.starts_with(is_blank_char) {
        return None;
    }
    let number = rest.trim_start_matches(is_blank_char);
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..end).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_number_behind_attempt_and_white_space_counts() {
        for (text, expected) in [
            ("Attempt 2", Ok(2)),
            ("Retake Attempt 1", Ok(1)),
            ("ATTEMPT\u{a0}\t 12", Ok(12)),
            ("reattempt 3", Ok(3)),
            ("Attempt attempt 4 Attempt 5", Ok(4)),
            ("Attempt two, attempt 2", Ok(2)),
            ("Attempt 007", Ok(7)),
            ("Attempt 2147483647", Ok(i32::MAX)),
            ("Attempt 2147483648 attempt 1", Err(FailCode::AttemptNumberMissing)),
            ("Attempt2", Err(FailCode::AttemptNumberMissing)),
            ("Attempt", Err(FailCode::AttemptNumberMissing)),
            ("Attempt -1", Err(FailCode::AttemptNumberMissing)),
            ("Attempt ٣", Err(FailCode::AttemptNumberMissing)),
            ("Try 2", Err(FailCode::AttemptNumberMissing)),
            ("é", Err(FailCode::AttemptNumberMissing)),
            (" \u{2003}", Err(FailCode::SubmissionTextMissing)),
            ("\u{feff}\u{200b}", Err(FailCode::SubmissionTextMissing)),
            ("Attempt \u{200b}2", Ok(2)),
            ("", Err(FailCode::SubmissionTextMissing)),
        ] {
            assert_eq!(attempt_number(text).map_err(|failure| failure.code), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_number_or_none(text in "(.|[aA]ttempt|[ \u{a0}]|[0-9])*") {
            let _ = attempt_number(&text);
        }

        #[test]
        fn a_number_is_found_behind_any_words_without_one(
            before in "[b-z ]*",
            number in 0..=i32::MAX,
            after in "([^0-9].*)?",
        ) {
            prop_assert_eq!(attempt_number(&format!("{before}Attempt {number}{after}")), Ok(number));
        }
    }
}
