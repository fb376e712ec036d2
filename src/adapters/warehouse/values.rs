//! Cells: from the driver's types to the domain's, exactly.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use tiberius::{ColumnData, FromSql, Uuid, numeric::Numeric, time};

use crate::domain::{AttemptId, Report, Score, Value};

/// Beyond this an f64 no longer tells neighbouring integers apart.
const EXACT: u64 = 1 << 53;

/// A cell as the rules read it. Bytes are UTF-16: text that was asked for as it is stored.
pub(super) fn value(cell: &ColumnData<'static>) -> Value {
    match cell {
        ColumnData::Bit(bit) => bit.map(Value::Bool),
        ColumnData::F32(number) => number.map(|number| Value::Number(shortest(number))),
        ColumnData::F64(number) => number.map(Value::Number),
        ColumnData::U8(_) | ColumnData::I16(_) | ColumnData::I32(_) | ColumnData::I64(_) => {
            integer(cell).map(whole)
        }
        ColumnData::Numeric(number) => number.map(|number| Value::Text(decimal(number))),
        ColumnData::String(text) => text.as_ref().map(|text| Value::Text(text.to_string())),
        ColumnData::Xml(xml) => xml.as_ref().map(|xml| Value::Text(xml.to_string())),
        ColumnData::Binary(bytes) => bytes.as_ref().map(|bytes| utf16(bytes)),
        ColumnData::Guid(guid) => guid.map(|guid| Value::Text(guid_text(guid))),
        ColumnData::DateTime(datetime) => datetime.map(legacy),
        ColumnData::SmallDateTime(datetime) => datetime.map(small),
        ColumnData::Date(date) => {
            date.map(|_| converted::<NaiveDate>(cell, |date| Value::Local(date.into())))
        }
        ColumnData::Time(time) => {
            time.map(|_| converted::<NaiveTime>(cell, |time| Value::Text(time.to_string())))
        }
        ColumnData::DateTime2(time) => time.map(|_| converted::<NaiveDateTime>(cell, Value::Local)),
        ColumnData::DateTimeOffset(time) => {
            time.map(|_| converted::<DateTime<FixedOffset>>(cell, Value::Instant))
        }
    }
    .unwrap_or_default()
}

/// The whole number in a cell of any integer type.
pub(super) fn integer(cell: &ColumnData<'_>) -> Option<i64> {
    match cell {
        ColumnData::U8(number) => number.map(i64::from),
        ColumnData::I16(number) => number.map(i64::from),
        ColumnData::I32(number) => number.map(i64::from),
        ColumnData::I64(number) => *number,
        _ => None,
    }
}

/// The attempt that a value names, as a number: `987`, `987.00` and `00987` are one.
pub(super) fn attempt(value: &Value) -> Option<AttemptId> {
    match value {
        // `{number}` writes a whole float without a fraction.
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Text(text) => AttemptId::from_number(text).ok(),
        _ => None,
    }
}

/// A report from its cells, in the order of [`crate::domain::REPORT_COLUMNS`].
pub(super) fn report(cells: Vec<Value>) -> Option<Report> {
    let [
        ti_user_id,
        ti_section_id,
        exercise,
        marks_achieved,
        marks_awarded,
        marks_available,
        grade_percent,
        grade,
        marker_notes,
        results_approved,
        date_inserted,
        date_modified,
    ] = <[Value; 12]>::try_from(cells).ok()?;
    Some(Report {
        ti_user_id,
        ti_section_id,
        exercise,
        marks_achieved,
        marks_awarded,
        marks_available,
        grade_percent,
        grade,
        marker_notes,
        results_approved,
        date_inserted,
        date_modified,
    })
}

/// A score from its cells, in the order of [`crate::domain::SCORE_COLUMNS`].
pub(super) fn score(cells: Vec<Value>) -> Option<Score> {
    let [label, score, marker_comment] = <[Value; 3]>::try_from(cells).ok()?;
    Some(Score { label, score, marker_comment })
}

#[expect(clippy::cast_precision_loss, reason = "larger numbers stay text")]
fn whole(number: i64) -> Value {
    if number.unsigned_abs() <= EXACT {
        Value::Number(number as f64)
    } else {
        Value::Text(number.to_string())
    }
}

/// A `real` as people and exports write it. Converted bit by bit, 71.3 would become 71.30000305175781.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| number.into())
}

/// The exact text, with as many decimals as the column has.
fn decimal(number: Numeric) -> String {
    let scale = usize::from(number.scale());
    let digits = format!("{:0>width$}", number.value().unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if number.value() < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// In capitals, as SQL Server itself writes it.
fn guid_text(guid: Uuid) -> String {
    guid.hyphenated().to_string().to_uppercase()
}

fn utf16(bytes: &[u8]) -> Value {
    let units = bytes.chunks(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        // An odd byte: a surrogate alone, which is refused below.
        _ => 0xd800,
    });
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Invalid(format!(
            "a lone surrogate {:04X}, which is no character",
            error.unpaired_surrogate()
        )),
    }
}

