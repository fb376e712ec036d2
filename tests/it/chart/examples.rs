//! Values files for real situations: each renders, and between them and the tests every value is moved from its default.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::rendered::{chart, render_files};

/// Values that no case moves, and why.
const UNMOVED: [(&str, &str); 2] = [
    ("credentials.consumerKey.enabled", "a run needs it: false is refused"),
    ("credentials.database.enabled", "a run needs it: false is refused"),
];
/// Tests whose values are refused, or stand in names only.
const OF_NO_CASE: [&str; 3] = ["examples.rs", "lines.rs", "refusals.rs"];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The YAML files of a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

fn document(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_example_renders() {
    let examples = files("deploy/examples");
    assert!(examples.len() >= 8, "{examples:?}");
    for file in &examples {
        let rendered = render_files(&chart(), "r", &[file], "").unwrap_or_else(|refusal| {
            panic!("{}: {refusal}", file.display());
        });
        assert!(rendered.find("shards").is_some(), "{}", file.display());
    }
}

/// The values of deploy/aks, with the names in capitals filled in.
#[test]
fn the_values_for_aks_render_when_they_are_filled_in() {
    let text = fs::read_to_string(repository("deploy/aks/values.yaml")).unwrap();
    let filled = text
        .replace("REGISTRY", "registry")
        .replace("CONTAINER", "container")
        .replace("LEARNERS", "learners")
        .replace("ACCOUNT", "account");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), filled).unwrap();
    let organisation = "organisation.lmsInstance=3f2504e0-4f89-11d3-9a0c-0305e82c3301 organisation.lmsName=x \
                        organisation.returnUrl=https://x.example";
    render_files(&chart(), "r", &[file.path()], organisation).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// Paths of all values that are no sections.
fn leaves(values: &Value, at: &str, found: &mut Vec<String>) {
    match values.as_object().filter(|fields| !fields.is_empty() && at != "dnsConfig") {
        Some(fields) => {
            for (key, value) in fields {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                leaves(value, &path, found);
            }
        }
        None => found.push(at.to_owned()),
    }
}

#[test]
fn every_value_is_moved_by_a_case_or_has_a_reason_why_not() {
    let defaults = document(&chart().join("values.yaml"));
    let pointer = |path: &str| format!("/{}", path.replace('.', "/"));
    let mut cases: Vec<Value> = files("deploy/examples").iter().map(|file| document(file)).collect();
    cases.extend(
        ["charts/rogo-migrate/ci/minimal-values.yaml", "deploy/kind/values.yaml"]
            .map(|path| document(&repository(path))),
    );
    // The tables of the tests: `--set` pairs.
    let tests: String = fs::read_dir(repository("tests/it/chart"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .filter(|path| !OF_NO_CASE.iter().any(|file| path.ends_with(file)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut paths = Vec::new();
    leaves(&defaults, "", &mut paths);
    let moved = |path: &String| {
        let default = defaults.pointer(&pointer(path));
        let by_file =
            cases.iter().filter_map(|case| case.pointer(&pointer(path))).any(|value| Some(value) != default);
        let by_pair = ["=", "[", "."].iter().any(|next| {
            [" ", "\"", "&"].iter().any(|before| tests.contains(&format!("{before}{path}{next}")))
        });
        by_file || by_pair
    };
    let mut unmoved: Vec<_> = paths.iter().filter(|path| !moved(path)).map(String::as_str).collect();
    unmoved.sort_unstable();
    assert_eq!(unmoved, UNMOVED.map(|(path, _)| path), "add a case, or a reason to UNMOVED");
}
