//! A private Postgres for the tests.
