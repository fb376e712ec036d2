//! Copy: one file from its source into the target container, its length and MD5 proven.
