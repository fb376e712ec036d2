//! Files of attempts, and what a person accepts.
