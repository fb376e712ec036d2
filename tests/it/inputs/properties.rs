//! Whatever comes: read as it was written, or refused.

use proptest::prelude::*;

use super::{read, utf16};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_csv_writer_writes_reads_back(
        rows in prop::collection::vec(prop::collection::vec(any::<String>(), 3), 0..20),
        bom in any::<bool>(),
    ) {
        let mut writer = csv::Writer::from_writer(if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() });
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        prop_assert_eq!(read(&writer.into_inner().unwrap(), None).unwrap().1, rows);
    }

    #[test]
    fn utf_16_reads_as_utf_8_does(rows in prop::collection::vec(prop::collection::vec(any::<String>(), 2), 0..9)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = format!("\u{feff}{}", String::from_utf8(writer.into_inner().unwrap()).unwrap());
        prop_assert_eq!(&read(&utf16(&text, u16::to_le_bytes), None).unwrap().1, &rows);
        prop_assert_eq!(&read(&utf16(&text, u16::to_be_bytes), None).unwrap().1, &rows);
    }

    #[test]
    fn any_bytes_are_read_or_refused_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(error) = read(&bytes, None) {
            prop_assert!(error.to_string().contains("line "));
        }
    }
}
