//! Promises of blobs.
