//! Splits a connection string into its parts. Knows the quoting, not the meaning.
//!
//! A value may be quoted by `"…"`, `'…'` or `{…}`; within, the closing character is doubled to stand
//! for itself. An unquoted value is trimmed and ends at the next `;`.

use std::{iter::Peekable, str::Chars};

use super::Refused;

/// One `Key=value` of the connection string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Trimmed; upper and lower case as written.
    pub(super) key: String,
    /// The value without its quotes.
    pub(super) value: String,
}

/// The parts in order. What a refusal says never holds a value.
pub(super) fn split(text: &str) -> Result<Vec<Part>, Refused> {
    let mut parts = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        skip(&mut rest, |c| c == ';' || c.is_whitespace());
        if rest.peek().is_none() {
            return Ok(parts);
        }
        let key = key(&mut rest, parts.last())?;
        skip(&mut rest, |c| c != ';' && c.is_whitespace());
        let value = match rest.peek() {
            Some('"') => quoted(&mut rest, '"', &key)?,
            Some('\'') => quoted(&mut rest, '\'', &key)?,
            Some('{') => quoted(&mut rest, '}', &key)?,
            _ => take_until_semicolon(&mut rest).trim_end().to_owned(),
        };
        parts.push(Part { key, value });
    }
}

fn key(rest: &mut Peekable<Chars<'_>>, previous: Option<&Part>) -> Result<String, Refused> {
    let mut key = String::new();
    loop {
        match rest.next() {
            Some('=') if key.trim().is_empty() => return Err(Refused("a part begins with '='".into())),
            Some('=') => return Ok(key.trim().to_owned()),
            // The text may be the tail of a password with an unquoted semicolon: it is not repeated.
            Some(';') | None => {
                let after = previous.map(|part| format!(" after {}", part.key)).unwrap_or_default();
                return Err(Refused(format!(
                    "the part{after} has no '='; put a value that contains ';' into double quotes"
                )));
            }
            Some(c) => key.push(c),
        }
    }
}

/// An unknown key. Behind the password it may be a part of the password, so the message repeats it only if it looks
/// like a key.
pub(super) fn unknown(key: &str, after_password: bool) -> Refused {
    let looks_like_one =
        key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
    let what = if after_password && !looks_like_one {
        "the part after the password has no known key".to_owned()
    } else {
        format!("the key {key:?} is not known")
    };
    let advice = if after_password { "; put a password that contains ';' into double quotes" } else { "" };
    Refused(what + advice)
}

fn quoted(rest: &mut Peekable<Chars<'_>>, close: char, key: &str) -> Result<String, Refused> {
    rest.next();
    let mut value = String::new();
    loop {
        match rest.next() {
            Some(c) if c == close && rest.peek() == Some(&close) => {
                rest.next();
                value.push(c);
            }
            Some(c) if c == close => break,
            Some(c) => value.push(c),
            None => {
                return Err(Refused(format!(
                    "the value of {key} is quoted, but the closing {close} is missing"
                )));
            }
        }
    }
    if take_until_semicolon(rest).trim().is_empty() {
        Ok(value)
    } else {
        Err(Refused(format!(
            "text follows the closing {close} of {key}; within quotes write {close}{close} for {close}"
        )))
    }
}

fn skip(rest: &mut Peekable<Chars<'_>>, what: impl Fn(char) -> bool) {
    while rest.next_if(|c| what(*c)).is_some() {}
}

fn take_until_semicolon(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut taken = String::new();
    while let Some(c) = rest.next_if(|c| *c != ';') {
        taken.push(c);
    }
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_braces_and_blanks_are_read_as_ado_net_reads_them() {
        for (text, expected) in [
            ("", vec![]),
            (" ; ;; ", vec![]),
            ("a=b", vec![("a", "b")]),
            (" A b = c d ; e=f;", vec![("A b", "c d"), ("e", "f")]),
            ("p=a=b==", vec![("p", "a=b==")]),
            ("p==x", vec![("p", "=x")]),
            ("p=\"a;b\"", vec![("p", "a;b")]),
            ("p='a;\"b'", vec![("p", "a;\"b")]),
            ("p={a;'\"b}", vec![("p", "a;'\"b")]),
            ("p=\"a\"\"b\"", vec![("p", "a\"b")]),
            ("p='it''s'", vec![("p", "it's")]),
            ("p={a}}b}", vec![("p", "a}b")]),
            ("p=\"  x  \"", vec![("p", "  x  ")]),
            ("p=a'b\"c{d}", vec![("p", "a'b\"c{d}")]),
            ("p=;q=1", vec![("p", ""), ("q", "1")]),
            ("p=\"\";q=1", vec![("p", ""), ("q", "1")]),
            ("p=\"x\" ; q=1", vec![("p", "x"), ("q", "1")]),
        ] {
            let parts = split(text).unwrap();
            let found: Vec<_> = parts.iter().map(|part| (part.key.as_str(), part.value.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_repeating_it() {
        for text in
            ["secret", "p=a;secret", "=secret", "p=\"secret", "p='secret", "p={secret", "p=\"x\"secret"]
        {
            let refused = split(text).unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{text:?}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_each_kind_of_quotes(value in any::<String>()) {
            for (open, close) in [('"', '"'), ('\'', '\''), ('{', '}')] {
                let doubled = value.replace(close, &format!("{close}{close}"));
                let text = format!("a=1;p={open}{doubled}{close};b=2");
                let parts = split(&text).unwrap();
                prop_assert_eq!(&parts[1].value, &value);
                prop_assert_eq!(parts.len(), 3);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = split(&text);
        }
    }
}
