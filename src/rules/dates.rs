//! Reads a cell of the warehouse as an instant.
//!
//! As text a date is year first, as SQL Server writes it, so that day and month are never guessed:
//! `2024-05-01`, `2024-05-01 10:11`, `2024-05-01T10:11:12.1234567`, each time optionally followed by `Z` or
//! `+01:00` (a space before it is allowed). Without an offset it is in the warehouse's time zone.
//! What is finer than a microsecond is cut off, not rounded: it never moves a date into the next day or year.

use std::ops::RangeInclusive;

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeZone, Utc,
};
use chrono_tz::Tz;

use super::values::Defect;
use crate::domain::{Value, text::trim};

/// PostgreSQL keeps microseconds.
const DIGITS: u16 = 6;

/// The instant, at microseconds; `None` if the cell is blank.
pub(super) fn instant(value: &Value, zone: Tz) -> Result<Option<DateTime<Utc>>, Defect> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => match trim(text) {
            "" => Ok(None),
            text => match parse(text).ok_or(Defect::NotADate)? {
                (local, None) => in_zone(local, zone).map(Some),
                (local, Some(offset)) => at_offset(local, offset).map(Some),
            },
        },
        Value::Local(local) => in_zone(*local, zone).map(Some),
        Value::Instant(instant) => at_offset(instant.naive_local(), *instant.offset()).map(Some),
        Value::Number(_) | Value::Bool(_) => Err(Defect::NotADate),
        Value::Invalid(why) => Err(Defect::Unreadable(why.clone())),
    }
}

/// A local time that occurs twice, when the clocks go back, is the earlier one.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<DateTime<Utc>, Defect> {
    let local = within_range(local)?;
    let instant = zone.from_local_datetime(&local).earliest().ok_or(Defect::NoSuchTime(zone))?;
    in_utc(instant.to_utc())
}

fn at_offset(local: NaiveDateTime, offset: FixedOffset) -> Result<DateTime<Utc>, Defect> {
    let local = within_range(local)?;
    let instant = offset.from_local_datetime(&local).single().ok_or(Defect::NotADate)?;
    in_utc(instant.to_utc())
}

/// The years of SQL Server. PostgreSQL stores others too, and takes none of them in the form that all the rest have.
const YEARS: RangeInclusive<i32> = 1..=9999;

fn within_range(local: NaiveDateTime) -> Result<NaiveDateTime, Defect> {
    if YEARS.contains(&local.year()) { Ok(local.trunc_subsecs(DIGITS)) } else { Err(Defect::NotADate) }
}

/// An offset may lead out of the years.
fn in_utc(instant: DateTime<Utc>) -> Result<DateTime<Utc>, Defect> {
    if YEARS.contains(&instant.year()) { Ok(instant) } else { Err(Defect::BeyondYears) }
}

