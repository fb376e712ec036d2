//! Reports and scores: SQL Server (Azure SQL Database, Azure Synapse), or its exported folder.
//!
//! ```text
//! connection_string → pool (one connection, one batch) → catalogue → tables, column (what is asked)
//!                     └ dial, faults, entra                             → rows, values (what is answered)
//! mssql: one warehouse, its pools · lookup: the facts of many attempts · prefix: of as many as have room · witnesses: attempts that had rows · tries: retries · preflight: what would make every answer wrong · scan: every row, window by window · export: the two CSV files
//! ```

mod catalogue;
mod column;
mod connection_string;
mod dial;
mod entra;
mod export;
mod faults;
mod lookup;
mod mssql;
mod pool;
mod preflight;
mod prefix;
mod rows;
mod scan;
mod secret;
mod tables;
mod tries;
mod values;
mod witnesses;

pub use export::Export;
pub use mssql::SqlServer;
