//! The scripted SQL Server on its own, for demos and the cluster.

fn main() {}
