//! The file of `--accept`: attempts whose changes a person accepts.

use std::{collections::BTreeMap, path::Path};

use crate::{
    domain::{
        AttemptId,
        text::{equal_key, is_blank, trim},
    },
    exit::{Exit, Stop},
};

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
    let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| refuse(error.to_string()))?.clone();
    let place = |names: &[&str]| {
        let is_named = |column: &str| names.iter().any(|name| equal_key(column).eq_ignore_ascii_case(name));
        let what = "a CSV with the columns Attempt ID, Reason and Person is expected";
        header.iter().position(is_named).ok_or_else(|| refuse(what.to_owned()))
    };
    let (attempt, reason, person) =
        (place(&["Attempt ID", "attempt"])?, place(&["reason"])?, place(&["person"])?);
    let mut all = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| refuse(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |at: usize| row.get(at).map(trim).unwrap_or_default().to_owned();
        if row.iter().all(is_blank) {
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
