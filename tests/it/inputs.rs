//! Promises of inputs.
