//! Where a setting comes from: its flag, else the environment, else the config file, else its default.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Serialize;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::{
    pod::POD_VARIABLES,
    table::{self, Setting},
};
use crate::{
    domain::{encoding::text_of, text::is_blank},
    exit::{Exit, Stop},
};

/// Everything that was given, unparsed.
#[derive(Debug, Default)]
pub struct Sources {
    flags: Flags,
    environment: BTreeMap<String, String>,
    file: BTreeMap<String, Given>,
    /// What is wrong with the sources themselves: unknown keys, secrets in the config file, bytes that are
    /// no text. Reported together with bad values.
    problems: Vec<String>,
}

/// The flags on the command line, by key.
#[derive(Debug, Default, Clone)]
pub struct Flags(BTreeMap<String, Vec<String>>);

/// A setting's text and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its values; exactly one unless the setting is a list.
    pub values: Vec<String>,
    /// Where the value was set.
    pub origin: Origin,
}

/// Where a setting was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(String),
    /// In the environment, under this name.
    Environment(String),
    /// In the config file.
    File {
        /// As given with `--config`.
        path: String,
        /// Line of the file, counted from 1.
        line: usize,
    },
    /// Not set anywhere: the default applies.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Flags {
    /// Adds the fields of a struct of flags: text, or lists of text, or null.
    #[must_use]
    pub fn with(mut self, flags: &impl Serialize) -> Self {
        let Ok(Json::Object(fields)) = serde_json::to_value(flags) else { return self };
        for (key, value) in fields {
            let values: Vec<String> = match value {
                Json::String(text) => vec![text],
                Json::Array(items) => items.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
                _ => continue,
            };
            if !values.is_empty() {
                self.0.insert(key, values);
            }
        }
        self
    }

    /// The keys, for a test that every flag is a setting.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Sources {
    /// Reads the environment and the config file.
    pub fn gather(flags: Flags, config: Option<&Path>) -> Result<Self, Stop> {
        let config = match config {
            None => None,
            Some(path) => Some((path.display().to_string(), read_config(path)?)),
        };
        let mut problems = Vec::new();
        let mut environment = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    environment.insert(name, value);
                }
                (Ok(name), Err(_)) if is_known(&name) => {
                    problems.push(format!("{name}: its bytes are not UTF-8"));
                }
                _ => {}
            }
        }
        let config = config.as_ref().map(|(path, text)| (path.as_str(), text.as_str()));
        let mut sources = Self::new(flags, environment, config)?;
        sources.problems.append(&mut problems);
        Ok(sources)
    }

    /// The sources as given; `config` is the config file's name and text.
    pub fn new(
        flags: Flags,
        environment: BTreeMap<String, String>,
        config: Option<(&str, &str)>,
    ) -> Result<Self, Stop> {
        let mut sources = Self { flags, environment, ..Self::default() };
        if let Some((path, text)) = config {
            sources.parse_config(path, text)?;
        }
        Ok(sources)
    }

    /// What was given for a setting, default included; `None` if nothing holds.
    pub fn find(&self, setting: &Setting) -> Option<Given> {
        let given = self.whole(setting)?;
        // A list in the config file is exact; everywhere else commas separate.
        if !setting.list || (matches!(given.origin, Origin::File { .. }) && given.values.len() > 1) {
            return Some(given);
        }
        let items = given.values.iter().flat_map(|text| text.split(',')).map(str::trim);
        Some(Given { values: items.map(str::to_owned).collect(), origin: given.origin })
    }

    /// The same before a list is split at its commas: quotes around a whole list are seen only here.
    pub(super) fn whole(&self, setting: &Setting) -> Option<Given> {
        self.given(setting).or_else(|| {
            setting.default.map(|text| Given { values: vec![text.to_owned()], origin: Origin::Default })
        })
    }

    fn given(&self, setting: &Setting) -> Option<Given> {
        if setting.flag
            && let Some(values) = self.flags.0.get(setting.key)
        {
            return Some(Given { values: values.clone(), origin: Origin::Flag(setting.flag_name()) });
        }
        if let Some(name) = setting.environment
            && let Some(value) = self.environment(name)
        {
            return Some(Given {
                values: vec![value.to_owned()],
                origin: Origin::Environment(name.to_owned()),
            });
        }
        self.file.get(setting.key).cloned()
    }

    /// A variable's value; a blank one counts as not set, as charts and compose files write it.
    pub fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !is_blank(value))
    }

    /// What is wrong with the sources themselves.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Variables that look like settings and are none: perhaps misspelt.
    pub fn unknown_variables(&self) -> Vec<&str> {
        let names = self.environment.keys().map(String::as_str);
        let is_read = |name: &str| is_known(name) || POD_VARIABLES.contains(&name);
        names.filter(|name| name.starts_with("ROGO_") && !is_read(name)).collect()
    }

    fn parse_config(&mut self, path: &str, text: &str) -> Result<(), Stop> {
        let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(span.start));
            // Not the error's own rendering: it quotes the line, which may hold a secret.
            usage(format!("{path} line {line}: not valid TOML: {}", error.message()))
        })?;
        for (key, value) in table.get_ref() {
            let (line, name) = (line(key.span().start), key.get_ref().as_ref());
            match values_of(name, value.get_ref()) {
                Ok(values) => {
                    let origin = Origin::File { path: path.to_owned(), line };
                    self.file.insert(name.to_owned(), Given { values, origin });
                }
                Err(problem) => self.problems.push(format!("{path} line {line}: {problem}")),
            }
        }
        Ok(())
    }
}

