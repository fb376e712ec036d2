//! The file of `--accept`: attempts whose changes a person accepts.

use std::{collections::BTreeMap, path::Path};

use crate::{
    domain::AttemptId,
    exit::{Exit, Stop},
    inputs::{read_listed, read_text},
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
    let text = read_text(path, refuse)?;
    let mut all = BTreeMap::new();
    let expected = "a CSV with the columns Attempt ID, Reason and Person is expected";
    read_listed(&text, ["reason", "person"], expected, |line, id, [reason, person]| {
        if reason.is_empty() || person.is_empty() {
            return Err(format!("line {line}: attempt {id} lacks a reason or a person; fill both"));
        }
        all.insert(id, Accepted { reason: reason.to_owned(), person: person.to_owned() });
        Ok(())
    })
    .map_err(refuse)?;
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
