//! Who is told how a run ends. Read apart from all other settings: a run that cannot read those has ended too.

use url::Url;

use super::{PodSettings, Sources, parse, reader::Reader, table as t};
use crate::ids::RunName;

/// Who is told how a run ends, and what of the run is known.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    /// `--notify`, if it can be read.
    pub to: Option<Url>,
    /// The run's name, if it can be read.
    pub run: Option<RunName>,
    /// The pod that the process runs in.
    pub pod: PodSettings,
}

impl NotifySettings {
    /// As far as they can be read; [`super::Settings::load`] complains about the rest.
    pub fn of(sources: &Sources) -> Self {
        let mut reader = Reader::new(sources);
        Self { to: reader.notify(), run: reader.optional(&t::RUN, parse::id), pod: PodSettings::of(sources) }
    }
}

impl Reader<'_> {
    /// The address that is told.
    pub(super) fn notify(&mut self) -> Option<Url> {
        self.optional(&t::NOTIFY, parse::notify_url)
    }
}
