//! Reads a cell of the warehouse as text, or returns its defect.

use std::{borrow::Cow, fmt};

use crate::domain::{
    Value,
    text::{is_blank, trim},
};

/// Integers below this are exact in an `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why a cell cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Defect {
    NotText,
    ContainsNul,
    NotANumber,
    DoesNotFit,
    NotADate,
    NoSuchTime(chrono_tz::Tz),
    BeyondYears,
    Unreadable(String),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("not text"),
            Self::ContainsNul => f.write_str("contains NUL"),
            Self::NotANumber => f.write_str("not a number"),
            Self::DoesNotFit => f.write_str("does not fit the target's type real"),
            Self::NotADate => f.write_str("not a date: YYYY-MM-DD[ HH:MM[:SS[.fffffff]][±HH:MM]]"),
            Self::NoSuchTime(zone) => write!(f, "a time that does not exist in {zone}"),
            Self::BeyondYears => f.write_str("before the year 1 or after 9999 in UTC"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

/// The text of a cell, untrimmed; `None` if it is blank (null, or nothing to be seen).
/// A numeric column may hold a value that is text here (an id, a label).
pub(super) fn text(value: &Value) -> Result<Option<Cow<'_, str>>, Defect> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) if text.contains('\0') => Err(Defect::ContainsNul),
        Value::Text(text) => Ok(Some(text.as_str()).filter(|text| !is_blank(text)).map(Cow::Borrowed)),
        Value::Number(number) if number.abs() < EXACT => Ok(Some(Cow::Owned(number.to_string()))),
        Value::Number(_) | Value::Local(_) | Value::Instant(_) | Value::Bool(_) => Err(Defect::NotText),
        Value::Invalid(why) => Err(Defect::Unreadable(why.clone())),
    }
}

/// The trimmed text of a cell; `None` if it is blank.
pub(super) fn trimmed(value: &Value) -> Result<Option<String>, Defect> {
    Ok(text(value)?.map(|text| trim(&text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_postgres_can_hold_or_a_defect() {
        let of = |value: Value| trimmed(&value);
        assert_eq!(of(Value::Null), Ok(None));
        assert_eq!(of(Value::Text("\u{a0}\t\r\n".into())), Ok(None));
        assert_eq!(of(Value::Text(" a b ".into())), Ok(Some("a b".into())));
        assert_eq!(of(Value::Text("a\0".into())), Err(Defect::ContainsNul));
        assert_eq!(of(Value::Number(5.0)), Ok(Some("5".into())));
        assert_eq!(of(Value::Number(9_007_199_254_740_991.0)), Ok(Some("9007199254740991".into())));
        assert_eq!(of(Value::Number(-EXACT)), Err(Defect::NotText));
        assert_eq!(of(Value::Number(1e300)), Err(Defect::NotText));
        assert_eq!(of(Value::Number(f64::NAN)), Err(Defect::NotText));
        assert_eq!(of(Value::Bool(true)), Err(Defect::NotText));
        assert_eq!(of(Value::Invalid("why".into())), Err(Defect::Unreadable("why".into())));
    }
}
