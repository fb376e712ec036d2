//! Reports and scores: SQL Server (Azure SQL Database, Azure Synapse), or its exported folder.
//!
//! ```text
//! connection_string → pool (one connection, one batch) → catalogue → tables (what is asked)
//!                     └ faults, entra                               → rows, values (what is answered)
//! mssql: fetch many attempts · scan: every row, window by window · export: the two CSV files
//! ```

mod catalogue;
mod connection_string;
mod entra;
mod export;
mod faults;
mod mssql;
mod pool;
mod rows;
mod scan;
mod tables;
mod values;

pub use export::Export;
pub use mssql::SqlServer;
