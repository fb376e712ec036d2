//! The program `rogo-migrate`: arguments, settings, telemetry, command, exit code.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use rogo_migrate::{cli::Cli, commands, exit::Exit, report};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors; clap's own code for errors is 2.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { Exit::Done.into() } else { Exit::Usage.into() };
        }
    };
    match commands::run(&cli) {
        Ok(exit) => exit.into(),
        Err(stop) => {
            report::tell(&format!("error: {stop}"));
            stop.exit.into()
        }
    }
}
