//! Files of attempt ids: `--attempts`.

use std::path::Path;

use super::{header::resembling, lexer::records, read_text};
use crate::{
    domain::{
        AttemptId,
        text::{equal_key, is_blank, trim},
    },
    exit::{Exit, Stop},
};

const COLUMN: &str = "Attempt ID";

/// Reads ids one a line, or the column "Attempt ID" of any CSV; ascending, each once. Blank lines and cells are skipped,
/// anything else is refused by its line (64).
pub fn read_attempts(path: &Path) -> Result<Vec<AttemptId>, Stop> {
    let refuse = |reason: String| Stop::new(Exit::Usage, format!("--attempts {}: {reason}", path.display()));
    let text = read_text(path, refuse)?;
    let mut attempts = Vec::new();
    for (line, cell) in cells(&text).map_err(&refuse)? {
        if is_blank(&cell) {
            continue;
        }
        attempts.push(
            cell.parse::<AttemptId>()
                .map_err(|error| refuse(format!("line {line}: {error}; write one attempt id a line")))?,
        );
    }
    if attempts.is_empty() {
        let reason =
            "the file names no attempt id; write one a line, or give a CSV with the column Attempt ID";
        return Err(refuse(reason.into()));
    }
    attempts.sort_unstable();
    attempts.dedup();
    Ok(attempts)
}

/// The cells that hold ids, with their lines.
fn cells(text: &str) -> Result<Vec<(u64, String)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = records(text)?.into_iter();
    let header = records.next().unwrap_or_default();
    let Some(place) = header.iter().position(|name| equal_key(name).eq_ignore_ascii_case(COLUMN)) else {
        let names: Vec<String> = header.iter().map(|name| trim(name).to_owned()).collect();
        // A list of ids has no header: nothing in its first line looks like a name.
        let is_header = names.iter().any(|name| name.parse::<AttemptId>().is_err());
        if let Some(similar) = resembling(&names, &[COLUMN], &[COLUMN]).filter(|_| is_header) {
            return Err(format!("line 1: {similar}; correct the header, or write one attempt id a line"));
        }
        return Ok((1..).zip(text.lines().map(str::to_owned)).collect());
    };
    records
        .map(|record| match record.line(0) {
            line if record.found() <= place && !is_blank(record.text()) => Err(format!(
                "line {line}: the row has {} cells, and {COLUMN} is the column {}; complete it, or take it out",
                record.found(),
                place + 1
            )),
            line => Ok((line, record.get(place).to_owned())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<i32>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let attempts = read_attempts(file.path()).map_err(|stop| stop.message)?;
        Ok(attempts.into_iter().map(AttemptId::get).collect())
    }

    #[test]
    fn ids_stand_one_a_line_or_in_the_column_of_any_csv() {
        assert_eq!(read("\u{feff}3\r\n\r\n 001 \n1\n"), Ok(vec![1, 3]));
        assert_eq!(read("Check,Attempt ID,Issue\nx,7,\"a\nb\"\ny,,\nz,5,\n"), Ok(vec![5, 7]));
        assert!(read("Check,Attempt ID\nx,7\ny,seven\n").unwrap_err().contains("line 3: not a whole number"));
        assert!(read("1,2").unwrap_err().contains("line 1: not a whole number"));
        assert!(read("Attempt ID\n").unwrap_err().contains("names no attempt id"));
    }

    #[test]
    fn ids_may_stand_several_times_and_what_is_none_is_refused_by_its_line() {
        let of = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            read_attempts(file.path()).map(|all| all.into_iter().map(AttemptId::get).collect::<Vec<_>>())
        };
        assert_eq!(of("7\n\n 5 \n7\n").unwrap(), [5, 7]);
        assert_eq!(of("\u{feff}Row,attempt id,Issue\r\n1,7,\"a, b\"\r\n2,,\r\n3,5,\r\n").unwrap(), [5, 7]);
        for (text, says) in [
            ("", "names no attempt id"),
            ("x\n", "line 1: not a whole number"),
            ("Attempt ID\n5\nx", "line 3"),
            (
                "Row,Attempts ID\n1,7\n",
                "line 1: \"Attempts ID\" looks like \"Attempt ID\"; correct the header",
            ),
            ("Row,Attempt ID\n1,7\n2\n", "line 3: the row has 1 cells, and Attempt ID is the column 2"),
            ("Attempt ID,Issue\n5,\"a\n6,b\n", "line 2: a quote opens the cell and the file ends"),
        ] {
            let refused = of(text).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(refused.message.contains(says), "{}", refused.message);
        }
    }
}
