//! Wording of the rules' failures: bounded in length for any data, and without personal data.

use std::fmt::{Display, Write};

use crate::domain::{FailCode, Failure};

const ITEMS: usize = 20;
const CHARACTERS: usize = 80;

/// A failure with its particulars.
pub(super) fn fail(code: FailCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

/// Text of the data in quotes, control characters escaped, truncated if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Items in a row, each once; only the first ones if there are very many.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut unsaid = 0_usize;
    for item in items {
        let item = item.to_string();
        if said.contains(&item) {
            continue;
        }
        if said.len() < ITEMS {
            said.push(item);
        } else {
            unsaid += 1;
        }
    }
    let mut text = said.join(", ");
    if unsaid > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {unsaid} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_short_whatever_the_data() {
        assert_eq!(quoted("a\"\0b"), r#""a\"\0b""#);
        assert_eq!(quoted(&"é".repeat(80)), format!("\"{}\"", "é".repeat(80)));
        assert_eq!(quoted(&"é".repeat(81)), format!("\"{}\"…", "é".repeat(80)));
        assert!(quoted(&"é".repeat(1_000_000)).len() < 200);
        assert_eq!(list(["a", "b", "a"]), "a, b");
        assert!(list(0..1_000).ends_with("19 and 980 more"));
    }
}
