//! A fate as it is read: `kind` stands first where the program wrote it, so that nothing needs to be kept until it is known.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

use super::{Fate, Migrated};
use crate::domain::{FailCode, SkipCode};

const TAG: &str = "kind";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Migrated,
    Skipped,
    Failed,
}

#[derive(Deserialize)]
struct Skipped {
    code: SkipCode,
    detail: String,
}

#[derive(Deserialize)]
struct Failed {
    code: FailCode,
    message: String,
}

impl<'de> Deserialize<'de> for Fate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tagged)
    }
}

struct Tagged;

impl<'de> Visitor<'de> for Tagged {
    type Value = Fate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{TAG}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fate, A::Error> {
        let first: Option<String> = map.next_key()?;
        match first {
            Some(first) if first == TAG => {
                let kind = map.next_value()?;
                fate(&kind, MapAccessDeserializer::new(map))
            }
            first => in_another_order(first, map),
        }
    }
}

/// Another program wrote the line.
fn in_another_order<'de, A: MapAccess<'de>>(first: Option<String>, mut map: A) -> Result<Fate, A::Error> {
    let mut fields = Map::new();
    if let Some(first) = first {
        fields.insert(first, map.next_value()?);
    }
    while let Some((name, value)) = map.next_entry::<String, Value>()? {
        fields.insert(name, value);
    }
    let kind = fields.remove(TAG).ok_or_else(|| A::Error::missing_field(TAG))?;
    let kind = Kind::deserialize(kind).map_err(A::Error::custom)?;
    fate(&kind, Value::Object(fields).into_deserializer()).map_err(A::Error::custom)
}

fn fate<'de, D: Deserializer<'de>>(kind: &Kind, fields: D) -> Result<Fate, D::Error> {
    Ok(match kind {
        Kind::Migrated => Fate::Migrated(Migrated::deserialize(fields)?),
        Kind::Skipped => {
            let Skipped { code, detail } = Skipped::deserialize(fields)?;
            Fate::Skipped { code, detail }
        }
        Kind::Failed => {
            let Failed { code, message } = Failed::deserialize(fields)?;
            Fate::Failed { code, message }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates() -> Vec<Fate> {
        let migrated = Migrated { files: 3, recovered: true, marks: Some(7), ..Migrated::default() };
        vec![
            Fate::Migrated(migrated),
            Fate::Skipped { code: SkipCode::RolledBack, detail: "a \"word\"".to_owned() },
            Fate::Failed { code: FailCode::NoFiles, message: String::new() },
        ]
    }

    #[test]
    fn a_fate_reads_back_in_whatever_order_its_fields_stand() {
        for fate in fates() {
            let written = serde_json::to_string(&fate).unwrap();
            assert!(written.starts_with(r#"{"kind":""#), "{written}");
            assert_eq!(serde_json::from_str::<Fate>(&written).unwrap(), fate);
            // Its fields by name, and from the last to the first.
            let fields: Map<String, Value> = serde_json::from_str(&written).unwrap();
            let parts = fields.iter().map(|(name, value)| format!("\"{name}\":{value}"));
            let sorted = format!("{{{}}}", parts.clone().collect::<Vec<_>>().join(","));
            assert_eq!(serde_json::from_str::<Fate>(&sorted).unwrap(), fate, "{sorted}");
            let turned = format!("{{{}}}", parts.rev().collect::<Vec<_>>().join(","));
            assert_eq!(serde_json::from_str::<Fate>(&turned).unwrap(), fate, "{turned}");
        }
    }

    #[test]
    fn what_is_no_fate_is_refused() {
        for text in [
            "{}",
            "7",
            "null",
            r#"{"code":"no_files","message":"x"}"#,
            r#"{"kind":"lost"}"#,
            r#"{"kind":"failed","code":"no_files"}"#,
            r#"{"message":"x","kind":"failed"}"#,
            r#"{"kind":"failed","code":"unheard_of","message":"x"}"#,
            r#"{"kind":"failed","code":"no_files","message":"x","message":"y"}"#,
        ] {
            assert!(serde_json::from_str::<Fate>(text).is_err(), "{text}");
        }
    }
}
