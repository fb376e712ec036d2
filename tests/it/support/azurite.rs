//! A private Azurite for the tests.
