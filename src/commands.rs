//! The commands: wiring only.

use crate::{
    cli::{Cli, Command},
    exit::{Exit, Stop},
    settings::{Flags, LogSettings, Settings, Sources},
    telemetry,
};

mod completions;
mod settings;

/// Arguments → settings → telemetry → command. All that can fail synchronously fails before a runtime starts.
pub fn run(cli: &Cli) -> Result<Exit, Stop> {
    if let Command::Completions(args) = &cli.command {
        return Ok(completions::run(args));
    }
    let sources = Sources::gather(flags(cli), cli.global.config.as_deref())?;
    match &cli.command {
        Command::Settings(_) => settings::run(&sources),
        Command::Sample(_) => {
            let _telemetry = telemetry::start(&LogSettings::load(&sources)?)?;
            Err(not_wired())
        }
        _ => {
            let _settings = Settings::load(&sources)?;
            let _telemetry = telemetry::start(&LogSettings::load(&sources)?)?;
            Err(not_wired())
        }
    }
}

fn not_wired() -> Stop {
    Stop::new(Exit::Bug, "this command is not wired yet")
}

/// Every flag of a setting, by its key.
fn flags(cli: &Cli) -> Flags {
    let flags = Flags::default().with(&cli.global);
    match &cli.command {
        Command::Plan(args) => flags.with(&args.plan).with(&args.settings),
        Command::Shard(args) => flags.with(&args.shard).with(&args.wait).with(&args.settings),
        Command::Finalize(args) => flags.with(&args.wait).with(&args.settings),
        Command::Run(args) => flags.with(&args.plan).with(&args.settings),
        Command::Orphans(args) => flags.with(&args.settings),
        Command::Settings(args) => {
            flags.with(&args.plan).with(&args.shard).with(&args.wait).with(&args.settings)
        }
        Command::Sample(_) | Command::Completions(_) => flags,
    }
}
