//! Reads a cell of the warehouse as a number of the target's type `real`.

use super::values::Defect;
use crate::domain::{Value, text::trim};

/// The number; `None` where the cell is blank.
pub(super) fn real(value: &Value) -> Result<Option<f32>, Defect> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => match trim(text) {
            "" => Ok(None),
            text => parse(text).map(Some),
        },
        Value::Number(number) => narrow(*number).map(Some),
        Value::Local(_) | Value::Instant(_) | Value::Bool(_) => Err(Defect::NotANumber),
        Value::Invalid(why) => Err(Defect::Unreadable(why.clone())),
    }
}

/// Digits with a sign, a point and an exponent, each optional: `12`, `-12.50`, `.5`, `1.2E+1`. A comma
/// is refused: it may separate decimals or thousands. Straight to `f32`, as PostgreSQL does: by way of
/// an `f64` it would be rounded twice.
fn parse(text: &str) -> Result<f32, Defect> {
    // The standard parser also takes "inf" and "nan".
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return Err(Defect::NotANumber);
    }
    let number = text.parse().map_err(|_| Defect::NotANumber)?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    fitting(number, digits.bytes().any(|digit| matches!(digit, b'1'..=b'9')))
}

fn narrow(number: f64) -> Result<f32, Defect> {
    if !number.is_finite() {
        return Err(Defect::NotANumber);
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest; too large becomes infinite")]
    fitting(number as f32, number != 0.0)
}

/// What PostgreSQL would take: neither too large nor, `is_something` but too small, rounded to nothing.
fn fitting(number: f32, is_something: bool) -> Result<f32, Defect> {
    let is_lost = is_something && number == 0.0;
    if number.is_finite() && !is_lost { Ok(number) } else { Err(Defect::DoesNotFit) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<Option<f32>, Defect> {
        real(&Value::Text(text.into()))
    }

    #[test]
    fn a_number_may_be_an_integer_a_float_a_decimal_or_text() {
        for (text, expected) in [
            ("12", 12.0),
            (" 12.50\t", 12.5),
            ("-3", -3.0),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1.2E+1", 12.0),
            ("12e-1", 1.2),
            ("0000000000000000000000000000000000000000000000001", 1.0),
            ("1e-45", f32::from_bits(1)),
            ("-0.0e99", 0.0),
            ("3.4028235e38", f32::MAX),
        ] {
            assert_eq!(of(text), Ok(Some(expected)), "{text:?}");
        }
        assert_eq!(real(&Value::Number(0.1)), Ok(Some(0.1)));
    }

    #[test]
    fn blank_is_null_and_everything_else_a_defect() {
        assert_eq!(of(""), Ok(None));
        assert_eq!(of(" \u{a0}"), Ok(None));
        for text in
            ["12,5", "1,000", "1 000", "50%", "0x10", "1_0", "inf", "-Infinity", "NaN", "e5", "1e", "-", "٣"]
        {
            assert_eq!(of(text), Err(Defect::NotANumber), "{text:?}");
        }
        for text in ["1e39", "1e-60", "-0.00001e-50"] {
            assert_eq!(of(text), Err(Defect::DoesNotFit), "{text:?}");
        }
        assert_eq!(real(&Value::Number(1e-60)), Err(Defect::DoesNotFit));
        assert_eq!(real(&Value::Number(1e39)), Err(Defect::DoesNotFit));
        assert_eq!(real(&Value::Number(f64::INFINITY)), Err(Defect::NotANumber));
        assert_eq!(real(&Value::Bool(true)), Err(Defect::NotANumber));
    }

    proptest! {
        #[test]
        fn any_text_is_a_finite_number_or_refused(text in ".*") {
            if let Ok(Some(number)) = of(&text) {
                prop_assert!(number.is_finite());
            }
        }

        #[test]
        fn every_number_reads_back_from_its_text(
            number in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL,
        ) {
            prop_assert_eq!(of(&format!("{number}")), Ok(Some(number)));
            prop_assert_eq!(of(&format!("{number:e}")), Ok(Some(number)));
            prop_assert_eq!(real(&Value::Number(f64::from(number))), Ok(Some(number)));
        }
    }
}
