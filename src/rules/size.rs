//! File sizes as the application shows them.

/// Mebibytes with one decimal and " MB", ties up: 262,144 bytes is "0.3 MB".
pub fn megabytes(bytes: u64) -> String {
    const MEGABYTE: u128 = 1024 * 1024;
    let tenths = (u128::from(bytes) * 20 + MEGABYTE) / (2 * MEGABYTE);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_ties_go_up() {
        for (bytes, expected) in [
            (0, "0.0 MB"),
            (52_428, "0.0 MB"),
            (52_429, "0.1 MB"),
            (262_144, "0.3 MB"),
            (1_048_576, "1.0 MB"),
            (1_310_720, "1.3 MB"),
            (u64::MAX, "17592186044416.0 MB"),
        ] {
            assert_eq!(megabytes(bytes), expected, "{bytes}");
        }
    }
}
