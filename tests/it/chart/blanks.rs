//! A key that a values file leaves blank (`rules.instructionSet:`) means its default, or is refused in a sentence. Never does the
//! text `<nil>`, which a template writes for it, reach a pod.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::rendered::{Rendered, chart, render_files};

/// Blank on purpose is never meant: which run it is, and sections.
const NEVER_BLANK: [&str; 3] = ["generation", "run", "shards.count"];
/// One value as a pod has it, however deep.
const ONE_VALUE: &str = "dnsConfig";

fn document(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn defaults() -> Value {
    document(&chart().join("values.yaml"))
}

/// The values with every optional part on.
fn everything() -> Value {
    document(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/chart/everything.yaml"))
}

/// Path, whether it is a section, and default of every value.
fn every_value(values: &Value, at: &str, found: &mut Vec<(String, bool, Value)>) {
    for (key, value) in values.as_object().unwrap() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let section = path != ONE_VALUE && value.as_object().is_some_and(|fields| !fields.is_empty());
        found.push((path.clone(), section, value.clone()));
        if section {
            every_value(value, &path, found);
        }
    }
}

/// [`everything`] with one value set.
fn with(path: &str, value: Value) -> Value {
    let mut values = everything();
    let mut place = &mut values;
    for key in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = place.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
    }
    *place = value;
    values
}

/// The objects, and their text for what no field should hold.
fn render(values: &Value) -> Result<(Rendered, String), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), values.to_string()).unwrap();
    let rendered = render_files(&chart(), "r", &[file.path()], "")?;
    let text = rendered.objects().map(Value::to_string).collect();
    Ok((rendered, text))
}

fn sentence(refusal: &str) -> String {
    refusal.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with this value left blank, if anything is.
fn wrong(path: &str, section: bool, default: &Value) -> Option<String> {
    let never_blank = section || NEVER_BLANK.contains(&path);
    let says = |refusal: &str| {
        let is_blank = format!("{path} is blank: give it a value, or remove the key");
        refusal.contains(&format!("{path} is required")) || (never_blank && refusal.contains(&is_blank))
    };
    // A blank value is refused for the same reason as its default is.
    let as_default =
        |refusal: &str| render(&with(path, default.clone())).is_err_and(|other| sentence(&other) == refusal);
    match render(&with(path, Value::Null)) {
        Err(refusal) => {
            let refusal = sentence(&refusal);
            (!says(&refusal) && !as_default(&refusal)).then(|| format!("{path}: {refusal}"))
        }
        Ok(_) if never_blank => Some(format!("{path}: blank is rendered")),
        Ok((_, text)) if text.contains("<nil>") || text.contains("%!") => Some(format!("{path}: <nil>")),
        Ok((_, text)) => match render(&with(path, default.clone())) {
            Ok((_, same)) if same == text => None,
            Ok(_) => Some(format!("{path}: blank is not the default")),
            Err(refusal) => Some(format!("{path}: the default is refused: {refusal}")),
        },
    }
}

#[test]
fn every_value_left_blank_is_its_default_or_refused_in_a_sentence() {
    render(&everything()).unwrap_or_else(|refusal| panic!("{refusal}"));
    let mut values = Vec::new();
    every_value(&defaults(), "", &mut values);
    assert!(values.len() > 150, "{}", values.len());
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let halves = values.chunks(values.len().div_ceil(2)).map(|half| {
            scope.spawn(|| {
                half.iter()
                    .filter_map(|(path, section, default)| wrong(path, *section, default))
                    .collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), values.len(), wrong.join("\n"));
}

#[test]
fn several_blank_sections_are_named_at_once() {
    let mut values = with("rules", Value::Null);
    for section in ["shards", "work"] {
        values.as_object_mut().unwrap().insert(section.into(), Value::Null);
    }
    let Err(refusal) = render(&values) else { panic!("rendered") };
    let refusal = sentence(&refusal);
    for section in ["rules", "shards", "work"] {
        assert!(refusal.contains(&format!("- {section} is blank: give it a value")), "{refusal}");
    }
}

#[test]
fn the_defaults_that_templates_read_are_those_of_the_values() {
    assert_eq!(document(&chart().join("defaults.yaml")), defaults());
}
