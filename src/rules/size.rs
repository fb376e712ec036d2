//! File sizes as the application stores them.

/// One MB, in bytes.
const MB: u128 = 1024 * 1024;

/// The size in MB with one decimal, ties up: 262,144 bytes are "0.3 MB". In integers, since `{:.1}`
/// rounds ties to even.
pub fn megabytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + MB / 2) / MB;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// The size in bytes that such a text stands for, to a tenth of a MB; `None` for any other text.
pub fn bytes_of_megabytes(text: &str) -> Option<u64> {
    let (whole, tenth) = text.strip_suffix(" MB")?.split_once('.')?;
    let is_digit = tenth.len() == 1 && tenth.bytes().all(|digit| digit.is_ascii_digit());
    let tenths = whole.parse::<u64>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)?;
    u64::try_from(u128::from(tenths) * MB / 10).ok().filter(|_| is_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_go_up() {
        for (bytes, expected) in [
            (0, "0.0 MB"),
            (52_428, "0.0 MB"),
            (52_429, "0.1 MB"),
            (262_143, "0.2 MB"),
            (262_144, "0.3 MB"),
            (1_048_576, "1.0 MB"),
            (1_310_719, "1.2 MB"),
            (1_310_720, "1.3 MB"),
            (u64::MAX, "17592186044416.0 MB"),
        ] {
            assert_eq!(megabytes(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn a_size_is_read_back_to_a_tenth_of_a_megabyte() {
        for (text, expected) in
            [("0.0 MB", 0), ("0.3 MB", 314_572), ("1.0 MB", 1_048_576), ("12.5 MB", 13_107_200)]
        {
            assert_eq!(bytes_of_megabytes(text), Some(expected), "{text}");
        }
        for text in ["", "1 MB", "1.05 MB", "1.+ MB", "-1.0 MB", "1.0", "1.0 KB", "99999999999999999999.0 MB"]
        {
            assert_eq!(bytes_of_megabytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_text_is_the_nearest_tenth_and_never_below_a_tie(bytes: u64) {
            let text = megabytes(bytes);
            let tenths: i128 = text.strip_suffix(" MB").unwrap().replace('.', "").parse().unwrap();
            // In twentieths of a byte-exact scale: -½ tenth < tenths - exact ≤ ½ tenth.
            let difference = 20 * i128::from(bytes) - 2 * tenths * 1_048_576;
            prop_assert!((-1_048_576..1_048_576).contains(&difference), "{text} is off by {difference}");
        }
    }
}
