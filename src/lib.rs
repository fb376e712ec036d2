//! Moves exam submissions from a Rogo export into an assessment platform, once, with nothing lost.
//!
//! # The pipeline
//!
//! ```text
//! submissions ─┐                    ┌─ warehouse     source files ─► target container
//! mapping ─────┴► plan ─► queues ─► shard: gather ─► decide ─► copy ─► commit ─► record
//!                                            └─ target tables ─────────┘            │
//!                           results ◄─ finalize: retire, merge, balance, sweep ◄────┘ segments
//! ```
//!
//! The steps meet only in the run store. Any number of shards may work at the same time, on any number of machines.
//!
//! # The map, in reading order
//!
//! 1. [`domain`]: the values, parsed once. [`rules`]: pure functions from a row and its facts to a decision.
//! 2. [`ports`]: what the program needs of the outside world, and the one [`ports::Fault`]. [`exit`]: how a fault ends a process.
//! 3. [`run`]: the documents in which the steps meet, with one writer and one reader for each format, and the run's lock.
//!    [`run::ids`] holds names only; every module may use it.
//! 4. [`plan`], [`shard`], [`finalize`]: the three steps. [`predict`]: what they are going to do. [`rollback`]: the way
//!    back. [`watch`]: following a run and continuing it. [`verify`]: comparing what the target holds with inputs and
//!    warehouse, by rules of its own. [`dossier`]: everything known about one attempt. They stand side by side and do not import each other.
//! 5. [`adapters`]: Azure Storage and folders, SQL Server and exported tables, PostgreSQL, Kubernetes.
//! 6. [`inputs`], [`settings`], [`report`], [`explain`], [`sample`]: reading the CSVs, reading the settings, printing,
//!    a text for each code, test data.
//! 7. [`commands`]: the wiring; [`cli`], [`telemetry`], [`identity`]: the shell around it.
//!
//! # Glossary
//!
//! | term | meaning |
//! | --- | --- |
//! | writer | a process that may upload files and commit rows; it has a [`run::WriterId`] and is registered in the run store |
//! | fence | the run's advisory lock in the target database: every writer holds it shared, a merge holds it exclusively |
//! | retire | to mark a writer so that it never writes again, even if it still reaches the database |
//! | sweep | the removal of blobs that killed writers left behind and that no row of the target names |
//! | books | the counts of a run: rows = migrated + failed + skipped + missing, always |
//! | held | a submission, or a launch session, that the target already has under a row's launch id |
//! | pinned | recorded in `plan.json` and compared by every later process: inputs, settings, target, warehouse |
//! | receipt | reserved for the digest of a written submission that `verify` compares; not used for anything else |

pub mod exit;
pub mod cli;
pub mod settings;
pub mod telemetry;
pub mod domain;
pub mod rules;
pub mod ports;
pub mod identity;
pub mod inputs;
pub mod run;
pub mod gather;
pub mod plan;
pub mod predict;
pub mod shard;
pub mod finalize;
pub mod rollback;
pub mod watch;
pub mod verify;
pub mod report;
pub mod explain;
pub mod dossier;
pub mod adapters;
pub mod sample;
pub mod commands;
