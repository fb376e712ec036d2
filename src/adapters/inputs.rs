//! The two CSV exports: decoded, checked, streamed.
