//! Promises of the report in a real browser, and its pictures in `docs/report`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::pages;
use crate::support::{browser::Browser, machine};

/// A folder that gets pages and screenshots, to be looked at.
const PAGES: &str = "ROGO_TEST_PAGES";
/// `overwrite` draws the pictures of the documents anew; look at them before you commit.
const PICTURES: &str = "SNAPSHOTS";
/// A picture of the documents is a small file.
const MOST_BYTES: u64 = 60_000;

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report")
}

#[test]
fn a_browser_shows_every_page_without_a_request_an_error_or_a_barrier() {
    let Some(browser) = machine::or_skipped(Browser::find()) else { return };
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os(PAGES).map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let draws = draws();
    let pages = pages::all();
    let looked = browser.look(&pages, folder, draws || kept.is_some());
    for seen in &looked {
        let name = &seen["page"];
        assert_eq!(seen["requests"].as_array().map(Vec::len), Some(0), "{seen}");
        assert_eq!(seen["errors"].as_array().map(Vec::len), Some(0), "{seen}");
        assert_eq!(seen["violations"].as_array().map(Vec::len), Some(0), "{seen}");
        assert_eq!(seen["wider"], false, "{name} is wider than the window");
        assert_eq!(seen["bare"], true, "{name} has its tables and pictures also without scripts");
        assert_eq!(seen["lacking"].as_array().map(Vec::len), Some(0), "on paper: {seen}");
        assert_eq!(seen["broken"].as_array().map(Vec::len), Some(0), "commands: {}", seen["broken"]);
        assert_eq!(seen["sorted"], true, "{name}: a heading sorts its table, by keyboard");
    }
    assert_eq!(looked.len(), pages.len() * 2, "every page in light and dark: {looked:?}");
    if draws {
        for picture in pictures() {
            fs::copy(folder.join(&picture), documents().join(&picture)).unwrap();
        }
    }
}

/// Of every page, in light and dark.
fn pictures() -> BTreeSet<String> {
    let of_both = |name: &&str| ["light", "dark"].map(|scheme| format!("{name}-{scheme}.png"));
    pages::NAMES.iter().flat_map(of_both).collect()
}

fn draws() -> bool {
    std::env::var(PICTURES).is_ok_and(|what| what == "overwrite")
}

#[test]
fn the_documents_show_every_page_in_light_and_dark_in_small_files() {
    if draws() {
        return;
    }
    let entries: Vec<_> = fs::read_dir(documents()).unwrap().map(Result::unwrap).collect();
    let found: BTreeSet<String> = entries
        .iter()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(found, pictures(), "SNAPSHOTS=overwrite with `report::browser` draws them");
    for entry in &entries {
        let bytes = entry.metadata().unwrap().len();
        assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes", entry.path().display());
    }
    let shown = fs::read_to_string(documents().join("README.md")).unwrap();
    for picture in found {
        assert!(shown.contains(&format!("({picture})")), "docs/report/README.md does not show {picture}");
    }
}
