//! Promises of the report in a real browser.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde_json::Value;

use super::pages;
use crate::support::{machine, npm};

const PUPPETEER: &str = "24.9.0";
const AXE: &str = "4.14.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/browser.cjs");
/// A folder that gets pages and screenshots, to be looked at.
const PAGES: &str = "ROGO_TEST_PAGES";
/// How long a page may take until it is loaded and drawn; of two times the shorter one counts, for the machine is busy
/// with other tests.
const OPENS_WITHIN_MS: f64 = 1_000.0;

#[test]
fn a_browser_shows_every_page_without_a_request_an_error_or_a_barrier() {
    let Some((chromium, puppeteer, axe)) = machine::or_skipped(browser()) else { return };
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os(PAGES).map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let pages = pages::all();
    for (name, page) in &pages {
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    let mut looking = Command::new("node");
    looking.arg(SCRIPT).arg(&chromium).arg(folder).arg(if kept.is_some() { "shots" } else { "" });
    looking.args(pages.keys());
    let node_path =
        [&puppeteer, &axe].map(|folder| folder.join("node_modules").display().to_string()).join(":");
    let looked = looking.env("NODE_PATH", node_path).output().unwrap();
    let said = String::from_utf8_lossy(&looked.stdout);
    assert!(looked.status.success(), "{said}{}", String::from_utf8_lossy(&looked.stderr));
    let mut opened: BTreeMap<String, f64> = BTreeMap::new();
    for line in said.lines() {
        let seen: Value = serde_json::from_str(line).unwrap();
        let name = &seen["page"];
        assert_eq!(seen["requests"].as_array().map(Vec::len), Some(0), "{seen}");
        assert_eq!(seen["errors"].as_array().map(Vec::len), Some(0), "{seen}");
        assert_eq!(seen["violations"].as_array().map(Vec::len), Some(0), "{seen}");
        let took = opened.entry(name.to_string()).or_insert(f64::MAX);
        *took = took.min(seen["opened_ms"].as_f64().unwrap());
        assert_eq!(seen["wider"], false, "{name} is wider than the window");
        assert_eq!(seen["bare"], true, "{name} has its tables and pictures also without scripts");
        assert_eq!(seen["sorted"], true, "{name}: a heading sorts its table, by keyboard");
    }
    for (name, took) in opened {
        assert!(took <= OPENS_WITHIN_MS, "{name} opened in {took} ms");
    }
    assert_eq!(said.lines().count(), pages.len() * 2, "every page in light and dark: {said}");
}

fn browser() -> Result<(PathBuf, PathBuf, PathBuf), String> {
    // As tests/need.sh looks for it.
    let chromium = machine::on_path(&["chromium", "chromium-browser", "google-chrome"]);
    let chromium =
        chromium.ok_or("Chromium is missing: tests/run.sh installs it (apt-get install chromium)")?;
    let puppeteer = npm::installed("puppeteer-core", PUPPETEER)?;
    let axe = npm::installed("axe-core", AXE)?;
    Ok((chromium, puppeteer, axe))
}
