//! Switches that are on without being typed, because the config file sets them.

use super::Command;

impl Command {
    /// Turns on the switches of this command of which `is_on` says so, by key. A dry run writes nothing, so it never probes.
    pub fn switch_on(&mut self, is_on: impl Fn(&str) -> bool) {
        if let Some(json) = self.json() {
            *json |= is_on("json");
        }
        if let Self::Plan(args) = self {
            args.prediction.predict |= is_on("predict");
            args.prediction.probe |= is_on("probe") && !args.dry_run;
        }
        if let Self::Verify(args) = self {
            args.only_unproven |= is_on("only_unproven");
            args.show_values |= is_on("show_values");
        }
    }

    /// The switch for an answer in JSON, of a command that has one.
    pub fn json(&mut self) -> Option<&mut bool> {
        match self {
            Self::Plan(args) => Some(&mut args.json),
            Self::Verify(args) => Some(&mut args.json),
            Self::Status(args) => Some(&mut args.json),
            Self::Rollback(args) => Some(&mut args.json),
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
            | Self::Completions(_) => None,
        }
    }
}
