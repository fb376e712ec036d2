//! Every effective value and its source, for `rogo-migrate settings`; secrets only as `set` or `not set`.

use std::collections::BTreeMap;

use super::{Setting, Sources, reader::Reader, shown::shown_of, table};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Its name: the flag's without dashes before it, or the variable's.
    pub name: String,
    /// Its value; for a secret `set` or `not set`.
    pub value: String,
    /// Source of the value; empty if it is not set.
    pub origin: String,
}

/// The table of values, and every error in the settings.
pub fn effective(sources: &Sources) -> (Vec<EffectiveSetting>, Vec<String>) {
    let rows = table::ALL.iter().map(|setting| row(setting, sources)).collect();
    (rows, problems(sources))
}

/// Everything that is wrong with what was given, missing settings left aside: for `settings`, which shows
/// the rest all the same.
fn problems(sources: &Sources) -> Vec<String> {
    let mut reader = Reader::new(sources);
    reader.log();
    reader.settings();
    reader.verify_alone();
    reader.problems
}

/// Every setting of a run and its value as it may be shown; of a secret only whether it is set. Switches are a command's own.
pub(super) fn all_shown(sources: &Sources) -> BTreeMap<String, String> {
    let of_a_run = table::ALL.iter().filter(|setting| !setting.switch);
    of_a_run.map(|setting| row(setting, sources)).map(|row| (row.name, row.value)).collect()
}

fn row(setting: &Setting, sources: &Sources) -> EffectiveSetting {
    if setting.is_secret() {
        return secret_row(setting, sources);
    }
    let name = if setting.flag {
        setting.key.replace('_', "-")
    } else {
        setting.environment.unwrap_or(setting.key).to_owned()
    };
    match sources.find(setting) {
        Some(given) => {
            let shown = |text: &String| shown_of(setting, text).unwrap_or_else(|| "set".to_owned());
            let values: Vec<_> = given.values.iter().map(shown).collect();
            EffectiveSetting { name, value: values.join(","), origin: given.origin.to_string() }
        }
        None => EffectiveSetting { name, value: setting.otherwise.to_owned(), origin: String::new() },
    }
}

fn secret_row(setting: &Setting, sources: &Sources) -> EffectiveSetting {
    let name = setting.environment.unwrap_or(setting.key).to_owned();
    let file = format!("{name}_FILE");
    let (value, origin) = if sources.environment(&name).is_some() {
        ("set", name.clone())
    } else if sources.environment(&file).is_some() {
        ("set", file)
    } else {
        ("not set", String::new())
    };
    EffectiveSetting { name, value: value.to_owned(), origin }
}
