//! Reports and scores: SQL Server, or its exported folder.
