//! The verbs of the migration: pure functions from a row and its facts to a decision.
//!
//! [`decide`] is the decision table, top to bottom; every other file here answers one question of it.
//! No I/O, no clock, no `async`: the same arguments give the same decision in every process.

mod config;
mod decide;
mod asked;
mod later;
mod attempt_number;
mod report;
mod scores;
mod assessment;
mod sections;
mod grade;
pub mod malpractice;
mod files;
mod misread;
mod file_type;
mod source_url;
mod values;
mod numbers;
mod dates;
mod message;
pub mod blob_name;
pub mod size;
pub mod rows;

pub use asked::asks_target;
pub use assessment::CatalogueIndex;
pub use config::RuleConfig;
pub use decide::{decide, decide_without_facts, held_elsewhere, lone_launch_session, needs_facts};
pub use files::{named_urls, source_urls};
pub use sections::sections_of_label;
