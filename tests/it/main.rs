//! The integration tests: one binary, real servers.

mod support;
mod architecture;
mod rules;
mod inputs;
mod plan;
mod warehouse;
mod blobs;
mod postgres;
mod settings;
mod report;
mod sample;
mod finalize;
#[cfg(feature = "cluster")]
mod chart;
