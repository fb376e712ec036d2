//! `explain`: what a code means, how to see it, and what to do.

use crate::{
    exit::{End, Exit, Stop},
    explain, report,
};

/// Prints the text of a code; without one, every code.
pub fn run(code: Option<&str>) -> Result<End, Stop> {
    let Some(code) = code else {
        report::print(&explain::list());
        return Ok(End::done("every code is listed"));
    };
    let text = explain::text(code).ok_or_else(|| {
        let message = format!("there is no code {code:?}; these are the codes\n{}", explain::list());
        Stop::new(Exit::Usage, message)
    })?;
    report::print(text.markdown);
    Ok(End::done(format!("{} is explained", text.code)))
}
