//! The settings of `verify`.

use std::{path::PathBuf, time::Duration};

use super::{
    Settings, Sources, parse,
    reader::{Purpose, Reader},
    table as t,
};
use crate::{domain::Level, exit::Stop};

const DAY: Duration = Duration::from_hours(24);
/// Largest number of parts of a verification.
const PARTS: u32 = 10_000;

/// One of several equal parts of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Counted from 0.
    pub index: u32,
    /// At least 1.
    pub of: u32,
}

/// Settings of `verify` beside those of the run.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// How much is read.
    pub level: Level,
    /// `--content N/T`: the part of the files whose bytes are read; counted from 0 here.
    pub content: Option<Part>,
    /// `--manifest`: digests of an earlier verification.
    pub manifest: Option<PathBuf>,
    /// How long after it was found a difference is looked at again.
    pub recheck: Duration,
    /// `--accept`: changes that a person accepts.
    pub accept: Option<PathBuf>,
    /// `--attempts`: the only attempts to verify.
    pub attempts: Option<PathBuf>,
    /// `--shard I/N`: the part of this process.
    pub shard: Option<Part>,
}

/// Those of them that no other command has a setting of the same name for.
pub(super) struct VerifyAlone {
    level: Level,
    content: Option<Part>,
    recheck: Duration,
    manifest: Option<PathBuf>,
}

impl VerifySettings {
    /// Parses the settings of the run and those of `verify`; the refusal names every bad and every missing one.
    pub fn load(sources: &Sources) -> Result<(Settings, Self), Stop> {
        let mut reader = Reader::new(sources);
        reader.purpose = Purpose::Verify;
        reader.log();
        let settings = reader.settings();
        let verify = reader.verify();
        reader.end(settings.zip(verify))
    }
}

impl Reader<'_> {
    /// What no other command has a setting of the same name for.
    pub(super) fn verify_alone(&mut self) -> Option<VerifyAlone> {
        let level = self.required(&t::LEVEL, str::parse::<Level>);
        let content = self.optional(&t::CONTENT, |text| part(text, 1));
        let recheck = self.required(&t::RECHECK, |text| parse::duration(text, &(Duration::ZERO..=DAY)));
        let manifest = self.optional(&t::MANIFEST, parse::path);
        Some(VerifyAlone { level: level?, content, recheck: recheck?, manifest })
    }

    fn verify(&mut self) -> Option<VerifySettings> {
        let alone = self.verify_alone();
        // In a Job the index alone says nothing: the chart gives the flag, which names the number of parts.
        let by_flag = self
            .sources
            .find(&t::SHARD)
            .is_some_and(|given| matches!(given.origin, super::Origin::Flag(_) | super::Origin::File { .. }));
        let shard = if by_flag { self.optional(&t::SHARD, |text| part(text, 0)) } else { None };
        let [accept, attempts] = [&t::ACCEPT, &t::ATTEMPTS].map(|file| self.optional(file, parse::path));
        let VerifyAlone { level, content, recheck, manifest } = alone?;
        Some(VerifySettings { level, content, manifest, recheck, accept, attempts, shard })
    }
}

/// `I/N` with `first` as the least index.
fn part(text: &str, first: u32) -> Result<Part, String> {
    let expected = || format!("a part is expected, as {first}/4: from {first}, of at most {PARTS}");
    let (index, of) = text.split_once('/').ok_or_else(expected)?;
    let of: u32 = parse::number(of, &(1..=PARTS)).map_err(|_| expected())?;
    let index: u32 = parse::number(index, &(first..=of - 1 + first)).map_err(|_| expected())?;
    Ok(Part { index: index - first, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_several() {
        assert_eq!(part("0/4", 0), Ok(Part { index: 0, of: 4 }));
        assert_eq!(part("4/4", 1), Ok(Part { index: 3, of: 4 }));
        for (text, first) in
            [("4/4", 0), ("0/4", 1), ("5/4", 1), ("1", 0), ("1/0", 0), ("a/2", 0), ("1/2/3", 0)]
        {
            assert!(part(text, first).is_err(), "{text}");
        }
    }
}
