//! The file of `--exclude`: attempts that their owner leaves out for good.

use std::{collections::BTreeMap, path::Path};

use super::{Hasher, read_listed, read_text};
use crate::{
    domain::AttemptId,
    exit::{Exit, Stop},
};

/// Digits of the digest that a plan shows.
const SHOWN_DIGITS: usize = 12;

/// Attempts that are left out, each with its owner's reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excluded(BTreeMap<AttemptId, String>);

impl Excluded {
    /// Reads a CSV with the columns Attempt ID and Reason, each filled; empty without a file. Refuses with 64 what it cannot
    /// read, by line.
    pub fn read(path: Option<&Path>) -> Result<Self, Stop> {
        let Some(path) = path else { return Ok(Self::default()) };
        let refuse =
            |reason: String| Stop::new(Exit::Usage, format!("--exclude {}: {reason}", path.display()));
        let text = read_text(path, refuse)?;
        parse(&text).map(Self).map_err(refuse)
    }

    /// Why the attempt is left out, if it is.
    pub fn reason(&self, attempt: AttemptId) -> Option<&str> {
        self.0.get(&attempt).map(String::as_str)
    }

    /// The attempts, in ascending order.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.0.keys().copied()
    }

    /// What must not change during a run; `None` if nothing is left out.
    pub fn pinned(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut hasher = Hasher::default();
        for (attempt, reason) in &self.0 {
            hasher.update(format!("{attempt}\t{reason}\n").as_bytes());
        }
        let sha256: String = hasher.finish().sha256.chars().take(SHOWN_DIGITS).collect();
        Some(format!("--exclude of {} ids (sha256 {sha256})", self.0.len()))
    }
}

fn parse(text: &str) -> Result<BTreeMap<AttemptId, String>, String> {
    let mut all: BTreeMap<AttemptId, String> = BTreeMap::new();
    let expected = "a CSV with the columns Attempt ID and Reason is expected";
    read_listed(text, ["reason"], expected, |line, id, [why]| {
        if why.is_empty() {
            return Err(format!("line {line}: attempt {id} lacks a reason; give one, without personal data"));
        }
        if all.insert(id, why.to_owned()).is_some_and(|earlier| earlier != why) {
            return Err(format!("line {line}: attempt {id} stands twice with different reasons; leave one"));
        }
        Ok(())
    })?;
    if all.is_empty() {
        return Err("the file names no attempt id; leave --exclude out, or name one".to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_left_out_with_its_reason() {
        let all = parse("\u{feff}reason,attempt id\r\nasked to be erased, 007 \r\n,\r\n").unwrap();
        assert_eq!(all, BTreeMap::from([("7".parse().unwrap(), "asked to be erased".to_owned())]));
        assert_eq!(parse("attempt,reason\n5,a\n5,a\n").unwrap().len(), 1);
        for (text, says) in [
            ("7\n8\n", "the columns Attempt ID and Reason"),
            ("Attempt ID,Reason\n7,\n", "line 2: attempt 7 lacks a reason"),
            ("Attempt ID,Reason\nseven,x\n", "line 2: not a whole number"),
            ("Attempt ID,Reason\n7,x\n7,y\n", "line 3: attempt 7 stands twice"),
            ("Attempt ID,Reason\n", "names no attempt id"),
            (
                "Attempt ID,Reason\n7,\"asked\n8,asked too\n",
                "line 2: a quote opens the cell and the file ends",
            ),
            ("Attempt ID,Reason\n7,asked \"twice\"\n", "line 2: a quote stands inside a cell"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
    }

    #[test]
    fn ids_and_reasons_are_pinned_and_their_order_is_not() {
        let of = |text: &str| Excluded(parse(text).unwrap()).pinned().unwrap();
        let pinned = of("Attempt ID,Reason\n7,x\n8,y\n");
        assert!(pinned.starts_with("--exclude of 2 ids (sha256 "), "{pinned}");
        assert_eq!(of("Reason,Attempt ID\ny,8\nx,7\n"), pinned);
        assert_ne!(of("Attempt ID,Reason\n7,x\n8,z\n"), pinned);
        assert_eq!(Excluded::default().pinned(), None);
    }
}
