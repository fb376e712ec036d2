//! Documents as JSON, for people and other programs.

use serde::Serialize;

use crate::exit::{Exit, Stop};

/// The document as indented JSON; `what` names it.
pub fn json(what: &str, document: &impl Serialize) -> Result<String, Stop> {
    serde_json::to_string_pretty(document)
        .map_err(|error| Stop::new(Exit::Bug, format!("the {what} cannot be written as JSON: {error}")))
}
