//! The scripted SQL Server of the tests.
