//! `sample`: generated test data.

use std::io::Write;

use crate::{
    exit::{Exit, Stop},
    sample::{SampleError, SampleOptions, generate},
};

/// Writes the sample and says what is in it.
pub fn run(options: &SampleOptions, out: &mut impl Write) -> Result<(), Stop> {
    let summary = generate(options).map_err(|error| stop(&error))?;
    // Who closed our output has the files all the same.
    let _ = writeln!(out, "{summary}");
    Ok(())
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
