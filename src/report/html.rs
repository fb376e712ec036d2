//! `report.html`: one self-contained page about a finished run, for people who were not there. It is made from documents
//! whose size does not depend on the number of rows, and the same documents make the same bytes.

mod balance;
mod facts;
mod next;
mod prediction;
mod stages;
mod svg;
mod time;
mod verdict;

use askama::Template;

use crate::run::{Course, Plan, Summary, Verification};

/// The documents that the page tells.
pub struct Documents<'a> {
    /// `plan.json`.
    pub plan: &'a Plan,
    /// `summary.json`.
    pub summary: &'a Summary,
    /// `telemetry.json`.
    pub course: &'a Course,
    /// `verification.json`, if the run was verified.
    pub verification: Option<&'a Verification>,
}

/// A name and its value.
struct Fact {
    name: String,
    value: String,
}

impl Fact {
    fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}

/// A row of a table whose cells are ready.
struct Cells {
    name: String,
    cells: Vec<String>,
}

/// The page; `templates/report.html` is its form, checked when this is compiled.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    verdict: verdict::Verdict,
    figures: Vec<Fact>,
    next: next::Next,
    time: Option<time::Time>,
    waits: Vec<time::Wait>,
    limits: Vec<Fact>,
    stages: Option<stages::Stages>,
    shards: balance::Shards,
    workers: balance::Workers,
    slowest: Vec<Cells>,
    notes: Vec<next::CodedRows>,
    prediction: prediction::Told,
    checks: Vec<Cells>,
    facts: Vec<facts::Table>,
    data: String,
    uplot_css: &'static str,
    css: &'static str,
    uplot_licence: &'static str,
    uplot_js: &'static str,
    js: &'static str,
}

/// The page as text. A verification of another plan is left out.
pub fn render(documents: &Documents<'_>) -> Result<String, askama::Error> {
    let Documents { plan, summary, course, verification } = documents;
    let verification = verification.filter(|verification| verification.plan == plan.id);
    let page = Page {
        verdict: verdict::of(summary, verification),
        figures: facts::figures(plan, summary, course),
        next: next::of(summary, course, verification),
        time: time::of(course),
        waits: time::waits(course),
        limits: summary.limits.iter().map(|limit| Fact::new(limit.code.code(), limit.text.clone())).collect(),
        stages: stages::of(course),
        shards: balance::shards(course),
        workers: balance::workers(course),
        slowest: balance::slowest(course),
        notes: next::notes(summary, course),
        prediction: prediction::of(summary),
        checks: verification.map(verdict::checks).unwrap_or_default(),
        facts: facts::tables(plan, summary, course, verification),
        data: time::packed(course),
        uplot_css: include_str!("../../templates/uplot/uPlot.min.css"),
        css: include_str!("../../templates/report.css"),
        uplot_licence: include_str!("../../templates/uplot/LICENSE"),
        uplot_js: include_str!("../../templates/uplot/uPlot.iife.min.js"),
        js: include_str!("../../templates/report.js"),
    };
    page.render()
}

/// Milliseconds as seconds with one decimal.
fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    format!("{}.{}", super::grid::count(tenths / 10), tenths % 10)
}

/// Bytes as MiB with one decimal.
fn mebibytes(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1024 * 1024);
    let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
    format!("{}.{}", super::grid::count(whole), tenths % 10)
}

/// An instant to the second.
fn instant(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
