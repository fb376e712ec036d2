//! Promises of report.
