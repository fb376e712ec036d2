//! Pages in a real Chromium, which `browser.cjs` opens. Nothing that it sees leaves this machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{machine, npm, process};

const PUPPETEER: &str = "24.9.0";
const AXE: &str = "4.14.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/browser.cjs");

/// Chromium, and what drives it.
pub struct Browser {
    chromium: PathBuf,
    packages: [PathBuf; 2],
}

impl Browser {
    /// The one of this machine; or why there is none.
    pub fn find() -> Result<Self, String> {
        // As tests/need.sh looks for it.
        let chromium = machine::on_path(&["chromium", "chromium-browser", "google-chrome"]);
        let chromium =
            chromium.ok_or("Chromium is missing: tests/run.sh installs it (apt-get install chromium)")?;
        let packages = [npm::installed("puppeteer-core", PUPPETEER)?, npm::installed("axe-core", AXE)?];
        Ok(Self { chromium, packages })
    }

    /// Opens each page in light and in dark: what was seen, in order. `folder` gets the pages, and pictures of them if they are
    /// wanted.
    pub fn look(&self, pages: &BTreeMap<&str, String>, folder: &Path, pictures: bool) -> Vec<Value> {
        for (name, page) in pages {
            fs::write(folder.join(format!("{name}.html")), page).unwrap();
        }
        let node_path =
            self.packages.each_ref().map(|folder| folder.join("node_modules").display().to_string());
        let mut looking = Command::new("node");
        looking.arg(SCRIPT).arg(&self.chromium).arg(folder).arg(if pictures { "shots" } else { "" });
        let looked = process::blocking(looking.args(pages.keys()).env("NODE_PATH", node_path.join(":")));
        let said = String::from_utf8_lossy(&looked.stdout);
        assert!(looked.status.success(), "{said}{}", String::from_utf8_lossy(&looked.stderr));
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
