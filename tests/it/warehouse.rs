//! Promises of warehouse.
