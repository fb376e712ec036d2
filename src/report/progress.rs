//! Live progress of a process.
