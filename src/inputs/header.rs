//! The header: what tools write before it or instead of it, and the columns that look like those that are missing.

use super::problem::delimiter_name;
use crate::domain::text::{equal_key, trim};

/// Columns that look like missing ones, as many as a message names.
const NAMED: usize = 5;
/// Bytes of a cell that may be the name of a column.
const LONGEST: usize = 100;
/// Letters from which on a name may be taken for another one.
const SHORTEST: usize = 4;

/// Describes a first record that is not a header, as the end of a sentence.
pub(super) fn strange_start(first_cell: &str) -> Option<&'static str> {
    let start: String = trim(first_cell).chars().take(5).collect::<String>().to_ascii_lowercase();
    if start.starts_with("sep=") {
        Some(
            "the line sep= is an Excel habit and no header; delete the line, and export with commas between cells",
        )
    } else if start.starts_with("#type") {
        Some(
            "a #TYPE line, as PowerShell's Export-Csv writes it, is no header; export with -NoTypeInformation, or delete the line",
        )
    } else {
        None
    }
}

/// Why those of the `expected` columns that are `missing` may be missing, and what to do.
pub(super) fn hint(header: &[String], missing: &[&str], expected: &[&str]) -> String {
    if let Some(delimiter) = other_delimiter(header, missing) {
        return format!(
            "{delimiter} stands between the names; export the file again with commas between cells"
        );
    }
    if let Some(similar) = resembling(header, missing, expected) {
        return format!("{similar}; correct the header");
    }
    let unknown = unknown(header, missing, expected);
    if let ([name], [(column, _)]) = (missing, unknown.as_slice()) {
        return format!(
            "\"{column}\" is no column that is known here, and may be \"{name}\"; correct the header"
        );
    }
    "correct the header, or export the file again".into()
}

fn other_delimiter(header: &[String], missing: &[&str]) -> Option<&'static str> {
    let names = |delimiter: u8| {
        let cells = header.iter().filter(move |cell| cell.as_bytes().contains(&delimiter));
        cells.flat_map(move |cell| cell.split(char::from(delimiter))).filter(|name| {
            let name = squeezed(name);
            missing.iter().any(|missing| squeezed(missing) == name)
        })
    };
    [b';', b'\t', b'|'].into_iter().find(|delimiter| names(*delimiter).count() >= 2).map(delimiter_name)
}

/// The columns that are not expected, each with its letters.
fn unknown<'h>(header: &'h [String], missing: &[&str], expected: &[&str]) -> Vec<(&'h str, String)> {
    let known: Vec<String> =
        expected.iter().filter(|name| !missing.contains(name)).map(|name| squeezed(name)).collect();
    let columns = header.iter().filter(|column| column.len() <= LONGEST);
    let columns = columns.map(|column| (column.as_str(), squeezed(column)));
    columns.filter(|(_, name)| !name.is_empty() && !known.contains(name)).collect()
}

/// The columns that a person would take for those that are missing, in words. A column that is expected itself is none.
pub(super) fn resembling(header: &[String], missing: &[&str], expected: &[&str]) -> Option<String> {
    let unknown = unknown(header, missing, expected);
    let similar: Vec<String> = missing
        .iter()
        .filter_map(|name| Some(format!("\"{}\" looks like \"{name}\"", look_alike(&unknown, name)?)))
        .take(NAMED)
        .collect();
    (!similar.is_empty()).then(|| similar.join(", "))
}

/// The column that a person would take for `name`: the nearest one if it is near, else one with more or fewer words.
fn look_alike<'a>(unknown: &[(&'a str, String)], name: &str) -> Option<&'a str> {
    let wanted = squeezed(name);
    let longest = |other: &str| wanted.chars().count().max(other.chars().count());
    let shortest = |other: &str| wanted.chars().count().min(other.chars().count());
    let distances =
        unknown.iter().map(|(column, other)| (strsim::levenshtein(other, &wanted), *column, other));
    // One letter of four, or a third of longer names.
    let near = distances.filter(|(apart, _, other)| {
        *apart == 0 || (longest(other) >= SHORTEST && *apart <= (longest(other) / 3).max(1))
    });
    if let Some((_, column, _)) = near.min_by_key(|(apart, ..)| *apart) {
        return Some(column);
    }
    let has_other_words = |(_, other): &&(&str, String)| {
        shortest(other) >= SHORTEST && (other.contains(&wanted) || wanted.contains(other.as_str()))
    };
    unknown.iter().find(has_other_words).map(|(column, _)| *column)
}

/// Letters and digits only, in lower case, without a byte order mark that was read as Windows-1252.
fn squeezed(name: &str) -> String {
    let name = name.trim_start_matches("ï»¿");
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a record repeats the header.
pub(super) fn repeats<'r>(header: &[String], cells: impl Iterator<Item = &'r str>) -> bool {
    header.iter().map(|name| equal_key(name)).eq(cells.map(equal_key))
}

/// What sqlcmd and the text output of SSMS write beside the rows, as the rest of a sentence.
pub(super) fn strange_row<'r>(mut cells: impl Iterator<Item = &'r str>) -> Option<&'static str> {
    let first = trim(cells.next()?);
    if !first.is_empty()
        && std::iter::once(first)
            .chain(cells)
            .all(|cell| !trim(cell).is_empty() && trim(cell).bytes().all(|byte| byte == b'-'))
    {
        return Some("a line of dashes, as sqlcmd writes it below the header");
    }
    let is_count = first.strip_prefix('(').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.ends_with(')') && rest.contains(' ')
    });
    if is_count || first.starts_with("Completion time:") {
        return Some("a count of rows, as sqlcmd writes it at the end");
    }
    None
}
