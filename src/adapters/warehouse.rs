//! Reports and scores: SQL Server (Azure SQL Database, Azure Synapse), or its exported folder.
//!
//! ```text
//! connection_string → pool (one connection, one batch) → tables (what exists, how it is asked)
//!                     └ faults, entra                     └ values (cells)
//! mssql: fetch many attempts · scan: every row, window by window · export: the two CSV files
//! ```

mod connection_string;
mod entra;
mod export;
mod export_records;
mod faults;
mod mssql;
mod pool;
mod scan;
mod tables;
mod values;

pub use export::Export;
pub use mssql::SqlServer;
