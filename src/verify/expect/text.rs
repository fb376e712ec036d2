//! Blank and equal, stated a second time: nothing of a blank can be seen, and texts are equal if every run of blanks in them is one
//! blank.

/// White space of Unicode, from and to.
const SPACES: [(char, char); 10] = [
    ('\u{9}', '\u{d}'),
    ('\u{20}', '\u{20}'),
    ('\u{85}', '\u{85}'),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
];

/// What has no width, marks a direction or the order of bytes, or is drawn as an empty space, from and to.
const UNSEEN: [(char, char); 12] = [
    // Soft hyphen, combining grapheme joiner, Arabic letter mark.
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    // Fillers of Hangul.
    ('\u{115f}', '\u{1160}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{ffa0}', '\u{ffa0}'),
    // Mongolian vowel separator, the pattern of Braille without a dot.
    ('\u{180e}', '\u{180e}'),
    ('\u{2800}', '\u{2800}'),
    // Zero width, marks and embeddings of direction, word joiner and other operators, byte order mark.
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
];

/// Whether nothing of the character can be seen.
pub fn is_blank_char(c: char) -> bool {
    SPACES.iter().chain(&UNSEEN).any(|(from, to)| (*from..=*to).contains(&c))
}

/// Whether nothing of the text can be seen.
pub fn is_blank(text: &str) -> bool {
    words(text).next().is_none()
}

/// The text from its first to its last character that can be seen.
pub fn trim(text: &str) -> &str {
    let is_seen = |c: char| !is_blank_char(c);
    let (Some(from), Some(last)) = (text.find(is_seen), text.rfind(is_seen)) else { return "" };
    let rest = text.get(last..).unwrap_or_default();
    let to = last + rest.chars().next().map_or(0, char::len_utf8);
    text.get(from..to).unwrap_or_default()
}

/// What stands between blanks.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank_char).filter(|word| !word.is_empty())
}

/// The form in which texts are compared.
pub fn equal_key(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_what_cannot_be_seen() {
        let blanks = "\t\r\n\u{b}\u{c} \u{85}\u{a0}\u{1680}\u{2003}\u{2028}\u{202f}\u{205f}\u{3000}\u{ad}\u{180e}\u{200b}\u{200d}\
            \u{202a}\u{2060}\u{3164}\u{feff}";
        assert!(is_blank(blanks) && is_blank("") && trim(blanks).is_empty());
        for text in ["0", "-", "_", "\0", "é", "\u{fffd}", "\u{301}", "\u{200a}x", "x\u{feff}"] {
            assert!(!is_blank(text), "{text:?}");
        }
        assert_eq!(trim(&format!("{blanks}a{blanks}é{blanks}")), format!("a{blanks}é"));
        assert_eq!(equal_key(&format!("{blanks}Question{blanks}1{blanks}")), "Question 1");
        assert_eq!(words(&format!("a{blanks}b ")).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn every_white_space_of_unicode_is_blank() {
        let missing: Vec<char> =
            ('\0'..=char::MAX).filter(|c| c.is_whitespace() && !is_blank_char(*c)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
