//! Promises of the target database, kept on a real PostgreSQL.

mod world;
mod commit;
mod receipt;
mod answers;
mod company;
mod enforcement;
mod fence;
mod handed_on;
mod opening;
mod connect;
mod reads;
mod load;
mod preflight;
mod roles;
