//! Switches that are on without being typed, because the config file sets them.

use super::Command;

impl Command {
    /// Turns on the switches of this command of which `is_on` says so, by key. A dry run writes nothing, so it never probes.
    pub fn switch_on(&mut self, is_on: impl Fn(&str) -> bool) {
        match self {
            Self::Plan(args) => {
                args.json |= is_on("json");
                args.prediction.predict |= is_on("predict");
                args.prediction.probe |= is_on("probe") && !args.dry_run;
            }
            Self::Verify(args) => {
                args.json |= is_on("json");
                args.only_unproven |= is_on("only_unproven");
                args.show_values |= is_on("show_values");
            }
            Self::Status(args) => args.json |= is_on("json"),
            Self::Rollback(args) => args.json |= is_on("json"),
            Self::Shard(_)
            | Self::Finalize(_)
            | Self::Run(_)
            | Self::Resume(_)
            | Self::Results(_)
            | Self::Report(_)
            | Self::Orphans(_)
            | Self::Purge(_)
            | Self::Explain(_)
            | Self::Settings(_)
            | Self::Sample(_)
            | Self::Completions(_) => {}
        }
    }

    /// Whether the command answers in JSON.
    pub fn answers_in_json(&self) -> bool {
        match self {
            Self::Plan(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Status(args) => args.json,
            Self::Rollback(args) => args.json,
            Self::Shard(_)
            | Self::Finalize(_)
            | Self::Run(_)
            | Self::Resume(_)
            | Self::Results(_)
            | Self::Report(_)
            | Self::Orphans(_)
            | Self::Purge(_)
            | Self::Explain(_)
            | Self::Settings(_)
            | Self::Sample(_)
            | Self::Completions(_) => false,
        }
    }
}
