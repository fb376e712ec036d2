//! Plan: freezes the queue.
