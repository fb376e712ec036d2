//! Reads one setting after the other, and collects every error.

use super::{
    Origin, Secret, Setting, Sources,
    parse::{Expected, plain},
    shown::shown_of,
    source::usage,
};
use crate::{domain::text::trim, exit::Stop};

/// The given values, and the errors found so far.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s Sources,
    pub(super) problems: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) purpose: Purpose,
}

/// What the settings are read for: some flags of `verify` share their names with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Moving rows, and all else.
    Move,
    /// `verify`: `--accept` is a file, `--shard` is `I/N`.
    Verify,
}

impl<'s> Reader<'s> {
    /// Starts with the errors of the sources themselves.
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self { sources, problems: sources.problems().to_vec(), missing: Vec::new(), purpose: Purpose::Move }
    }

    /// The parsed value, or all invalid and missing settings.
    pub(super) fn end<T>(self, parsed: Option<T>) -> Result<T, Stop> {
        match parsed {
            Some(parsed) if self.problems.is_empty() && self.missing.is_empty() => Ok(parsed),
            _ => Err(usage(complaint(&self.problems, &self.missing))),
        }
    }

    /// One value, if it is set or has a default.
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Option<T> {
        let given = self.sources.find(setting)?;
        let [text] = given.values.as_slice() else {
            self.problems.push(format!(
                "{}: one value is expected, not {}",
                given.origin,
                given.values.len()
            ));
            return None;
        };
        let parsed = plain(text).and_then(&parse);
        parsed.map_err(|expected| self.complain(setting, &given.origin, text, &expected)).ok()
    }

    /// One required value.
    pub(super) fn required<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Option<T> {
        if self.sources.find(setting).is_none() {
            self.missing.push(format!("{}: {}", setting.key.replace('_', "-"), setting.ways()));
        }
        self.optional(setting, parse)
    }

    /// Several values, at least one.
    pub(super) fn list<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Option<Vec<T>> {
        let Some(given) = self.sources.find(setting) else {
            self.missing.push(format!("{}: {}", setting.key.replace('_', "-"), setting.ways()));
            return None;
        };
        let before = self.problems.len();
        for whole in self.sources.whole(setting).iter().flat_map(|whole| &whole.values) {
            if let Err(expected) = plain(whole) {
                self.complain(setting, &given.origin, whole, &expected);
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let mut values = Vec::new();
        for text in &given.values {
            match plain(text).and_then(&parse) {
                Ok(value) => values.push(value),
                Err(expected) => self.complain(setting, &given.origin, text, &expected),
            }
        }
        if given.values.is_empty() {
            self.problems.push(format!("{}: at least one value is expected", given.origin));
        }
        (values.len() == given.values.len() && !values.is_empty()).then_some(values)
    }

    /// As [`Self::list`]; none if it is not set.
    pub(super) fn any<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Option<Vec<T>> {
        if self.sources.find(setting).is_none() { Some(Vec::new()) } else { self.list(setting, parse) }
    }

    /// A secret and its present text; its file must be readable and not empty.
    pub(super) fn secret(
        &mut self,
        setting: &Setting,
        check: impl Fn(&str) -> Result<(), Expected>,
    ) -> Option<(Secret, String)> {
        let name = setting.environment?;
        let file_name = format!("{name}_FILE");
        let (secret, from) = match (self.sources.environment(name), self.sources.environment(&file_name)) {
            (Some(_), Some(_)) => {
                self.problems.push(format!("{name} and {file_name} are both set: leave one of them"));
                return None;
            }
            (Some(value), None) => (Secret::Value(value.to_owned()), name.to_owned()),
            (None, Some(path)) => (Secret::File(trim(path).into()), format!("{file_name} ({path})")),
            (None, None) => return None,
        };
        let text = match secret.read() {
            Ok(text) if text.is_empty() => Err("it is empty".to_owned()),
            Ok(text) => plain(&text).and_then(&check).map(|()| text),
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        match text {
            Ok(text) => Some((secret, text)),
            Err(problem) => {
                self.problems.push(format!("{from}: {problem}"));
                None
            }
        }
    }

    pub(super) fn is_set(&self, secret: &Setting) -> bool {
        secret.environment.is_some_and(|name| {
            self.sources.environment(name).is_some()
                || self.sources.environment(&format!("{name}_FILE")).is_some()
        })
    }

    fn complain(&mut self, setting: &Setting, origin: &Origin, text: &str, expected: &str) {
        let key = match origin {
            Origin::File { .. } => format!(", {}", setting.key),
            Origin::Flag(_) | Origin::Environment(_) | Origin::Default => String::new(),
        };
        let value =
            shown_of(setting, text).map_or_else(|| "(hidden)".to_owned(), |text| format!("\"{text}\""));
        self.problems.push(format!("{origin}{key}: {value}: {expected}"));
    }
}

fn complaint(problems: &[String], missing: &[String]) -> String {
    let section = |what: &str, items: &[String]| match items {
        [] => None,
        items => Some(format!("{what}\n  {}", items.join("\n  "))),
    };
    let sections = [
        section("settings that cannot be used:", problems),
        section("settings that are missing, and how to give them:", missing),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
