//! `verify --self-test`: what it needs, and what it prints.

use std::collections::BTreeSet;

use super::{Asked, Told};
use crate::{
    adapters::postgres::PostgresReader,
    commands::json::json,
    exit::{End, Exit, Stop},
    report,
    verify::{
        pass::World,
        report::Absent,
        self_test::{SelfTest, self_test},
    },
};

impl Asked<'_> {
    /// Tests verify in copies; every input and table has to be there, for else checks would be left out.
    pub(super) async fn self_test(
        &self,
        world: &World<'_>,
        target: &PostgresReader,
        absent: &Absent,
        images: &BTreeSet<String>,
    ) -> Result<Told, Stop> {
        let tables = absent.tables.iter().map(|table| &table.why);
        if let Some(why) = absent.inputs.iter().chain(&absent.warehouse).chain(tables).next() {
            let message = format!("verify --self-test needs inputs, warehouse and every table: {why}");
            return Err(Stop::new(Exit::Incomplete, message));
        }
        self_test(world, target, images).await.map(Told::SelfTest)
    }
}

/// Prints the table.
pub(super) fn print(test: &SelfTest, as_json: bool) -> Result<End, Stop> {
    if as_json {
        report::print(&json("self-test", test)?);
    } else {
        report::print(&test.grid());
    }
    Ok(End { exit: test.exit(), message: test.verdict() })
}
