//! Reads a cell of the warehouse as a number that the target can hold.

use super::values::Defect;
use crate::domain::{Decimal, Value, text::trim};

/// The number; `None` if the cell is blank.
pub(super) fn number(value: &Value) -> Result<Option<Decimal>, Defect> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => match trim(text) {
            "" => Ok(None),
            text => parse(text).map(Some),
        },
        Value::Number(number) => match Decimal::of(*number) {
            Some(number) => fitting(number).map(Some),
            None if number.is_finite() => Err(Defect::DoesNotFit),
            None => Err(Defect::NotANumber),
        },
        Value::Local(_) | Value::Instant(_) | Value::Bool(_) => Err(Defect::NotANumber),
        Value::Invalid(why) => Err(Defect::Unreadable(why.clone())),
    }
}

/// Digits with a sign, a point and an exponent, each optional: `12`, `-12.50`, `.5`, `1.2E+1`. A comma
/// is refused: it may separate decimals or thousands.
fn parse(text: &str) -> Result<Decimal, Defect> {
    // The standard parser also takes "inf" and "nan".
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        || text.parse::<f32>().is_err()
    {
        return Err(Defect::NotANumber);
    }
    text.parse().map_err(|_| Defect::DoesNotFit).and_then(fitting)
}

/// The number, if the narrowest type of the application's columns, `real`, can hold it: it is not too large and does
/// not become zero.
fn fitting(number: Decimal) -> Result<Decimal, Defect> {
    let as_real: f32 = number.as_str().parse().map_err(|_| Defect::NotANumber)?;
    let is_lost = as_real == 0.0 && number.as_str() != "0";
    if as_real.is_finite() && !is_lost { Ok(number) } else { Err(Defect::DoesNotFit) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<Option<Decimal>, Defect> {
        number(&Value::Text(text.into()))
    }

    fn real(value: &Value) -> Result<Option<f32>, Defect> {
        Ok(number(value)?.map(|number| number.as_str().parse().unwrap()))
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
            assert_eq!(real(&Value::Text(text.into())), Ok(Some(expected)), "{text:?}");
        }
        assert_eq!(real(&Value::Number(0.1)), Ok(Some(0.1)));
    }

    #[test]
    fn a_number_keeps_every_digit_that_a_wider_column_can_hold() {
        for text in ["61.1", "33.333333333333336", "16777217", "0.1000000000000000000000001"] {
            assert_eq!(of(text).unwrap().unwrap().as_str(), text);
        }
        assert_eq!(number(&Value::Number(61.1)).unwrap().unwrap().as_str(), "61.1");
        assert_eq!(of("12.50"), of("1250e-2"));
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
        assert_eq!(real(&Value::Number(1e300)), Err(Defect::DoesNotFit));
        assert_eq!(real(&Value::Bool(true)), Err(Defect::NotANumber));
    }

    proptest! {
        #[test]
        fn any_text_is_a_finite_number_or_refused(text in ".*") {
            if let Ok(Some(number)) = real(&Value::Text(text)) {
                prop_assert!(number.is_finite());
            }
        }

        #[test]
        fn every_number_reads_back_from_its_text(
            number in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL,
        ) {
            prop_assert_eq!(real(&Value::Text(format!("{number}"))), Ok(Some(number)));
            prop_assert_eq!(real(&Value::Text(format!("{number:e}"))), Ok(Some(number)));
            prop_assert_eq!(real(&Value::Number(f64::from(number))), Ok(Some(number)));
        }
    }
}
