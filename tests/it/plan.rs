//! Promises of plan.
