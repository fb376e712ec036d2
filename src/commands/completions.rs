//! `completions`: prints a completion script.

use clap::CommandFactory;

use crate::{
    cli::{Cli, CompletionsArgs},
    exit::Exit,
    report,
};

/// Prints the script for the shell.
pub fn run(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rogo-migrate", &mut script);
    report::print(&String::from_utf8_lossy(&script));
    Exit::Done
}
