//! The header: what tools write before it or instead of it, and the columns that look like those that are missing.

use super::problem::delimiter_name;
use crate::domain::text::{equal_key, trim};

/// Columns that look like missing ones, as many as a message names.
const NAMED: usize = 5;

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

/// Why the required columns `missing` may be missing, and what to do.
pub(super) fn hint(header: &[String], missing: &[&str]) -> String {
    if let Some(delimiter) = other_delimiter(header, missing) {
        return format!(
            "{delimiter} stands between the names; export the file again with commas between cells"
        );
    }
    let similar: Vec<String> = missing
        .iter()
        .filter_map(|name| Some(format!("\"{}\" looks like \"{name}\"", look_alike(header, name)?)))
        .take(NAMED)
        .collect();
    if similar.is_empty() {
        return "correct the header, or export the file again".into();
    }
    format!("{}; correct the header", similar.join(", "))
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

/// The column that a person would take for `name`.
fn look_alike<'a>(header: &'a [String], name: &str) -> Option<&'a str> {
    let wanted = squeezed(name);
    let candidates = || header.iter().map(String::as_str).filter(|column| *column != name);
    candidates()
        .find(|column| squeezed(column) == wanted)
        .or_else(|| candidates().find(|column| differ_by_one_letter(&squeezed(column), &wanted)))
}

/// Letters and digits only, in lower case, without a byte order mark that was read as Windows-1252.
fn squeezed(name: &str) -> String {
    let name = name.trim_start_matches("ï»¿");
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether one letter is exchanged, left out or added.
fn differ_by_one_letter(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let alike = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let alike_back = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let longest = one.len().max(other.len());
    longest.abs_diff(one.len().min(other.len())) <= 1 && longest > 3 && alike + alike_back + 1 >= longest
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
