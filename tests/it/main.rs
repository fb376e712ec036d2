//! The integration tests: one binary, real servers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot go on fails its test")]
#![allow(clippy::too_many_lines, reason = "a test may be a long table of cases")]

mod support;
mod architecture;
mod rules;
mod gather;
mod inputs;
mod plan;
mod predict;
mod listed;
mod shard;
mod warehouse;
mod blobs;
mod postgres;
mod settings;
mod report;
mod sample;
mod screens;
mod scripts;
mod finalize;
mod e2e;
mod whole;
mod crash;
mod failover;
mod receipts;
mod after;
mod rollback;
mod later;
mod explain;
mod outages;
mod readback;
mod verify;
mod telemetry;
mod observability;
mod traces;
#[cfg(feature = "cluster")]
mod chart;
#[cfg(feature = "cluster")]
mod cluster;
mod bad_days;
