//! Figures at the top; settings, versions and digests at the end.

use std::time::Duration;

use super::{Fact, instant};
use crate::{
    report::grid::{bytes, count, span},
    run::{Course, Plan, Summary, Verification, pins},
};

/// Settings of the plan that name a person or are secret: their values are not shown.
const HIDDEN: [&str; 2] = ["consumer-key", pins::RULE_OWNER];

/// A table of names and values.
pub(super) struct Table {
    pub(super) caption: &'static str,
    pub(super) name: &'static str,
    pub(super) facts: Vec<Fact>,
}

pub(super) fn figures(plan: &Plan, summary: &Summary, course: &Course) -> Vec<Fact> {
    let ended = course.shards.iter().filter_map(|shard| shard.last).max();
    vec![
        Fact::new("Planned (UTC)", instant(plan.created_at)),
        Fact::new("Last outcome (UTC)", ended.map_or_else(|| "none".to_owned(), instant)),
        Fact::new("Duration", span(Duration::from_millis(summary.duration_ms))),
        Fact::new("Rows per second", format!("{:.1}", summary.rows_per_second)),
        Fact::new("Files", count(summary.books.files)),
        Fact::new("Bytes", bytes(summary.books.bytes)),
        Fact::new("Shards", count(plan.shards.len() as u64)),
        Fact::new("Target database", plan.identity.to_string()),
    ]
}

pub(super) fn tables(
    plan: &Plan,
    summary: &Summary,
    course: &Course,
    verification: Option<&Verification>,
) -> Vec<Table> {
    let settings = plan.settings.iter().map(|(name, value)| {
        let is_hidden = HIDDEN.contains(&name.as_str());
        Fact::new(name, if is_hidden { pins::HIDDEN } else { value })
    });
    let process = course.settings.iter().map(|(name, value)| Fact::new(name, value));
    let mut tables = vec![Table {
        caption: "Settings that change outcomes, pinned by the plan",
        name: "Setting",
        facts: settings.collect(),
    }];
    tables.push(Table {
        caption: "Settings of the process that finalized",
        name: "Setting",
        facts: process.collect(),
    });
    tables.push(Table { caption: "Versions", name: "What", facts: versions(plan, verification) });
    tables.push(Table {
        caption: "Digests of inputs and results",
        name: "What",
        facts: digests(plan, summary, course),
    });
    tables.retain(|table| !table.facts.is_empty());
    tables
}

fn versions(plan: &Plan, verification: Option<&Verification>) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("Plan", plan.id.to_string()),
        Fact::new("Program that planned", plan.program_version.clone()),
        Fact::new("Rules", plan.rules_version.to_string()),
        Fact::new("Documents of the run store", plan.format.to_string()),
        Fact::new("Target container", plan.target.clone()),
        Fact::new("Warehouse", plan.warehouse.clone()),
    ];
    if let Some(verification) = verification {
        facts.push(Fact::new("Program that verified", verification.program_version.clone()));
    }
    facts
}

fn digests(plan: &Plan, summary: &Summary, course: &Course) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (name, input) in
        [("submission_files.csv", &plan.submissions), ("attempt_number_mapping.csv", &plan.mapping)]
    {
        let value = format!(
            "SHA-256 {}, {} bytes, {} rows",
            input.sha256,
            count(input.size_bytes),
            count(input.rows)
        );
        facts.push(Fact::new(name, value));
    }
    if let Some(receipts) = &summary.receipts {
        facts.push(Fact::new("Settings and rules", format!("SHA-256 {}", receipts.settings)));
        facts.push(Fact::new("Program that finalized", format!("SHA-256 {}", receipts.program)));
        facts.push(Fact::new("Receipts root", format!("{} {}", receipts.algorithm, receipts.root)));
    }
    let results = course.results.iter();
    facts.extend(results.map(|file| {
        Fact::new(&file.file, format!("SHA-256 {}, {} bytes", file.sha256, count(file.size_bytes)))
    }));
    facts
}
