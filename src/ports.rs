//! What the stages need of the world. Adapters implement these; tests may fake them.

mod fault;
mod warehouse;
mod blobs;
mod target;
mod jobs;

pub use blobs::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Existing, PutOptions, Source, Stored, Upload, stored_form,
};
pub use fault::{Fault, FaultKind, Retry, Service};
pub use jobs::{
    JobEnd, JobState, Jobs, LastWord, Obstacle, ObstacleKind, RunJob, RunJobs, Survey, TerminatingPod,
};
pub use target::{Committed, CopiedFile, ExclusiveFence, Fence, HeldSubmission, Target};
pub use warehouse::{Warehouse, WarehouseShape};
