//! The commands: wiring only.

pub mod sample;
