//! The summary of a run: grid and `summary.json`.
