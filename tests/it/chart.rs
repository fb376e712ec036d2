//! The Helm chart, rendered: a table of values and the fields they lead to, and of values that are refused.
//!
//! Helm comes from `HELM`, else from the path. `live` needs a cluster besides: `KUBECONFIG`, and in `ROGO_TEST_IMAGE` an
//! image of the program that the cluster has.

pub mod rendered;
mod table;
mod jobs;
mod pods;
mod settings;
mod names;
mod verify;
mod refusals;
mod blanks;
mod subchart;
mod examples;
mod commands;
mod inline;
mod lines;
mod notes;
mod schema;
mod live;
mod live_documents;
