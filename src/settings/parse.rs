//! Parses texts into values. An error names what is expected, as the end of a sentence; it never repeats the text.

use std::{ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;
use encoding_rs::Encoding;
use url::Url;

use super::{InputLocation, Place};
use crate::{
    domain::{Escape, FailCode, text::trim},
    run::ids::InvalidId,
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

/// Text that is not blank and has no control characters, trimmed.
pub fn text(text: &str) -> Result<String, Expected> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
        return Err("text without control characters is expected".into());
    }
    Ok(trimmed.to_owned())
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

/// `az://container/prefix`, `file:///dir` or `file://./dir` (below the working directory).
pub fn place(text: &str) -> Result<Place, Expected> {
    if let Some(rest) = text.strip_prefix("az://") {
        let (container, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if is_container(container) && is_prefix(prefix) {
            return Ok(Place::Azure { container: container.to_owned(), prefix: prefix.to_owned() });
        }
    } else if let Some(folder) = file_path(text) {
        return Ok(Place::Folder(folder));
    }
    Err("az://container/prefix, file:///dir or file://./dir is expected (container: 3 to 63 of a-z, 0-9 and -)"
        .into())
}

/// As [`place`], but an Azure place is a whole container.
pub fn container(text: &str) -> Result<Place, Expected> {
    match place(text) {
        Ok(Place::Azure { prefix, .. }) if !prefix.is_empty() => {
            Err("az://container without a prefix is expected: the files' names are the application's".into())
        }
        Ok(place) => Ok(place),
        Err(_) => Err("az://container, file:///dir or file://./dir is expected \
                       (container: 3 to 63 of a-z, 0-9 and -)"
            .into()),
    }
}

/// A local path, `file:///path`, or `az://container/name`.
pub fn input(text: &str) -> Result<InputLocation, Expected> {
    let expected = || "a path, file:///path or az://container/name is expected".to_owned();
    if let Some(path) = file_path(text) {
        return Ok(InputLocation::Path(path));
    }
    if let Some(rest) = text.strip_prefix("az://") {
        let (folder, name) = rest.rsplit_once('/').ok_or_else(expected)?;
        let place = place(&format!("az://{folder}")).map_err(|_| expected())?;
        if name.is_empty() {
            return Err(expected());
        }
        return Ok(InputLocation::Blob { place, name: name.to_owned() });
    }
    if text.trim().is_empty() || text.contains("://") || text.contains('\0') {
        return Err(expected());
    }
    Ok(InputLocation::Path(PathBuf::from(text)))
}

/// A path in the file system.
pub fn path(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() || text.contains("://") || text.contains('\0') {
        return Err("a path is expected".into());
    }
    Ok(PathBuf::from(text))
}

/// A prefix of source URLs: http, https or file, without user, query or fragment.
pub fn source_prefix(text: &str) -> Result<Url, Expected> {
    let expected = "URL prefixes are expected, as https://account.blob.core.windows.net/container: \
                    http, https or file, without user, query (SAS) or fragment";
    match Url::parse(text) {
        Ok(url) if is_dfs(url.host_str().unwrap_or_default()) => Err(DFS.into()),
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") && is_bare(&url) => Ok(url),
        _ => Err(expected.into()),
    }
}

/// The blob endpoint of a storage account.
pub fn account_url(text: &str) -> Result<Url, Expected> {
    match web_url(text)? {
        url if is_dfs(url.host_str().unwrap_or_default()) => Err(DFS.into()),
        url => Ok(url),
    }
}

/// Azure's second endpoint for the same files, which speaks another protocol.
const DFS: &str = "the endpoint with .dfs. is Data Lake's own protocol: give the account's blob endpoint, with .blob. in its \
                   place";

fn is_dfs(host: &str) -> bool {
    host.to_ascii_lowercase().contains(".dfs.")
}

/// A storage account's connection string, by its shape alone: the adapter reads the rest.
pub fn storage_connection_string(text: &str) -> Result<(), Expected> {
    let pairs: Vec<(String, &str)> = text
        .split(';')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim().to_lowercase(), value))
        .collect();
    let names_an_account = ["accountname", "blobendpoint", "usedevelopmentstorage"];
    if !pairs.iter().any(|(key, _)| names_an_account.contains(&key.as_str())) {
        return Err("a connection string of a storage account is expected, as \
                    DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net"
            .into());
    }
    let is_endpoint = |key: &str, value: &str| key == "blobendpoint" && is_dfs(value);
    if pairs.iter().any(|(key, value)| is_endpoint(key, value)) { Err(DFS.into()) } else { Ok(()) }
}

/// A warehouse's connection string, by its shape alone: the adapter reads the rest.
pub fn warehouse_connection_string(text: &str) -> Result<(), Expected> {
    let keys = ["server", "datasource", "address", "addr", "networkaddress"];
    let mut names = text.split(';').filter_map(|part| part.split_once('=')).map(|(key, _)| {
        key.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>()
    });
    if is_folder(text) || names.any(|name| keys.contains(&name.as_str())) {
        return Ok(());
    }
    Err("an ADO.NET connection string is expected, as Server=host;Database=name;User ID=…;Password=…, or a folder of \
         exported tables, as file:///dir or az://container/prefix"
        .into())
}

/// Whether the text names a folder or container.
pub fn is_folder(text: &str) -> bool {
    text.starts_with("file://") || text.starts_with("az://")
}

/// An http or https URL without user, query or fragment.
pub fn web_url(text: &str) -> Result<Url, Expected> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_bare(&url) => Ok(url),
        _ => Err("an http or https URL without user, query or fragment is expected".into()),
    }
}

/// As [`web_url`], kept as it is written, without a trailing slash.
pub fn base_url(text: &str) -> Result<String, Expected> {
    let text = text.trim();
    web_url(text).map(|_| text.trim_end_matches('/').to_owned())
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

/// A PostgreSQL URL, by its scheme alone: the adapter reads the rest.
pub fn database_url(text: &str) -> Result<(), Expected> {
    let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) else {
        return Err("a PostgreSQL URL is expected, as postgres://user:password@host/database".into());
    };
    if has_bare_password(rest) {
        return Err("the password holds a character that ends it in a URL: write # as %23, / as %2F, ? as %3F and % as %25".into());
    }
    Ok(())
}

/// Whether a character in the password ends the URL's authority before its `@`, or a percent sign encodes nothing.
/// `host:5432/db?user=me@tenant` has its `@` later and a port before.
fn has_bare_password(rest: &str) -> bool {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let Some((credentials, _)) = authority.rsplit_once('@') else {
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        return authority.split_once(':').is_some_and(|(_, text)| !is_port(text)) && after.contains('@');
    };
    let mut parts = credentials.split('%').skip(1);
    parts.any(|part| !part.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2))
}

fn is_bare(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
}

/// Azure's rule for container names.
fn is_container(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn is_prefix(text: &str) -> bool {
    text.is_empty()
        || text.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && !segment.contains(['?', '#', '\\'])
                && !segment.chars().any(char::is_control)
        })
}

/// The absolute path of a `file:` URL; `file://./dir` is relative to the working directory.
fn file_path(text: &str) -> Option<PathBuf> {
    let rest = text.strip_prefix("file://")?;
    if rest.contains(['?', '#', '\0']) || !(rest.starts_with('/') || rest.starts_with("./") || rest == ".") {
        return None;
    }
    let path = percent_encoding::percent_decode_str(rest).decode_utf8().ok()?;
    let absolute = std::path::absolute(path.as_ref()).ok()?;
    Some(absolute.components().collect())
}
