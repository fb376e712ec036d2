//! The program `rogo-migrate`: arguments, settings, telemetry, command, exit code.

fn main() {}
