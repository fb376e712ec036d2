//! Tells of each row that it began, and that it was dropped if it got no outcome.

use crate::report::events::{Event, Events};

/// A row under way: told as dropped if it ends without an outcome, by an abort too.
pub(super) struct UnderWay {
    row: u64,
    events: Events,
    /// Set before the event of the row's outcome is sent.
    pub is_settled: bool,
}

impl UnderWay {
    pub(super) fn begin(events: &Events, row: u64) -> Self {
        events.tell(Event::RowBegan { row });
        Self { row, events: events.clone(), is_settled: false }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_settled {
            self.events.tell(Event::RowDropped { row: self.row });
        }
    }
}
