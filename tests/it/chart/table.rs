//! The table of values and the fields that they lead to: what a row is, and how it is checked.

use serde_json::Value;

use super::rendered::render;

/// Components, separated by spaces; the three Jobs, or all that runs a pod.
pub const JOBS: &str = "plan shards finalize";
pub const PODS: &str = "plan shards finalize test";

/// Values, of what, where, and what must stand there; null: nothing.
pub type Row = (&'static str, &'static str, &'static str, Value);

pub fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (set, of, at, expected) in rows {
        let rendered = match render(set) {
            Ok(rendered) => rendered,
            Err(refusal) => {
                wrong.push(format!("{set:?}: refused: {refusal}"));
                continue;
            }
        };
        for of in of.split_whitespace() {
            let found = rendered.field(of, at).cloned().unwrap_or_default();
            if rendered.find(of).is_none() || found != *expected {
                wrong.push(format!("{set:?}, {of} {at}: {found}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
