//! Promises of finalize.
