//! The program `rogo-migrate`: arguments, settings, telemetry, command, exit code.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use rogo_migrate::{
    cli::Cli,
    commands::{self, guarded, last_word},
    exit::{Exit, Stop},
    report,
    settings::wants_json,
};

/// Thousands of small allocations a submission, and buffers that one thread makes and another frees.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors; clap's own code for errors is 2.
            let _ = error.print();
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                return Exit::Done.into();
            }
            // Not the arguments themselves: someone may have put a secret among them.
            let kind = error.kind();
            let message = format!("the command line cannot be read: {kind}; see the log");
            return fail(&Stop::new(Exit::Usage, message));
        }
    };
    match guarded(|| commands::run(&cli)) {
        Ok(end) => {
            last_word(end.exit, &end.message);
            end.exit.into()
        }
        Err(stop) => {
            report::tell(&format!("error: {stop}"));
            fail(&stop)
        }
    }
}

/// The end after an error that was told: with `--json` standard output has the same as an object, if the command has no result.
fn fail(stop: &Stop) -> ExitCode {
    if wants_json() {
        report::print_error(&stop.json());
    }
    last_word(stop.exit, &stop.message);
    stop.exit.into()
}
