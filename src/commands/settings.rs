//! `settings`: prints every effective value and where it came from.

use crate::{
    exit::{Exit, Stop},
    report::{
        self,
        grid::{Align, Grid},
    },
    settings::{Sources, effective},
};

/// Prints the table, then refuses invalid settings, so that the operator sees both.
pub fn run(sources: &Sources) -> Result<Exit, Stop> {
    let (settings, problems) = effective(sources);
    let mut grid = Grid::new([("setting", Align::Left), ("value", Align::Left), ("from", Align::Left)]);
    for setting in settings {
        grid.row([setting.name, setting.value, setting.origin]);
    }
    report::print(&grid.render());
    let unknown = sources.unknown_variables();
    if !unknown.is_empty() {
        report::tell(&format!("not read, because no setting has such a name: {}", unknown.join(", ")));
    }
    if problems.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Stop::new(Exit::Usage, format!("settings that cannot be used:\n  {}", problems.join("\n  "))))
}
