//! CSVs that a person writes of attempts, with something said of each: `--exclude`, and `--accept` of verify.

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
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let place = |names: &[&str]| {
        let is_named = |column: &str| names.iter().any(|name| equal_key(column).eq_ignore_ascii_case(name));
        header.iter().position(is_named)
    };
    let attempt = place(&["Attempt ID", "attempt"]).ok_or(expected)?;
    let places = columns.map(|column| place(&[column]));
    if places.contains(&None) {
        return Err(expected.to_owned());
    }
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        if row.iter().all(is_blank) {
            continue;
        }
        let line = row.position().map_or(0, csv::Position::line);
        let cell =
            |place: Option<usize>| place.and_then(|place| row.get(place)).map(trim).unwrap_or_default();
        let id = cell(Some(attempt)).parse::<AttemptId>().map_err(|error| format!("line {line}: {error}"))?;
        each(line, id, places.map(cell))?;
    }
    Ok(())
}
