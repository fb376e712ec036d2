//! The commands: wiring only.
