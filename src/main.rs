//! The program `rogo-migrate`: arguments, settings, telemetry, command, exit code.

use std::process::ExitCode;

use clap::Parser;
use rogo_migrate::{
    cli::Cli,
    commands::{self, guarded, last_word},
    exit::{Exit, Stop},
    report,
    settings::{format_before_settings, wants_json},
    telemetry::tell_as_the_log,
};

/// Thousands of small allocations a submission, and buffers that one thread makes and another frees.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tell_as_the_log(format_before_settings());
    if wants_json() {
        report::answer_in_json();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are answers, not errors.
        Err(answer) if !answer.use_stderr() => {
            let _ = answer.print();
            return Exit::Done.into();
        }
        Err(error) => return unreadable(&error),
    };
    match guarded(|| commands::run(cli)) {
        Ok(end) => {
            last_word(end.exit, &end.message);
            end.exit.into()
        }
        Err(stop) => {
            report::tell_error(&stop.message, &stop.facts());
            fail(&stop)
        }
    }
}

/// The end because of a command line that cannot be read; clap's own exit code is 2.
fn unreadable(error: &clap::Error) -> ExitCode {
    // Not the arguments themselves: someone may have put a secret among them.
    let message = format!("the command line cannot be read: {}; see the log", error.kind());
    let stop = Stop::new(Exit::Usage, message);
    if report::tells_in_json() {
        let told = error.render().to_string();
        report::tell_error(told.strip_prefix("error: ").unwrap_or(&told), &stop.facts());
    } else {
        let _ = error.print();
    }
    fail(&stop)
}

/// The end after an error that was told: with `--json` standard output has the same as an object, if the command has no result.
fn fail(stop: &Stop) -> ExitCode {
    report::print_error(&stop.json());
    last_word(stop.exit, &stop.message);
    stop.exit.into()
}
