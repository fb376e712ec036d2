//! Files of attempts: those to verify, and those whose changes a person accepts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    domain::{
        AttemptId,
        text::{equal_key, is_blank, trim},
    },
    exit::{Exit, Stop},
};

const ATTEMPT: &str = "Attempt ID";

/// Reads `--attempts`: ids one a line, or the column "Attempt ID" of any CSV.
pub fn attempts(path: &Path) -> Result<BTreeSet<AttemptId>, Stop> {
    let refuse = |reason: String| Stop::new(Exit::Usage, format!("--attempts {}: {reason}", path.display()));
    let text = read(path).map_err(&refuse)?;
    let mut attempts = BTreeSet::new();
    let mut add = |line: u64, cell: &str| match cell.parse() {
        Ok(attempt) => {
            attempts.insert(attempt);
            Ok(())
        }
        Err(_) if is_blank(cell) => Ok(()),
        Err(error) => Err(refuse(format!("line {line}: {error}"))),
    };
    match table(&text).map_err(&refuse)? {
        None => {
            for (line, cell) in (1..).zip(text.lines()) {
                add(line, cell)?;
            }
        }
        Some((columns, rows)) => {
            let at = place(&columns, &[ATTEMPT]).unwrap_or_default();
            for (line, row) in rows {
                add(line, row.get(at).map_or("", String::as_str))?;
            }
        }
    }
    if attempts.is_empty() {
        return Err(refuse(
            "the file names no attempt id; write one a line, or give a CSV with a column Attempt ID".into(),
        ));
    }
    Ok(attempts)
}

/// One change that a person accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Why it is accepted.
    pub reason: String,
    /// Who accepts it.
    pub person: String,
}

/// Reads `--accept`: a CSV with the columns Attempt ID, Reason and Person, each filled.
pub fn accepted(path: &Path) -> Result<BTreeMap<AttemptId, Accepted>, Stop> {
    let refuse = |reason: String| Stop::new(Exit::Usage, format!("--accept {}: {reason}", path.display()));
    let text = read(path).map_err(&refuse)?;
    let columns_missing =
        || refuse("a CSV with the columns Attempt ID, Reason and Person is expected".into());
    let (columns, rows) = table(&text).map_err(&refuse)?.ok_or_else(columns_missing)?;
    let of = |names: &[&str]| place(&columns, names).ok_or_else(columns_missing);
    let (attempt, reason, person) = (of(&[ATTEMPT, "attempt"])?, of(&["reason"])?, of(&["person"])?);
    let mut all = BTreeMap::new();
    for (line, row) in rows {
        let cell = |at: usize| row.get(at).map(|cell| trim(cell)).unwrap_or_default().to_owned();
        if row.iter().all(|cell| is_blank(cell)) {
            continue;
        }
        let id = cell(attempt).parse().map_err(|error| refuse(format!("line {line}: {error}")))?;
        let one = Accepted { reason: cell(reason), person: cell(person) };
        if one.reason.is_empty() || one.person.is_empty() {
            return Err(refuse(format!("line {line}: attempt {id} lacks a reason or a person; fill both")));
        }
        all.insert(id, one);
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Header and rows with their lines; `None` if the first line has no column "Attempt ID".
#[expect(clippy::type_complexity, reason = "a table that is read at once")]
fn table(text: &str) -> Result<Option<(Vec<String>, Vec<(u64, Vec<String>)>)>, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header: Vec<String> =
        reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
    if place(&header, &[ATTEMPT, "attempt"]).is_none() {
        return Ok(None);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.iter().map(str::to_owned).collect()));
    }
    Ok(Some((header, rows)))
}

fn place(columns: &[String], names: &[&str]) -> Option<usize> {
    let is_named = |column: &String| names.iter().any(|name| equal_key(column).eq_ignore_ascii_case(name));
    columns.iter().position(is_named)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn attempts_are_ids_one_a_line_or_a_column_of_any_csv() {
        let of = |text: &str| {
            attempts(file(text).path()).map(|all| all.into_iter().map(AttemptId::get).collect::<Vec<_>>())
        };
        assert_eq!(of("7\n\n 5 \n7\n").unwrap(), [5, 7]);
        assert_eq!(of("\u{feff}Row,attempt id,Issue\r\n1,7,\"a, b\"\r\n2,,\r\n3,5,\r\n").unwrap(), [5, 7]);
        for (text, says) in [
            ("", "names no attempt id"),
            ("x\n", "line 1: not a whole number"),
            ("Attempt ID\n5\nx", "line 3"),
        ] {
            let refused = of(text).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(refused.message.contains(says), "{}", refused.message);
        }
    }

    #[test]
    fn what_is_accepted_has_a_reason_and_a_person() {
        let of = |text: &str| accepted(file(text).path());
        let all = of("Attempt ID,Reason,Person\n5,remarked, A. Marker \n").unwrap();
        let expected = Accepted { reason: "remarked".into(), person: "A. Marker".into() };
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("5".parse().unwrap(), expected)]);
        for (text, says) in [
            ("5,remarked,A\n", "columns Attempt ID, Reason and Person"),
            ("Attempt ID,Reason,Person\n5,,A\n", "line 2: attempt 5 lacks"),
            ("Attempt ID,Reason,Person\nx,r,A\n", "line 2: not a whole number"),
        ] {
            let refused = of(text).unwrap_err().message;
            assert!(refused.contains(says), "{refused}");
        }
    }
}
