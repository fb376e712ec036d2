//! The run: everything in which plan, shards, finalize and the commands that watch them meet. Each format has one
//! writer and one reader, side by side.

pub mod documents;
pub mod store;
pub mod lines;
pub mod queue;
pub mod facts;
pub mod segments;
pub mod writers;
pub mod decisions;
pub mod lost;
pub mod enforcements;
pub mod orphans;
mod recorded;
pub mod planning;
pub mod recognised;
pub mod outcomes;
mod standing;
pub mod verifying;
mod expected;
pub mod pins;
pub mod purge;
pub mod purged;
pub mod private;
pub mod receipts;
pub mod results;
pub mod source_files;
pub mod clocks;
pub mod heartbeats;
pub mod archive;
pub mod bundle;
pub mod evidence;
pub mod lock;
mod row_set;

pub use crate::ids::{Epoch, InvalidId, PlanId, RunName, TraceParent, WriterId};
pub use documents::*;
pub use expected::{Expected, ExpectedData, ExpectedFiles, ExpectedWarehouse};
pub use row_set::{OutOfRange, RowSet};
pub use standing::Standing;
pub use store::{DoneMarkers, RunStore, named_instead};
pub use verifying::VerifyBeat;
