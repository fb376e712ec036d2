//! Promises of sample.
