//! The command line: clap types, no logic.
