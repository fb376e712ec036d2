//! Dates of the warehouse, read a second time.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeZone, Utc};
use chrono_tz::Tz;

use super::text::trim;
use crate::domain::Value;

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Date {
    /// Null, or nothing to be seen.
    Blank,
    /// An instant, at microseconds.
    At(DateTime<Utc>),
    /// Something that is no date, or a local time that does not exist.
    Unreadable,
}

/// Without an offset a date is in the warehouse's zone; of a local time that came twice the earlier one counts.
pub fn date(value: &Value, zone: Tz) -> Date {
    let read = match value {
        Value::Null => return Date::Blank,
        Value::Text(text) => match trim(text) {
            "" => return Date::Blank,
            text => read(text),
        },
        Value::Local(local) => Some((*local, None)),
        Value::Instant(instant) => Some((instant.naive_local(), Some(*instant.offset()))),
        Value::Number(_) | Value::Bool(_) | Value::Invalid(_) => None,
    };
    let instant = read.and_then(|(local, offset)| {
        let local = local.trunc_subsecs(6);
        match offset {
            Some(offset) => offset.from_local_datetime(&local).single().map(|at| at.to_utc()),
            None => zone.from_local_datetime(&local).earliest().map(|at| at.to_utc()),
        }
    });
    instant.map_or(Date::Unreadable, Date::At)
}

fn read(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let (text, offset) = match text.strip_suffix('Z') {
        Some(text) => (text.trim_end(), Some(FixedOffset::east_opt(0)?)),
        None => offset(text),
    };
    if text.len() == 10 {
        return Some((NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN), offset));
    }
    let plain = text.replacen('T', " ", 1);
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&plain, format).ok())?;
    Some((local, offset))
}

/// The offset behind a date and time, and the text before it.
fn offset(text: &str) -> (&str, Option<FixedOffset>) {
    let Some(at) = text.len().checked_sub(6).filter(|at| *at > 10) else { return (text, None) };
    let Some((before, last)) = text.split_at_checked(at) else { return (text, None) };
    if !last.starts_with(['+', '-']) {
        return (text, None);
    }
    match last.parse::<FixedOffset>() {
        Ok(offset) => (before.trim_end(), Some(offset)),
        Err(_) => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, zone: Tz) -> Option<String> {
        match date(&Value::Text(text.into()), zone) {
            Date::At(at) => Some(at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()),
            Date::Blank => Some(String::new()),
            Date::Unreadable => None,
        }
    }

    #[test]
    fn a_date_is_year_first_and_in_its_offset_else_in_the_zone() {
        let london = chrono_tz::Europe::London;
        for (text, zone, expected) in [
            ("2024-05-01", Tz::UTC, "2024-05-01T00:00:00.000000"),
            (" 2024-05-01 10:11 ", Tz::UTC, "2024-05-01T10:11:00.000000"),
            ("2024-05-01T10:11:12.1234567", Tz::UTC, "2024-05-01T10:11:12.123456"),
            ("2024-05-01 10:11:12 +01:00", Tz::UTC, "2024-05-01T09:11:12.000000"),
            ("2024-05-01 10:11:12Z", london, "2024-05-01T10:11:12.000000"),
            ("2024-05-01 10:11:12", london, "2024-05-01T09:11:12.000000"),
            ("2024-10-27 01:30", london, "2024-10-27T00:30:00.000000"),
            ("", Tz::UTC, ""),
        ] {
            assert_eq!(of(text, zone).as_deref(), Some(expected), "{text}");
        }
        for text in ["2024-03-31 01:30", "01/05/2024", "yesterday", "2024-13-01"] {
            assert_eq!(of(text, london), None, "{text}");
        }
    }
}
