//! Every effective value and where it came from, for `rogo-migrate settings`: secrets only as set or not.

use super::{Setting, Sources, load, table};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Its name: the flag's without dashes before it, or the variable's.
    pub name: String,
    /// Its value; for a secret `set` or `not set`.
    pub value: String,
    /// Where it came from; empty where it is not set.
    pub origin: String,
}

/// The table, and everything that is wrong with what was given.
pub fn effective(sources: &Sources) -> (Vec<EffectiveSetting>, Vec<String>) {
    let rows = table::ALL.iter().map(|setting| row(setting, sources)).collect();
    (rows, load::problems(sources))
}

fn row(setting: &Setting, sources: &Sources) -> EffectiveSetting {
    if setting.secret {
        return secret_row(setting, sources);
    }
    let name = if setting.flag {
        setting.key.replace('_', "-")
    } else {
        setting.environment.unwrap_or(setting.key).to_owned()
    };
    match sources.find(setting) {
        Some(given) => {
            let values: Vec<_> = given.values.iter().map(|text| shown(text)).collect();
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

/// A value as it may be shown: someone may have put a secret where none belongs.
pub(super) fn shown(text: &str) -> String {
    let joined: String = text.to_lowercase().split_whitespace().collect();
    let marks = ["password=", "pwd=", "accountkey=", "sharedaccesssignature=", "sig=", "secret="];
    if marks.iter().any(|mark| joined.contains(mark)) {
        return "(hidden: looks like a secret)".to_owned();
    }
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let start = text.get(..scheme).unwrap_or_default();
            format!("{start}://…{}", text.get(at..).unwrap_or_default())
        }
        _ => text.to_owned(),
    };
    let without_query = match text.split_once('?') {
        Some((address, _)) if text.contains("://") => format!("{address}?…"),
        _ => text,
    };
    without_query.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_never_shown() {
        for text in [
            "Server=db;User Id=sa;Password = planted",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=planted",
            "https://a.blob.core.windows.net/c?sv=2024&sig=planted",
            "https://a.blob.core.windows.net/c?planted",
            "postgres://me:planted@host/db",
            "postgres://me:pl@nted@host/db",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("planted") && !shown.contains("nted"), "{shown}");
        }
        assert_eq!(shown("password"), "password", "a value of database-auth");
        assert_eq!(shown("az://files"), "az://files");
        assert_eq!(shown("5%"), "5%");
    }
}
