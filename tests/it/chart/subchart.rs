//! As a subchart of another chart, under its own name or an alias.

use std::{fs, process::Command};

use serde_json::json;

use super::rendered::{Rendered, chart, copy_of_chart, render_files};
use crate::support::process;

/// Renders a parent chart `parent` that holds this chart as `alias`, with these values of the parent.
fn render_parent(alias: &str, condition: &str, values: &str) -> Result<Rendered, String> {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("parent");
    fs::create_dir_all(parent.join("charts")).unwrap();
    let (_copied, copy) = copy_of_chart();
    let moved = process::blocking(Command::new("cp").arg("-r").arg(&copy).arg(parent.join("charts")));
    assert!(moved.status.success());
    let version = "0.1.0";
    let metadata = format!(
        "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n  - {{name: rogo-migrate, alias: {alias}, version: {version}, \
         repository: '', condition: {condition}}}\n"
    );
    fs::write(parent.join("Chart.yaml"), metadata).unwrap();
    let minimal: serde_json::Value =
        serde_saphyr::from_str(&fs::read_to_string(chart().join("ci/minimal-values.yaml")).unwrap()).unwrap();
    let file = parent.join("own.yaml");
    fs::write(&file, json!({"global": {"team": "x"}, alias: minimal}).to_string()).unwrap();
    render_files(&parent, "r", &[&file], values)
}

#[test]
fn printed_lines_name_the_values_by_their_place_in_the_parent() {
    for alias in ["rogo-migrate", "mover"] {
        let rendered = render_parent(alias, "x.y", "").unwrap();
        let env = |name: &str| rendered.field("finalize", &format!("env/{name}/value")).cloned();
        assert_eq!(env("ROGO_HELM_PREFIX"), Some(json!(format!("{alias}."))));
        assert_eq!(env("ROGO_HELM_CHART"), Some(json!("parent")));
    }
    let own = render_parent("mover", "x.y", "mover.valuesPrefix=a.b. mover.chartReference=oci://p").unwrap();
    let env = |name: &str| own.field("finalize", &format!("env/{name}/value")).cloned();
    assert_eq!(
        (env("ROGO_HELM_PREFIX"), env("ROGO_HELM_CHART")),
        (Some(json!("a.b.")), Some(json!("oci://p")))
    );
}

#[test]
fn nothing_is_rendered_if_it_is_not_enabled() {
    for condition in ["mover.enabled", "x.y"] {
        let none = render_parent("mover", condition, "mover.enabled=false").unwrap();
        assert_eq!(none.objects().count(), 0, "condition {condition}");
    }
    assert!(render_parent("mover", "mover.enabled", "").unwrap().find("plan").is_some());
}

#[test]
fn blank_values_of_the_parent_are_defaults_and_blank_sections_are_refused() {
    let rendered =
        render_parent("mover", "x.y", "mover.rules.instructionSet=null mover.work.giveUpAfter=null").unwrap();
    assert_eq!(rendered.field("shards", "env/ROGO_GIVE_UP_AFTER/value"), Some(&json!("2h")));
    assert_eq!(rendered.field("shards", "env/ROGO_INSTRUCTION_SET"), None);
    let Err(refusal) = render_parent("mover", "x.y", "mover.rules=null") else { panic!("rendered") };
    assert!(refusal.contains("rules is blank"), "{refusal}");
}
