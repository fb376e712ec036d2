//! Promises of postgres.
