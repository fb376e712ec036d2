//! Whole runs on a real Kubernetes: what was written is read back from the tables, the blobs and the results, whatever
//! happened to the pods meanwhile. `tests/cluster.sh` builds and starts what these tests need.
//!
//! ```text
//! services: PostgreSQL, Azurite and a sample, shared · world: one test's namespace, database and containers
//! release: the chart in it · pods: every pod that was ever seen · node: what happens to a pod from outside Kubernetes
//! ```

mod kubectl;
mod services;
mod world;
mod release;
mod pods;
mod node;

mod install;
mod credentials;
mod upgrades;
mod disruptions;
mod reruns;
mod finalizer;
mod gitops;
mod waiting;
mod many_shards;
mod verify;
mod telemetry;
mod notify;