/// What the config file says of a key; the error is a sentence.
fn values_of(key: &str, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    if let Some(secret) = secret_named(key) {
        return Err(format!(
            "{key} is a secret and does not belong in the config file; set {secret}, or {secret}_FILE with the path of a file \
             that holds it"
        ));
    }
    if table::DECISIONS.contains(&key) {
        return Err(format!(
            "{key} decides what is written, removed or shown, and is no key: a decision is made at the command line, each \
             time; give --{} there",
            key.replace('_', "-")
        ));
    }
    let Some(setting) = table::ALL.iter().find(|setting| setting.flag && setting.key == key) else {
        return Err(format!(
            "unknown key {key}; keys are the flags' names with _ (rogo-migrate settings lists them)"
        ));
    };
    if let DeValue::Boolean(value) = value {
        return if setting.switch {
            Ok(vec![value.to_string()])
        } else {
            Err(format!(
                "{key} is a boolean, and {} takes a value: write what the flag takes, in quotes",
                setting.flag_name()
            ))
        };
    }
    let expected =
        || format!("{key} is a {}; text, a number or a list of them is expected", value.type_str());
    plain(value).ok_or_else(expected)
}

/// An end because of how the program was called.
pub(super) fn usage(message: impl Into<String>) -> Stop {
    Stop::new(Exit::Usage, message)
}

fn read_config(path: &Path) -> Result<String, Stop> {
    let refused = |why: String| usage(format!("config file {} cannot be read: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    text_of(&bytes).map_err(refused)
}

fn plain(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Integer(number) => Some(vec![number.as_str().to_owned()]),
        DeValue::Float(number) => Some(vec![number.as_str().to_owned()]),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| match item.get_ref() {
                DeValue::Array(_) => None,
                scalar => plain(scalar).and_then(|values| values.into_iter().next()),
            });
            items.collect()
        }
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// The secret that a config file's key means: its variable's name, with or without `_FILE`, in any case.
fn secret_named(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_uppercase();
    let key = key.strip_suffix("_FILE").unwrap_or(&key);
    table::ALL.iter().filter(|setting| setting.is_secret()).find_map(|setting| {
        setting.environment.filter(|name| *name == key || name.strip_prefix("ROGO_") == Some(key))
    })
}

fn is_known(name: &str) -> bool {
    table::ALL.iter().any(|setting| {
        setting.environment.is_some_and(|known| {
            known == name || (setting.is_secret() && name.strip_suffix("_FILE") == Some(known))
        })
    })
}
