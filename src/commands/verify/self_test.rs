//! `verify --self-test`: what it needs, and what it prints.

use super::{Asked, Known, Told};
use crate::{
    adapters::postgres::PostgresReader,
    commands::{connect, json::json},
    exit::{End, Exit, Stop},
    report,
    run::{WriterId, outcomes::Outcomes, verifying::partitions},
    verify::{
        facts::FactsSource,
        self_test::{SelfTest, files::Places, self_test},
    },
};

/// Below this prefix of the target container lie the copies of a self-test while it runs.
const SCRATCH: &str = "rogo-migrate-self-test";

impl Asked<'_> {
    /// Tests verify in copies; every input and table has to be there, for else checks would be left out.
    pub(super) async fn self_test(&self, known: &Known<'_>, target: &PostgresReader) -> Result<Told, Stop> {
        let tables = known.absent.tables.iter().map(|table| &table.why);
        let absent = &known.absent;
        if let Some(why) = absent.inputs.iter().chain(&absent.warehouse).chain(tables).next() {
            let message = format!("verify --self-test needs inputs, warehouse and every table: {why}");
            return Err(Stop::new(Exit::Incomplete, message));
        }
        let ranges = partitions(self.plan.last_row());
        let outcomes = Outcomes::of_ranges(self.store, self.plan, ranges, |_| true).await?;
        let facts = match (known.facts(), &known.index) {
            (Some(facts), _) => facts,
            (None, Some(index)) => {
                FactsSource::Split(FactsSource::split(known.warehouse.as_ref(), index, ranges).await?)
            }
            (None, None) => return Err(Stop::new(Exit::Bug, "the warehouse is read whole without inputs")),
        };
        let scratch = format!("{SCRATCH}/{}", WriterId::fresh());
        let places = Places {
            target: &connect::target_blobs(self.settings)?,
            scratch: &connect::scratch_blobs(self.settings, &scratch)?,
            prefix: &scratch,
            source: &connect::source(self.settings)?,
            run: &self.plan.run,
            rows: self.plan.last_row(),
        };
        let world = known.world(&outcomes, &facts);
        self_test(&world, target, &known.images, &places).await.map(Told::SelfTest)
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
