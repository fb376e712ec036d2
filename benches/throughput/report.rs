//! `report.html` of a large run: its size, and how long Chromium takes to open it. The documents are those that finalize would
//! write, folded from as many outcomes.

use std::collections::BTreeMap;

use super::{
    goals::{Goal, Goals},
    median,
    pages::{Made, Went},
    support::browser::Browser,
};

/// Times that the page is opened in light and in dark.
const ROUNDS: usize = 5;

/// Makes the page and opens it.
pub fn report(goals: &mut Goals, rows: u64, shards: u32) {
    println!("report.html of {rows} rows in {shards} shards");
    let page = Made::new(Went::WithFailures, rows, shards).page();
    goals.demand("size", page.len() as f64 / 1e3, "kB", Goal::AtMost(400.0));
    let browser = match Browser::find() {
        Ok(browser) => browser,
        Err(why) => return println!("  not opened: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let pages = BTreeMap::from([("large", page)]);
    let looks = (0..ROUNDS).flat_map(|_| browser.look(&pages, folder.path(), false));
    let opened = looks.map(|seen| seen["opened_ms"].as_f64().unwrap()).collect();
    Goals::compare("loaded and drawn", median(opened), "ms", Goal::AtMost(1_000.0));
}
