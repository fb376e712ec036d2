//! Verify: compares what the target holds with the inputs and the warehouse, row by row. It shares no code with what
//! moved the rows: values are compared with the input cell, the warehouse's value or the row beside it, and where a rule
//! is needed, [`expect`] states it a second time.
//!
//! ```text
//! inputs ─┐
//! outcomes├─► expect ─► checks ◄─ stored rows        a difference is looked at again after a while;
//! warehouse┘               └─► tally, differences    only what still differs is reported
//! ```
//!
//! The rows are cut into partitions, which any number of processes share: each writes what it found in one as a
//! [`part::Part`] to the verify store. At level content it reads the files of these rows too. The process that ends last
//! merges the parts, looks for surplus rows, lists containers, folds the receipt of the run anew, and looks again at what
//! differs ([`merging::Merging`]).

pub mod blobs;
pub mod by_check;
pub mod checks;
pub mod content;
pub mod enforcement;
pub mod expect;
pub mod facts;
pub mod findings;
pub mod mapping;
pub mod merging;
pub mod nothing;
pub mod part;
pub mod pass;
pub mod progress;
pub mod report;
pub mod rows;
pub mod run;
pub mod selection;
pub mod self_test;
pub mod signed;
pub mod surplus;
pub mod table;

pub use table::{CHECKS, Check, CheckId};
