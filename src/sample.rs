//! Sample: generated inputs of any size, every outcome that data alone can cause among them.

/// The target's tables, as tests and demonstrations create them.
pub const TARGET_SCHEMA: &str = include_str!("sample/schema.sql");
