//! Moves exam submissions from a Rogo export into an assessment platform, once, with nothing lost.

pub mod exit;
pub mod cli;
pub mod settings;
pub mod telemetry;
pub mod domain;
pub mod rules;
pub mod ports;
pub mod identity;
pub mod inputs;
pub mod run;
pub mod plan;
pub mod shard;
pub mod finalize;
pub mod watch;
pub mod report;
pub mod adapters;
pub mod sample;
pub mod commands;
