//! Parses texts into values. An error names what is expected, as the end of a sentence; it never repeats the text.

mod connections;
mod places;

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use clap::ValueEnum;
use encoding_rs::Encoding;

pub use connections::{database_url, storage_connection_string, warehouse_connection_string};
pub use places::{
    account_url, base_url, container, input, is_folder, notify_url, path, place, source_prefix,
};

use crate::{
    domain::{Escape, FailCode, text::trim},
    ids::InvalidId,
};

/// What is expected instead.
pub type Expected = String;

/// Any value, trimmed, if nothing around or in it was left behind by a tool that does not unquote, or by a template.
pub fn plain(text: &str) -> Result<&str, Expected> {
    let text = trim(text);
    if text.chars().any(char::is_control) {
        return Err("it holds a line break or another control character: write the value in one line".into());
    }
    let wrapped = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if wrapped('"') || wrapped('\'') {
        return Err(
            "it stands in quotes, which kubectl's --from-env-file and others keep: write it without them"
                .into(),
        );
    }
    if text.contains("<nil>") {
        return Err(
            "it is what a template writes for a value that is not set: set it, or leave it out".into()
        );
    }
    Ok(text)
}

/// A whole number within limits.
pub fn number<N>(text: &str, limits: &RangeInclusive<N>) -> Result<N, Expected>
where
    N: FromStr + PartialOrd + std::fmt::Display,
{
    let digits_only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<N>() {
        Ok(number) if digits_only && limits.contains(&number) => Ok(number),
        _ => Err(format!("a whole number from {} to {} is expected", limits.start(), limits.end())),
    }
}

/// `adaptive` (`None`), or a number from 1 to 64.
pub fn in_flight(text: &str) -> Result<Option<usize>, Expected> {
    if text == "adaptive" {
        return Ok(None);
    }
    number(text, &(1..=64))
        .map(Some)
        .map_err(|_| "adaptive or a whole number from 1 to 64 is expected".into())
}

/// A number with `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str, limits: &RangeInclusive<Duration>) -> Result<Duration, Expected> {
    let expected = || {
        format!(
            "a duration from {} to {} is expected, as 500ms, 10s, 15m, 2h or 1d",
            duration_text(*limits.start()),
            duration_text(*limits.end())
        )
    };
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(expected)?;
    let (count, unit) = text.split_at(unit_at);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let count: u64 = count.parse().map_err(|_| expected())?;
    let duration = Duration::from_millis(count.checked_mul(unit_ms).ok_or_else(expected)?);
    if limits.contains(&duration) { Ok(duration) } else { Err(expected()) }
}

/// The shortest text that [`duration`] parses to this value.
fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms > 0 && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

/// `off` (`None`), or a share written as `5%`.
pub fn breaker(text: &str) -> Result<Option<f64>, Expected> {
    if text == "off" {
        return Ok(None);
    }
    let share = text.strip_suffix('%').and_then(|percent| percent.trim_end().parse::<f64>().ok());
    match share {
        Some(percent) if percent > 0.0 && percent < 100.0 => Ok(Some(percent / 100.0)),
        _ => Err("off or a percentage above 0% and below 100% is expected, as 5%".into()),
    }
}

/// One of an enum's names.
pub fn choice<C: ValueEnum>(text: &str) -> Result<C, Expected> {
    C::from_str(text, false).map_err(|_| {
        let names: Vec<_> = C::value_variants()
            .iter()
            .filter_map(|variant| variant.to_possible_value().map(|value| value.get_name().to_owned()))
            .collect();
        format!("{} is expected", names.join(" or "))
    })
}

/// A switch of the config file.
pub fn switch(text: &str) -> Result<bool, Expected> {
    text.parse().map_err(|_| "true or false is expected".into())
}

/// Text that is not blank and has no control characters, trimmed.
pub fn text(text: &str) -> Result<String, Expected> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
        return Err("text without control characters is expected".into());
    }
    Ok(trimmed.to_owned())
}

/// The beginning of unit versions. None has quotes or brackets: these are left of a list in another syntax, and text that
/// holds them is the version of no row.
pub fn unit_version(version: &str) -> Result<String, Expected> {
    if version.contains(['"', '\'', '[', ']']) {
        return Err(
            "a unit version without quotes and brackets is expected; commas separate several, as 24,25"
                .into(),
        );
    }
    text(version)
}

/// What `--redo` and `--accept` concern.
pub fn lost(text: &str) -> Result<(), Expected> {
    if text.trim() == "lost" { Ok(()) } else { Err("lost is expected".into()) }
}

/// A name of the run.
pub fn id<T: FromStr<Err = InvalidId>>(text: &str) -> Result<T, Expected> {
    text.parse().map_err(|error: InvalidId| error.to_string())
}

/// A guid with its dashes, kept as it is written: user ids of the target begin with it.
pub fn guid(text: &str) -> Result<String, Expected> {
    match uuid::Uuid::try_parse(text) {
        Ok(_) if text.len() == 36 => Ok(text.to_owned()),
        _ => Err("a guid is expected, as 3f2504e0-4f89-11d3-9a0c-0305e82c3301".into()),
    }
}

/// A code of rows that failed.
pub fn fail_code(text: &str) -> Result<FailCode, Expected> {
    let known = FailCode::ALL.iter().copied().find(|code| code.code() == text);
    known.ok_or_else(|| "a code of failed rows is expected, as file_missing or unavailable".into())
}

/// The word that an export writes for null, or `\N`.
pub fn null_word(text: &str) -> Result<String, Expected> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || matches!(c, ',' | '"')) {
        return Err("what the export writes for null is expected, as NULL or \\N".into());
    }
    Ok(text.to_owned())
}

/// How an export writes quotes inside cells.
pub fn escape(text: &str) -> Result<Escape, Expected> {
    match text {
        "backslash" => Ok(Escape::Backslash),
        "none" => Ok(Escape::None),
        _ => Err("backslash or none is expected".into()),
    }
}

/// A label of the WHATWG encoding standard.
pub fn encoding(text: &str) -> Result<&'static Encoding, Expected> {
    Encoding::for_label_no_replacement(text.as_bytes())
        .ok_or_else(|| "an encoding's name is expected, as utf-8, utf-16le or windows-1252".into())
}

/// A name of the IANA time zone database.
pub fn time_zone(text: &str) -> Result<chrono_tz::Tz, Expected> {
    text.parse().map_err(|_| "a time zone of the IANA database is expected, as UTC or Europe/London".into())
}
