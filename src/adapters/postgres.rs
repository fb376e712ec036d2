//! The target database.
