//! The exported folder.
