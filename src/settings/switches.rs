//! Switches: flags without a value, which the config file sets with `true` or `false`.

use super::{Origin, Sources, parse, reader::Reader, table as t};
use crate::domain::Level;

impl Sources {
    /// Whether the config file sets this switch. A value that is neither is refused when the settings are loaded.
    pub fn is_on(&self, key: &str) -> bool {
        let setting = t::ALL.iter().find(|setting| setting.switch && setting.key == key);
        setting.is_some_and(|setting| Reader::new(self).optional(setting, parse::switch) == Some(true))
    }

    /// Whether files are verified to the byte, the only level that `only_unproven` is of.
    pub fn is_of_content(&self) -> bool {
        Reader::new(self).optional(&t::LEVEL, str::parse::<Level>) == Some(Level::Content)
    }

    /// Whether the setting of this key was given, with any value.
    pub fn is_given(&self, key: &str) -> bool {
        let given = t::ALL.iter().find(|setting| setting.key == key).and_then(|setting| self.find(setting));
        given.is_some_and(|given| given.origin != Origin::Default)
    }
}

impl Reader<'_> {
    /// Complains about switches that are neither `true` nor `false`.
    pub(super) fn switches(&mut self) {
        for setting in t::ALL.iter().filter(|setting| setting.switch) {
            self.optional(setting, parse::switch);
        }
    }
}
