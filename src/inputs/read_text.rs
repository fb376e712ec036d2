//! Small text files that a person writes: lists of attempts, what is expected.

use std::{fs, path::Path};

use crate::{
    domain::encoding::text_of,
    exit::Stop,
    ports::{Service, deadline::blocking_here},
};

/// The file's text: UTF-8, or what its byte order mark says. `refuse` is told why it cannot be read, and what to do; a
/// file system that does not answer may do so later (75).
pub fn read_text(path: &Path, refuse: impl Fn(String) -> Stop) -> Result<String, Stop> {
    let file = path.to_owned();
    let read = blocking_here(Service::Inputs, move || fs::read(file)).map_err(|fault| {
        let told = refuse(format!("cannot be read: {}", fault.what));
        Stop::from(fault).saying(told.message)
    })?;
    let bytes = read.map_err(|error| refuse(format!("cannot be read: {error}")))?;
    text_of(&bytes).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn text_is_read_by_its_mark_and_anything_else_says_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = |bytes: &[u8]| {
            fs::write(file.path(), bytes).unwrap();
            read_text(file.path(), |why| Stop::new(Exit::Usage, why)).map_err(|stop| stop.message)
        };
        let utf_16 = |mark: &[u16]| {
            let text: Vec<u16> = mark.iter().copied().chain("Attempt ID\n7\n".encode_utf16()).collect();
            text.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        assert_eq!(of(&utf_16(&[0xfeff])).unwrap(), "Attempt ID\n7\n");
        assert_eq!(of("\u{feff}é".as_bytes()).unwrap(), "é");
        for (bytes, says) in [
            (utf_16(&[]), "utf-16le without a byte order mark"),
            (b"caf\xe9\n".to_vec(), "no text in UTF-8"),
            (b"PK\x03\x04".to_vec(), "an Excel workbook"),
        ] {
            let refused = of(&bytes).unwrap_err();
            assert!(refused.contains(says) && refused.contains("save it as text in UTF-8"), "{refused}");
        }
    }
}
