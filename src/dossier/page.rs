//! The text of a dossier: sections of plain lines. Values come from outside: what would change the terminal is left out.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

/// Longest value that is printed whole, characters.
const LONGEST: usize = 600;
/// Width of a field's name.
const NAME_WIDTH: usize = 26;

/// A page being written.
pub struct Page {
    text: String,
    /// Why something could not be shown: said once, however much it keeps away.
    reasons: Vec<String>,
}

impl Page {
    /// A page that begins with this line.
    pub fn new(first: &str) -> Self {
        Self { text: format!("{first}\n"), reasons: Vec::new() }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line of our own words.
    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{}", plain(text));
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n{title}\n");
    }

    /// A line of a section.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.text, "  {}", plain(text));
    }

    /// A named value; nothing if it is empty.
    pub fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let _ = writeln!(self.text, "  {name:NAME_WIDTH$}  {}", plain(value));
        }
    }

    /// What cannot be shown, and why.
    pub fn not_available(&mut self, what: &str, why: &str) {
        if self.reasons.iter().any(|reason| reason == why) {
            let _ = writeln!(self.text, "  not available: {what}, for the reason above");
            return;
        }
        let _ = writeln!(self.text, "  not available: {what}: {}", plain(why));
        self.reasons.push(why.to_owned());
    }

    /// The whole page.
    pub fn text(self) -> String {
        self.text
    }
}

/// A time as every section shows it.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A list of URLs without their query strings, which may be keys.
pub fn without_queries(urls: &str) -> String {
    let one =
        |url: &str| url.split_once('?').map_or_else(|| url.to_owned(), |(address, _)| format!("{address}?…"));
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// Without control characters, and cut if it is very long.
fn plain(text: &str) -> String {
    let seen = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c) =>
        {
            '·'
        }
        c => c,
    };
    let mut plain: String = text.chars().take(LONGEST).map(seen).collect();
    let length = text.chars().count();
    if length > LONGEST {
        let _ = write!(plain, "… ({length} characters)");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_keeps_several_things_away_is_said_once() {
        let mut page = Page::new("first");
        page.not_available("facts", "no settings");
        page.not_available("the target", "no settings");
        page.not_available("inputs", "no such file");
        let expected = "first
  not available: facts: no settings
  not available: the target, for the reason above
  not available: inputs: no such file
";
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn nothing_from_outside_changes_the_terminal_or_shows_a_key() {
        let mut page = Page::new("first");
        page.field("name", "a\u{1b}[31mb\nc\u{202e}d");
        page.field("empty", "");
        page.field("long", &"x".repeat(700));
        let text = page.text();
        assert!(text.starts_with("first\n  name                        a·[31mb c·d\n"), "{text}");
        assert!(text.ends_with("x… (700 characters)\n") && !text.contains("empty"), "{text}");
        assert_eq!(without_queries("https://a/b?sig=x,https://c"), "https://a/b?…,https://c");
    }
}
