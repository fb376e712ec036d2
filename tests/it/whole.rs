//! Promises of whole runs, by the built program: what it keeps, what it shows, and where its files come from.

mod defaults;
mod entra;
mod guarded;
mod kept;
mod many_shards;
mod opened;
mod shown;
mod storage;
mod stop;
