//! The nouns of the migration: pure values, parsed once. No I/O, no clock, no `async`.

pub mod text;
mod attempt;
mod dialect;
mod row;
mod mapping;
mod report;
mod catalogue;
mod decision;
mod held;
mod decimal;
mod migration;
mod shard;
mod outcome;
mod input;
mod extent;
mod target;
mod shown;
mod level;

pub use attempt::*;
pub use catalogue::*;
pub use decimal::*;
pub use decision::*;
pub use dialect::*;
pub use extent::*;
pub use held::*;
pub use input::*;
pub use level::*;
pub use mapping::*;
pub use migration::*;
pub use outcome::*;
pub use report::*;
pub use row::*;
pub use shard::*;
pub use shown::*;
pub use target::*;
