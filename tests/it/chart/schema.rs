//! The schema knows every value, and no other.

use std::fs;

use serde_json::Value;

use super::rendered::chart;

#[test]
fn schema_and_values_have_the_same_keys_and_no_object_takes_others() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let values: Value =
        serde_saphyr::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let mut differences = Vec::new();
    compare(&schema, &values, "", &mut differences);
    assert!(differences.is_empty(), "{differences:#?}");
}

fn compare(schema: &Value, values: &Value, at: &str, differences: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        differences.push(format!("{at}: takes unknown keys"));
    }
    let Some(values) = values.as_object() else { return };
    for key in values.keys().filter(|key| !properties.contains_key(*key)) {
        differences.push(format!("{at}.{key}: not in the schema"));
    }
    for (key, schema) in properties {
        match values.get(key) {
            Some(value) => compare(schema, value, &format!("{at}.{key}"), differences),
            // Helm's own.
            None if at.is_empty() && key == "global" => {}
            None => differences.push(format!("{at}.{key}: not in values.yaml")),
        }
    }
}

#[test]
fn artifact_hub_is_told_what_the_chart_is() {
    let chart: Value =
        serde_saphyr::from_str(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    let told = |key: &str| chart["annotations"][format!("artifacthub.io/{key}")].as_str().unwrap_or_default();
    // Its categories and kinds of changes are fixed words.
    assert_eq!(told("category"), "database");
    assert_eq!((told("license"), told("operator")), (env!("CARGO_PKG_LICENSE"), "false"));
    let is_prerelease = chart["version"].as_str().unwrap().starts_with("0.");
    assert_eq!(told("prerelease"), is_prerelease.to_string());
    let changes: Value = serde_saphyr::from_str(told("changes")).unwrap();
    let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    for change in changes.as_array().unwrap() {
        assert!(kinds.contains(&change["kind"].as_str().unwrap()), "{change}");
        assert!(!change["description"].as_str().unwrap().is_empty(), "{change}");
    }
}
