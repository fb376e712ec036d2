//! A number in decimal digits, so that the target's column rounds it to its own type, once.

use std::{fmt, str::FromStr};

/// More digits than any type of a column tells apart.
const DIGITS: usize = 1_000;

/// An exact number such as `61.5` or `-3`, without a sign, zeros or exponent that mean nothing: equal numbers are
/// equal values. An `f32` or `f64` on the way to a column of another type would round twice, or add digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(String);

/// The text is not a number, or has too many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number in decimal digits")]
pub struct InvalidDecimal;

impl Decimal {
    /// The shortest number that reads back as `number`; `None` if it is infinite or none.
    pub fn of(number: f64) -> Option<Self> {
        if number.is_finite() { number.to_string().parse().ok() } else { None }
    }

    /// The number with at most so many decimal places, ties away from zero, as PostgreSQL's numeric rounds.
    #[must_use]
    pub fn rounded(&self, places: u32) -> Self {
        let places = places as usize;
        let (sign, digits) = match self.0.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", self.0.as_str()),
        };
        let Some((whole, fraction)) = digits.split_once('.') else { return self.clone() };
        let Some((kept, dropped)) =
            fraction.split_at_checked(places).filter(|(_, dropped)| !dropped.is_empty())
        else {
            return self.clone();
        };
        let mut digits: Vec<u8> = format!("0{whole}{kept}").into_bytes();
        if dropped.as_bytes().first() >= Some(&b'5') {
            // The zero in front takes the last carry.
            for digit in digits.iter_mut().rev() {
                *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
                if *digit != b'0' {
                    break;
                }
            }
        }
        let (whole, kept) = digits.split_at(whole.len() + 1);
        let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        format!("{sign}{}.{}", text(whole), text(kept)).parse().unwrap_or_else(|_| self.clone())
    }

    /// Digits with an optional sign and point, as PostgreSQL and a person read them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;

    /// Digits with a sign, a point and an exponent, each optional.
    fn from_str(text: &str) -> Result<Self, InvalidDecimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| InvalidDecimal)?),
            None => (text, 0),
        };
        let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(InvalidDecimal);
        }
        // The number is 0.<digits> times ten to the `point`.
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let point = i64::from(exponent) + length(whole) - length(digits.get(..leading).unwrap_or_default());
        let digits = digits.trim_matches('0');
        if digits.is_empty() {
            return Ok(Self("0".to_owned()));
        }
        let zeros = usize::try_from(point.unsigned_abs()).map_err(|_| InvalidDecimal)?;
        if digits.len() > DIGITS || zeros > DIGITS {
            return Err(InvalidDecimal);
        }
        let sign = if is_negative { "-" } else { "" };
        let places = usize::try_from(point).unwrap_or(0);
        Ok(Self(match digits.split_at_checked(places) {
            _ if point <= 0 => format!("{sign}0.{}{digits}", "0".repeat(zeros)),
            Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
            _ => format!("{sign}{digits:0<places$}"),
        }))
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX / 2)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_written_plainly_and_once() {
        for (text, expected) in [
            ("61.50", "61.5"),
            ("+007", "7"),
            ("-0.0e9", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.2E+1", "12"),
            ("-1200e-1", "-120"),
            ("12e-3", "0.012"),
            ("0.1000000000000000000000001", "0.1000000000000000000000001"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().as_str(), expected, "{text}");
        }
        for text in ["", "-", ".", "e5", "1e", "1,5", " 1", "inf", "NaN", "0x1", "1e999999999", "٣"] {
            assert_eq!(text.parse::<Decimal>(), Err(InvalidDecimal), "{text}");
        }
        assert_eq!(Decimal::of(f64::NAN), None);
    }

    #[test]
    fn a_number_is_rounded_as_postgresql_rounds_a_numeric() {
        for (text, places, expected) in [
            ("12.1", 3, "12.1"),
            ("12.3455", 3, "12.346"),
            ("12.3454999", 3, "12.345"),
            ("-0.5", 0, "-1"),
            ("99.995", 2, "100"),
            ("0.004", 2, "0"),
            ("7", 0, "7"),
        ] {
            assert_eq!(
                text.parse::<Decimal>().unwrap().rounded(places).as_str(),
                expected,
                "{text} {places}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_float_reads_back_from_its_digits(number in -1e30_f64..1e30, small in proptest::num::f32::NORMAL) {
            prop_assert_eq!(Decimal::of(number).unwrap().as_str().parse::<f64>(), Ok(number));
            let digits = small.to_string().parse::<Decimal>().unwrap();
            prop_assert_eq!(digits.as_str().parse::<f32>(), Ok(small));
            prop_assert_eq!(format!("{small:e}").parse::<Decimal>(), Ok(digits));
        }

        #[test]
        fn zeros_that_mean_nothing_change_nothing(number in "-?[1-9][0-9]{0,5}\\.[0-9]{0,4}[1-9]", zeros in 0_usize..5) {
            let plain: Decimal = number.parse().unwrap();
            prop_assert_eq!(plain.as_str(), number.as_str());
            prop_assert_eq!(format!("{number}{}", "0".repeat(zeros)).parse(), Ok(plain));
        }
    }
}
