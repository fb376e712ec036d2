//! `sample`: generated test data.

use crate::{
    exit::{Exit, Stop},
    sample::{SampleError, SampleOptions, SampleSummary, generate},
};

/// Writes the sample; the returned message summarises its content.
pub fn run(options: &SampleOptions) -> Result<SampleSummary, Stop> {
    generate(options).map_err(|error| stop(&error))
}

fn stop(error: &SampleError) -> Stop {
    let exit = match error {
        SampleError::NotEmpty(_) | SampleError::NoUrl(_) => Exit::Usage,
        SampleError::Write { .. } => Exit::Configuration,
    };
    match std::error::Error::source(error) {
        Some(cause) => Stop::new(exit, format!("{error}: {cause}")),
        None => Stop::new(exit, error.to_string()),
    }
}
