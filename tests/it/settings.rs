//! Promises of settings.
