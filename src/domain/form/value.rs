//! The values of stored rows, and how each is encoded.

use std::{borrow::Cow, str::FromStr};

use chrono::{DateTime, Utc};

use crate::domain::Decimal;

/// 2000-01-01 UTC in microseconds since 1970.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, varchar or an enum.
    Text,
    /// Integer or bigint.
    Int,
    /// `boolean` of PostgreSQL.
    Bool,
    /// Timestamp with time zone.
    Time,
    /// A mark: real, double precision or numeric ([`NumberType`]).
    Number,
}

/// Type of a column of marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NumberType {
    /// `real`.
    #[default]
    Real,
    /// `double precision`.
    Double,
    /// `numeric`, with its scale if it has one.
    Numeric(Option<u32>),
}

impl FromStr for NumberType {
    type Err = String;

    /// Reads what `format_type` prints: `real`, `double precision`, `numeric`, `numeric(8,3)`.
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text} is no type of a mark");
        match text {
            "real" => Ok(Self::Real),
            "double precision" => Ok(Self::Double),
            "numeric" => Ok(Self::Numeric(None)),
            _ => {
                let scale = text.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')'));
                let (_, scale) = scale.and_then(|of| of.split_once(',')).ok_or_else(unknown)?;
                Ok(Self::Numeric(Some(scale.parse().map_err(|_| unknown())?)))
            }
        }
    }
}

/// A value as a row holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredValue<'v> {
    /// SQL `null`.
    Null,
    /// Text, varchar or an enum.
    Text(Cow<'v, str>),
    /// Integer or bigint.
    Int(i64),
    /// A `boolean` value.
    Bool(bool),
    /// Timestamp with time zone; below a microsecond nothing enters.
    Time(DateTime<Utc>),
    /// Read from a column of type real.
    Real(f32),
    /// Read from a column of type double precision.
    Double(f64),
    /// Read from a column of type numeric, or to be stored in a column of any type of marks, which rounds it.
    Decimal(&'v Decimal),
}

impl StoredValue<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Appends type, length and value.
    pub(super) fn encode(&self, kind: ColumnKind, number: NumberType, form: &mut Vec<u8>) {
        let type_of = match (kind, number) {
            (ColumnKind::Text, _) | (ColumnKind::Number, NumberType::Numeric(_)) => 25_u32,
            (ColumnKind::Int, _) => 20,
            (ColumnKind::Bool, _) => 16,
            (ColumnKind::Time, _) => 1184,
            (ColumnKind::Number, NumberType::Real) => 700,
            (ColumnKind::Number, NumberType::Double) => 701,
        };
        form.extend(type_of.to_be_bytes());
        match self {
            Self::Null => form.extend((-1_i32).to_be_bytes()),
            Self::Text(text) => push(form, text.as_bytes()),
            Self::Int(number) => push(form, &number.to_be_bytes()),
            Self::Bool(is) => push(form, &[u8::from(*is)]),
            Self::Time(at) => push(form, &(at.timestamp_micros() - EPOCH_MICROSECONDS).to_be_bytes()),
            Self::Real(number) => push(form, &number.to_be_bytes()),
            Self::Double(number) => push(form, &number.to_be_bytes()),
            Self::Decimal(decimal) => push_decimal(form, decimal, number),
        }
    }
}

fn push(form: &mut Vec<u8>, value: &[u8]) {
    form.extend(i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    form.extend_from_slice(value);
}

/// What a column of this type makes of the number.
fn push_decimal(form: &mut Vec<u8>, decimal: &Decimal, number: NumberType) {
    let digits = decimal.as_str();
    match number {
        // Digits with at most one sign and point: they read as a float of any size.
        NumberType::Real => push(form, &digits.parse::<f32>().unwrap_or(f32::NAN).to_be_bytes()),
        NumberType::Double => push(form, &digits.parse::<f64>().unwrap_or(f64::NAN).to_be_bytes()),
        NumberType::Numeric(None) => push(form, digits.as_bytes()),
        NumberType::Numeric(Some(scale)) => push(form, decimal.rounded(scale).as_str().as_bytes()),
    }
}
