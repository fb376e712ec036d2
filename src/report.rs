//! Report: outcomes as a person sees them.

pub mod progress;
pub mod summary;
