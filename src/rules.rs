//! The verbs of the migration: pure functions from a row and its facts to a decision.

pub mod size;
