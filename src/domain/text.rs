//! Blank and equal: what counts as nothing in a text, and when two texts are the same to a person.
//!
//! Exports carry no-break spaces, zero-width characters and byte order marks that no one can see. This is the only
//! place that says what they are: every trim, every test for a blank cell and every comparison of names goes through it.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// What is said of two texts that [`differ_in_form`], behind the one that is there.
pub const OTHER_FORM: &str = "looks the same but writes its accents in another way (Unicode NFC and NFD)";

/// Whether the character shows nothing: white space of any kind, a character without width, a byte order mark, or a
/// letter that fonts draw as an empty space.
pub fn is_blank_char(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
        )
}

/// Whether nothing in the text can be seen.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_blank_char)
}

/// The text without leading and trailing blanks; blanks inside are kept.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_blank_char)
}

/// The code at the beginning of an Error cell, as a failure CSV has it; empty if there is none.
pub fn code_of_error(error: &str) -> &str {
    trim(error.split(':').next().unwrap_or_default())
}

/// The parts between runs of blanks; none of them is empty.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank_char).filter(|word| !word.is_empty())
}

/// The form in which two texts are compared: trimmed, every run of blanks one space. For comparison only, never stored.
pub fn equal_key(text: &str) -> Cow<'_, str> {
    let trimmed = trim(text);
    let mut after_blank = false;
    let is_key = trimmed.chars().all(|c| {
        let blank = is_blank_char(c);
        let sound = !blank || (c == ' ' && !after_blank);
        after_blank = blank;
        sound
    });
    if is_key { Cow::Borrowed(trimmed) } else { Cow::Owned(words(trimmed).collect::<Vec<_>>().join(" ")) }
}

/// The text in one Unicode normal form (NFC). For a hint only: no comparison that decides goes through it.
pub fn in_one_form(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// Whether two texts are the same but for their Unicode normal form: a person sees no difference, and no comparison that
/// decides takes them for equal.
pub fn differ_in_form(one: &str, other: &str) -> bool {
    one != other && in_one_form(one) == in_one_form(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blanks as exports carry them.
    const BLANKS: &[char] = &[
        ' ', '\t', '\r', '\n', '\u{85}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{2009}', '\u{202f}',
        '\u{3000}', '\u{ad}', '\u{180e}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{2060}',
        '\u{feff}',
    ];

    fn blanks(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(BLANKS), count).prop_map(String::from_iter)
    }

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for text in
            ["", " \t\r\n", "\u{a0}\u{202f}", "\u{200b}\u{200d}", "\u{feff}", "\u{2060}\u{3000}", "\u{3164}"]
        {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["0", "-", "_", "\0", "\u{1}", "é", "\u{fffd}", "\u{301}", "\u{a0}.\u{a0}"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn trimming_takes_blanks_from_both_ends_and_nothing_from_within() {
        assert_eq!(trim("\u{feff} \u{a0}a\u{a0} b\u{200b}\n"), "a\u{a0} b");
        assert_eq!(trim("\u{200b}"), "");
    }

    #[test]
    fn texts_that_differ_in_their_normal_form_only_are_told_from_all_others() {
        for (one, other, expected) in [
            ("Caf\u{e9}", "Cafe\u{301}", true),
            ("Cafe\u{301}", "Caf\u{e9}", true),
            ("\u{212b}", "\u{c5}", true),
            ("Caf\u{e9}", "Caf\u{e9}", false),
            ("Caf\u{e9}", "Cafe", false),
            ("Caf\u{e9}", "caf\u{e9}", false),
            ("", "", false),
        ] {
            assert_eq!(differ_in_form(one, other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_text_that_is_its_own_key_is_not_copied() {
        assert!(matches!(equal_key(" Question 1\u{a0}"), Cow::Borrowed("Question 1")));
        assert_eq!(equal_key("Question\u{a0} \u{200b}1"), "Question 1");
    }

    proptest! {
        #[test]
        fn texts_that_differ_in_their_blanks_only_are_equal(
            words in prop::collection::vec("[a-zA-Z0-9é😀._]{1,4}", 0..5),
            gaps in prop::collection::vec(blanks(1..=3), 5),
            around in prop::collection::vec(blanks(0..=3), 2),
        ) {
            let mut text = around[0].clone();
            for (n, word) in words.iter().enumerate() {
                if n > 0 {
                    text.push_str(&gaps[n]);
                }
                text.push_str(word);
            }
            text.push_str(&around[1]);
            let plain = words.join(" ");
            prop_assert_eq!(equal_key(&text), plain.as_str());
            prop_assert_eq!(super::words(&text).collect::<Vec<_>>(), words);
            prop_assert_eq!(is_blank(&text), plain.is_empty());
        }

        #[test]
        fn a_key_is_its_own_key_and_a_trimmed_text_stays_trimmed(text in ".*") {
            let key = equal_key(&text).into_owned();
            prop_assert_eq!(equal_key(&key), key.as_str());
            prop_assert_eq!(equal_key(trim(&text)), key.as_str());
            prop_assert_eq!(trim(trim(&text)), trim(&text));
            prop_assert_eq!(is_blank(&text), trim(&text).is_empty());
        }
    }
}