fn parse(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let (date, rest) = text.split_at_checked(10)?;
    let date = parse_date(date)?;
    let Some(time) = rest.strip_prefix(['T', ' ']) else {
        return rest.is_empty().then(|| (date.and_time(NaiveTime::MIN), None));
    };
    let (time, offset) = split_offset(time)?;
    Some((date.and_time(parse_time(time)?), offset))
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(digits(year, 4)?).ok()?, digits(month, 2)?, digits(day, 2)?)
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f` with one to seven digits.
fn parse_time(text: &str) -> Option<NaiveTime> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, seconds) = rest.split_once(':').unwrap_or((rest, "00"));
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if fraction.len() > 7 {
        return None;
    }
    let nanoseconds = digits(&format!("{fraction:0<9}"), 9).filter(|_| !fraction.is_empty())?;
    NaiveTime::from_hms_nano_opt(digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?, nanoseconds)
}

/// A time and its offset, if it has one; `None` if the offset is not valid.
fn split_offset(text: &str) -> Option<(&str, Option<FixedOffset>)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time.trim_end_matches(' '), FixedOffset::east_opt(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (time, offset) = text.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2).filter(|minutes| *minutes < 60)?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    let offset =
        if offset.starts_with('-') { FixedOffset::west_opt(seconds) } else { FixedOffset::east_opt(seconds) };
    Some((time.trim_end_matches(' '), Some(offset?)))
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let sound = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::London;
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, zone: Tz) -> Result<String, Defect> {
        let instant = instant(&Value::Text(text.into()), zone)?.expect("not blank");
        Ok(instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
    }

    #[test]
    fn a_date_is_read_as_sql_server_writes_it() {
        for (text, expected) in [
            ("2024-05-01", "2024-05-01 00:00:00.000000"),
            ("2024-05-01 10:11", "2024-05-01 10:11:00.000000"),
            (" 2024-05-01 10:11:12 ", "2024-05-01 10:11:12.000000"),
            ("2024-05-01T10:11:12.5", "2024-05-01 10:11:12.500000"),
            ("2024-05-01 10:11:12.1234567", "2024-05-01 10:11:12.123456"),
            ("2024-12-31 23:59:59.9999999", "2024-12-31 23:59:59.999999"),
            ("2024-05-01T10:11:12Z", "2024-05-01 10:11:12.000000"),
            ("2024-05-01 10:11:12.1234567 +01:00", "2024-05-01 09:11:12.123456"),
            ("2024-05-01T10:11:12-05:30", "2024-05-01 15:41:12.000000"),
            ("2024-02-29", "2024-02-29 00:00:00.000000"),
            ("1900-01-01 00:00:00.000", "1900-01-01 00:00:00.000000"),
            ("0001-01-01", "0001-01-01 00:00:00.000000"),
            ("9999-12-31 23:59:59.997", "9999-12-31 23:59:59.997000"),
        ] {
            assert_eq!(of(text, Tz::UTC).as_deref(), Ok(expected), "{text:?}");
        }
        assert_eq!(instant(&Value::Text(" ".into()), Tz::UTC), Ok(None));
    }

    #[test]
    fn whatever_would_have_to_be_guessed_is_no_date() {
        for text in [
            "01/05/2024",
            "1.5.2024 10:11",
            "05-01-2024",
            "20240501",
            "2024-5-1",
            "May  1 2024 10:11AM",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "0000-01-01",
            "2024-05-01 24:00:00",
            "2024-05-01 23:59:60",
            "2024-05-01 10:11:12,5",
            "2024-05-01 10:11:12.",
            "2024-05-01 10:11:12.12345678",
            "2024-05-01 10",
            "2024-05-01T",
            "2024-05-01  10:11:12",
            "2024-05-01 10:11:12 AM",
            "2024-05-01 10:11:12+1",
            "2024-05-01 10:11:12+01:60",
            "2024-05-01 10:11:12+25:00",
            "2024-05-01Z",
            "+024-05-01",
            "45413",
            "2024-05-0é",
            "2024-05-01\0",
        ] {
            assert_eq!(of(text, Tz::UTC), Err(Defect::NotADate), "{text:?}");
        }
        assert_eq!(instant(&Value::Number(45413.0), Tz::UTC), Err(Defect::NotADate));
        assert_eq!(instant(&Value::Local(NaiveDateTime::MAX), London), Err(Defect::NotADate));
        assert_eq!(instant(&Value::Local(NaiveDateTime::MIN), London), Err(Defect::NotADate));
    }

    #[test]
    fn a_local_time_that_came_twice_is_the_earlier_and_one_that_never_came_a_defect() {
        assert_eq!(of("2024-07-01 10:00", London).as_deref(), Ok("2024-07-01 09:00:00.000000"));
        assert_eq!(of("2024-10-27 01:30", London).as_deref(), Ok("2024-10-27 00:30:00.000000"));
        assert_eq!(
            of("2024-11-03 01:30", chrono_tz::America::New_York).as_deref(),
            Ok("2024-11-03 05:30:00.000000")
        );
        assert_eq!(of("2024-03-31 01:30", London), Err(Defect::NoSuchTime(London)));
        assert_eq!(of("2024-03-31 01:30Z", London).as_deref(), Ok("2024-03-31 01:30:00.000000"));
        for (text, zone) in [
            ("9999-12-31 23:59", chrono_tz::America::New_York),
            ("9999-12-31 23:59-00:01", Tz::UTC),
            ("0001-01-01 00:00", chrono_tz::Asia::Tokyo),
            ("0001-01-01 00:00+00:01", Tz::UTC),
        ] {
            assert_eq!(of(text, zone), Err(Defect::BeyondYears), "{text} in {zone}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_or_refused(
            text in ".*",
            zone in prop::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        ) {
            let _ = instant(&Value::Text(text), zone);
        }

        #[test]
        fn anything_like_a_date_is_a_date_or_refused(
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            time in "[T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(\\.[0-9]{0,8})?",
            offset in " ?(Z|[+-][0-9]{2}:[0-9]{2})?",
        ) {
            let _ = instant(&Value::Text(format!("{date}{time}{offset}")), London);
        }

        #[test]
        fn every_instant_reads_back_from_its_text(
            seconds in -62_135_596_800_i64..253_402_300_799,
            micros in 0_u32..1_000_000,
        ) {
            let expected = DateTime::from_timestamp(seconds, micros * 1000).unwrap();
            for format in ["%Y-%m-%d %H:%M:%S%.6f", "%Y-%m-%dT%H:%M:%S%.6fZ", "%Y-%m-%d %H:%M:%S%.6f %:z"] {
                let text = Value::Text(expected.format(format).to_string());
                prop_assert_eq!(instant(&text, Tz::UTC), Ok(Some(expected)));
            }
            prop_assert_eq!(instant(&Value::Local(expected.naive_utc()), Tz::UTC), Ok(Some(expected)));
            prop_assert_eq!(instant(&Value::Instant(expected.fixed_offset()), London), Ok(Some(expected)));
        }
    }
}
