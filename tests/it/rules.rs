//! Promises of rules.
