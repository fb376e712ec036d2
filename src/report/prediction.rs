//! A prediction as people read it: first of all what to mend.

use std::time::Duration;

use super::grid::{Align, Grid, bytes, count, span};
use crate::run::{CheckResult, Compared, Counted, Prediction, Summary};

impl Prediction {
    /// The prediction for people.
    pub fn text(&self) -> String {
        let sections = [
            self.mending(),
            self.expected_outcomes(),
            self.expected_files(),
            self.expected_shards(),
            self.expected_work(),
            self.checked(),
        ];
        let shown: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        shown.join("\n")
    }

    fn mending(&self) -> String {
        if self.to_mend.is_empty() {
            return "nothing to mend\n".into();
        }
        let mut lines = vec!["to mend, the worst first".to_owned()];
        for item in &self.to_mend {
            lines.push(format!("  {}: {}", item.what, item.says));
            if !item.remedy.is_empty() {
                lines.push(format!("    {}", item.remedy));
            }
            if !item.examples.is_empty() {
                lines.push(format!("    for example {}", item.examples.join(", ")));
            }
        }
        lines.join("\n") + "\n"
    }

    fn expected_outcomes(&self) -> String {
        if self.plan.is_none() && self.rows == 0 {
            return String::new();
        }
        let outcomes = &self.outcomes;
        let mut grid = Grid::new([
            ("predicted", Align::Left),
            ("code", Align::Left),
            ("rows", Align::Right),
            ("examples", Align::Left),
        ]);
        let mut row = |kind: &str, code: &str, counted: &Counted| {
            grid.row([kind.into(), code.into(), count(counted.rows), counted.examples.join(", ")]);
        };
        row("migrated", "", &outcomes.migrated);
        outcomes.failed.iter().for_each(|(code, counted)| row("failed", code.code(), counted));
        outcomes.skipped.iter().for_each(|(code, counted)| row("skipped", code.code(), counted));
        outcomes.notes.iter().for_each(|(code, counted)| row("(note)", code.code(), counted));
        let unknown: Vec<&str> = self.not_predictable.failed.iter().map(|code| code.code()).collect();
        format!(
            "{} rows of {}\n\n{}not predictable: {} ({})\n",
            count(self.rows),
            self.run,
            grid.render(),
            unknown.join(", "),
            self.not_predictable.says
        )
    }

    fn expected_files(&self) -> String {
        let files = &self.files;
        if files.sources.is_empty() {
            return String::new();
        }
        let how = if files.exact { "every file was looked at" } else { "estimated from a sample" };
        let mut lines = vec![format!("{} files, {} to copy: {how}", count(files.files), bytes(files.bytes))];
        for source in &files.sources {
            lines.push(format!(
                "  {}: {} files, {}; {} missing, {} archived, {} forbidden",
                source.container,
                count(source.files),
                source.way,
                source.missing,
                source.archived,
                source.forbidden
            ));
        }
        let missing = &self.not_in_input;
        let figure = |number: Option<u64>| number.map_or_else(|| "unknown".into(), count);
        lines.push(format!(
            "not in the input: {} attempts of the mapping, {} of the warehouse alone, {} source blobs",
            count(missing.mapping_attempts),
            figure(missing.warehouse_attempts),
            figure(missing.blobs)
        ));
        lines.extend(missing.not_possible.iter().map(|reason| format!("  not compared: {reason}")));
        lines.join("\n") + "\n"
    }

    fn expected_shards(&self) -> String {
        if self.shards.len() < 2 {
            return String::new();
        }
        let mut grid = Grid::new([
            ("shard", Align::Right),
            ("rows", Align::Right),
            ("migrated", Align::Right),
            ("files", Align::Right),
            ("bytes", Align::Right),
        ]);
        for shard in self.shards.iter().take(SHARDS_SHOWN) {
            grid.row([
                shard.shard.to_string(),
                count(shard.rows),
                count(shard.migrated),
                count(shard.files),
                bytes(shard.bytes),
            ]);
        }
        let more = self.shards.len().saturating_sub(SHARDS_SHOWN);
        let more = if more > 0 { format!("{more} more shards: --json shows all\n") } else { String::new() };
        grid.render() + &more
    }

    fn expected_work(&self) -> String {
        if self.duration.basis.is_empty() {
            return String::new();
        }
        let (work, duration) = (&self.quantities, &self.duration);
        format!(
            "expected duration {} ({} to {}) in {} process(es), {} pod-hours\n  {}\nrequests: database {}, warehouse {}, sources {}, \
             target container {}\negress {}, growth of the database about {}\n  {}\n",
            span(Duration::from_millis(duration.milliseconds)),
            span(Duration::from_millis(duration.least_ms)),
            span(Duration::from_millis(duration.most_ms)),
            duration.processes,
            work.pod_hours,
            duration.basis,
            count(work.database_requests),
            count(work.warehouse_requests),
            count(work.source_requests),
            count(work.target_requests),
            bytes(work.egress_bytes),
            bytes(work.database_bytes),
            work.basis
        )
    }

    fn checked(&self) -> String {
        let mut grid = Grid::new([("check", Align::Left), ("result", Align::Left), ("found", Align::Left)]);
        for check in &self.checks {
            let result = match check.result {
                CheckResult::Pass => "pass",
                CheckResult::Warn => "WARN",
                CheckResult::Fail => "FAIL",
            };
            grid.row([check.check.clone(), result.into(), check.says.replace('\n', " ")]);
        }
        if self.documents.is_empty() {
            return grid.render();
        }
        format!("{}\nwritten\n  {}\n", grid.render(), self.documents.join("\n  "))
    }
}

impl Summary {
    /// How far the run was as predicted; empty if it was not predicted.
    pub(super) fn predicted(&self) -> String {
        let Some(Compared { same, differences, duration, .. }) = &self.prediction else {
            return String::new();
        };
        let time = |ms: u64| span(Duration::from_millis(ms));
        let mut lines = vec![format!(
            "{} the prediction; {} from the first process's start, {} predicted ({:+.1}%)",
            if *same { "as" } else { "differs from" },
            time(duration.outcome_ms),
            time(duration.predicted_ms),
            duration.off_percent
        )];
        lines.extend(differences.iter().map(|one| {
            format!(
                "  {}: {} predicted, {} came: {}",
                one.what,
                count(one.predicted),
                count(one.outcome),
                one.why
            )
        }));
        lines.join("\n") + "\n"
    }
}

/// Shards that a person is shown.
const SHARDS_SHOWN: usize = 20;
