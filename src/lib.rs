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
//! 1. [`domain`]: the values, parsed once. [`rules`]: pure functions from a row and its facts to a decision. [`ids`]: the
//!    names of runs, plans and writers.
//! 2. [`ports`]: the services that the stages use, and the one [`ports::Fault`]. [`exit`]: how a fault ends a process.
//! 3. [`run`]: the documents in which the steps meet, with one writer and one reader for each format, and the run's lock.
//!    [`gather`]: the facts that decide rows, fetched for many rows at once.
//! 4. [`plan`], [`shard`], [`finalize`]: the three steps. [`predict`]: what they are going to do. [`rollback`]: removing
//!    what a run created. [`watch`]: following a run and continuing it. [`verify`]: comparing what the target holds with
//!    inputs and warehouse, by rules of its own. [`dossier`]: everything known about one attempt. No one of these imports
//!    another.
//! 5. [`adapters`]: Azure Storage and folders, SQL Server and exported tables, PostgreSQL, Kubernetes, notifications.
//! 6. [`inputs`], [`settings`]: reading the CSVs and the settings. [`report`]: events and output for people. [`explain`]: a
//!    text for each code. [`sample`]: test data.
//! 7. [`commands`]: the wiring; [`cli`], [`telemetry`], [`identity`]: arguments, logs with metrics and traces, Entra tokens.
//!
//! # Glossary
//!
//! | term | meaning |
//! | --- | --- |
//! | writer | one process while it moves one shard: it may upload files and commit rows, has a [`ids::WriterId`] and is registered in the run store |
//! | fence | the run's advisory lock in the target database: every writing connection holds it shared; a process that merges, sweeps or rolls back holds it exclusively |
//! | retire | to mark a writer in the run store so that it never writes again, even if it still reaches the database |
//! | sweep | the removal of blobs that writers left behind and that no row of the target names, by finalize, `orphans --delete` and rollback |
//! | books | the counts of a run: rows = migrated + failed + skipped + missing, always |
//! | held | what the target already has under a row's launch id: a submission, or a launch session alone ([`domain::Held`]) |
//! | pinned | recorded in `plan.json` and compared by every later process: inputs, settings, target, warehouse |
//! | receipt | the digest of a migrated submission's rows as the target stores them ([`domain::Receipt`]), of one of its files, or of a whole run ([`run::receipts`]); `verify` compares all three |

pub mod exit;
pub mod cli;
pub mod settings;
pub mod telemetry;
pub mod domain;
pub mod ids;
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
