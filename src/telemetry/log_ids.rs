//! Log lines that carry the ids of the step under way, by which they are found beside its trace.

use std::fmt::{self, Write as _};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use super::steps;

/// Another format, with `trace_id` and `span_id` while a step is under way whose trace is sent.
pub(super) struct WithIds<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(now) = steps::now() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&with_ids(&line, &now.trace_id().to_string(), &now.span_id().to_string())?)
    }
}

/// A JSON object gets two more members, a line of text two more fields.
fn with_ids(line: &str, trace: &str, span: &str) -> Result<String, fmt::Error> {
    let mut whole = String::with_capacity(line.len() + 96);
    match line.strip_prefix('{') {
        Some(members) => write!(whole, r#"{{"trace_id":"{trace}","span_id":"{span}",{members}"#)?,
        None => writeln!(whole, "{} trace_id={trace} span_id={span}", line.trim_end_matches('\n'))?,
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_form() {
        let json = with_ids("{\"level\":\"INFO\"}\n", "a", "b").unwrap();
        assert_eq!(json, "{\"trace_id\":\"a\",\"span_id\":\"b\",\"level\":\"INFO\"}\n");
        assert_eq!(with_ids("INFO moved\n", "a", "b").unwrap(), "INFO moved trace_id=a span_id=b\n");
    }
}
