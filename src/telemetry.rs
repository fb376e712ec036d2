//! Logs (later: traces and metrics); set up once, flushed before exit.
