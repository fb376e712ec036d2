//! What the stages need of the world. Adapters implement these; tests may fake them.

pub mod deadline;
pub mod regular;
mod fault;
mod fence;
mod backoff;
mod permits;
mod task;
mod gate;
mod load;
mod warehouse;
mod blobs;
mod target;
mod stored;
mod copies;
mod undo;
mod jobs;

pub use backoff::{Backoff, Patience, due, every, gently, jitter, overdue, pause, within};
pub use blobs::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Existing, PutOptions, Source, Stored, Upload, stored_form,
};
pub use copies::TargetCopies;
pub use fault::{Fault, FaultKind, Retry, Service};
pub use fence::{ExclusiveFence, Fence, MayWrite};
pub use gate::{Gate, Turn};
pub use jobs::{
    FoundJobs, JobEnd, JobState, Jobs, LastWord, Obstacle, ObstacleKind, RunJob, RunJobs, Survey,
    TerminatingPod,
};
pub use load::{LoadSign, TargetLoad};
pub use permits::{Permit, Permits};
pub use stored::{
    Cell, ControlSums, Link, Lookup, ReaderRole, StoredCatalogue, StoredRow, StoredTarget, Table, Unreadable,
};
pub use target::{
    Absent, Committed, Compared, CopiedMigration, Finding, HeldSubmission, Holdings, Session,
    StandingSubmission, TARGET_CHECKS, TargetReader, TargetWriter,
};
pub use task::{joined, on_thread, on_threads, processors, side_by_side};
pub use undo::{
    Decide, HangingRows, OWN_TABLES, OtherMalpractice, Removal, RuleUndo, StandingRule, StoredMalpractice,
    TargetUndo, WrittenRow, WrittenSubmission,
};

pub use crate::domain::CopiedFile;
pub use warehouse::{EXPORTED_TABLES, WAREHOUSE_CHECKS, Warehouse, WarehouseShape, in_order};