/// A datetime counts 1/300 s; its value is rounded to milliseconds, as SQL Server shows it.
fn legacy(datetime: time::DateTime) -> Value {
    let milliseconds = (i64::from(datetime.seconds_fragments()) * 10 + 1) / 3;
    since_1900(datetime.days().into(), TimeDelta::milliseconds(milliseconds))
}

/// smalldatetime counts minutes.
fn small(datetime: time::SmallDateTime) -> Value {
    since_1900(datetime.days().into(), TimeDelta::minutes(datetime.seconds_fragments().into()))
}

fn since_1900(days: i64, time: TimeDelta) -> Value {
    NaiveDate::from_ymd_opt(1900, 1, 1)
        .and_then(|start| start.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::days(days) + time))
        .map_or_else(|| Value::Invalid("a date outside the calendar".into()), Value::Local)
}

fn converted<'a, T: FromSql<'a>>(cell: &'a ColumnData<'static>, into: impl FnOnce(T) -> Value) -> Value {
    match T::from_sql(cell) {
        Ok(Some(value)) => into(value),
        Ok(None) => Value::Null,
        Err(error) => Value::Invalid(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn local(text: &str) -> Value {
        Value::Local(text.parse().unwrap())
    }

    #[test]
    fn a_decimal_keeps_every_digit() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (-1_234_560, 4, "-123.4560"),
            (71, 0, "71"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            let number = Numeric::new_with_scale(value, scale);
            assert_eq!(super::value(&ColumnData::Numeric(Some(number))), text(expected));
        }
    }

    #[test]
    fn a_real_has_the_digits_that_it_shows() {
        for (number, expected) in
            [(71.3_f32, 71.3), (0.1, 0.1), (-1.0e-7, -1.0e-7), (16_777_216.0, 16_777_216.0)]
        {
            assert_eq!(value(&ColumnData::F32(Some(number))), Value::Number(expected));
        }
    }

    #[test]
    fn integers_beyond_the_exact_ones_stay_text() {
        assert_eq!(value(&ColumnData::I64(Some(1 << 53))), Value::Number(9_007_199_254_740_992.0));
        assert_eq!(value(&ColumnData::I64(Some((1 << 53) + 1))), text("9007199254740993"));
        assert_eq!(value(&ColumnData::U8(Some(7))), Value::Number(7.0));
        assert_eq!(value(&ColumnData::I16(Some(-7))), Value::Number(-7.0));
    }

    #[test]
    fn old_dates_show_what_sql_server_shows() {
        for (fragments, expected) in [
            (0, "2024-01-02T00:00:00"),
            (1, "2024-01-02T00:00:00.003"),
            (2, "2024-01-02T00:00:00.007"),
            (3, "2024-01-02T00:00:00.010"),
            (25_919_999, "2024-01-02T23:59:59.997"),
        ] {
            let datetime = time::DateTime::new(45_291, fragments);
            assert_eq!(value(&ColumnData::DateTime(Some(datetime))), local(expected));
        }
        let smallest = time::DateTime::new(-53_690, 0);
        assert_eq!(value(&ColumnData::DateTime(Some(smallest))), local("1753-01-01T00:00:00"));
        let datetime = time::SmallDateTime::new(45_291, 61);
        assert_eq!(value(&ColumnData::SmallDateTime(Some(datetime))), local("2024-01-02T01:01:00"));
    }

    #[test]
    fn a_lone_surrogate_is_invalid_and_a_replacement_character_is_not() {
        let bytes = |units: &[u16]| {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            value(&ColumnData::Binary(Some(bytes.into())))
        };
        assert_eq!(bytes(&[0x41, 0xfffd]), text("A\u{fffd}"));
        assert_eq!(bytes(&[0xd83c, 0xdf93]), text("🎓"));
        assert!(matches!(bytes(&[0x41, 0xd83c]), Value::Invalid(why) if why.contains("D83C")));
    }

    #[test]
    fn attempts_are_compared_as_numbers() {
        for (value, expected) in [
            (Value::Number(987.0), Some(987)),
            (Value::Number(987.5), None),
            (Value::Number(-1.0), None),
            (Value::Number(1e300), None),
            (text(" 00987 "), Some(987)),
            (text("987.00"), Some(987)),
            (text("987.50"), None),
            (text("x"), None),
            (Value::Null, None),
            (Value::Bool(true), None),
        ] {
            assert_eq!(attempt(&value).map(AttemptId::get), expected, "{value:?}");
        }
    }
}
