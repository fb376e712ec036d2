//! CSVs that a person writes of attempts, with something said of each: `--exclude`, and `--accept` of verify.

use super::{header::resembling, lexer::records};
use crate::domain::{
    AttemptId,
    text::{equal_key, is_blank, trim},
};

/// Hands the line, the attempt and the trimmed cells of `columns` of each row that is not blank to `each`. `expected` says
/// what the file should be, should a column be missing. The first line that is wrong is refused, by its number.
pub fn read_listed<const N: usize>(
    text: &str,
    columns: [&str; N],
    expected: &str,
    mut each: impl FnMut(u64, AttemptId, [&str; N]) -> Result<(), String>,
) -> Result<(), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = records(text)?.into_iter();
    let header = records.next().unwrap_or_default();
    let place = |names: &[&str]| {
        let is_named = |column: &str| names.iter().any(|name| equal_key(column).eq_ignore_ascii_case(name));
        header.iter().position(is_named)
    };
    let attempt = place(&["Attempt ID", "attempt"]);
    let places = columns.map(|column| place(&[column]));
    let all: Vec<(&str, Option<usize>)> =
        [("Attempt ID", attempt)].into_iter().chain(columns.into_iter().zip(places)).collect();
    let missing: Vec<&str> = all.iter().filter(|(_, place)| place.is_none()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let names: Vec<String> = header.iter().map(|name| trim(name).to_owned()).collect();
        let all: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let similar = resembling(&names, &missing, &all).map(|similar| format!("; line 1: {similar}"));
        return Err(format!("{expected}{}", similar.unwrap_or_default()));
    }
    for row in records {
        if row.iter().all(is_blank) {
            continue;
        }
        let line = row.line(0);
        let cell = |place: Option<usize>| place.map(|place| trim(row.get(place))).unwrap_or_default();
        let id = cell(attempt).parse::<AttemptId>().map_err(|error| format!("line {line}: {error}"))?;
        each(line, id, places.map(cell))?;
    }
    Ok(())
}
