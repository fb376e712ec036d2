//! Promises of the input reader: odd files are read exactly, bad ones are refused by place.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test ends at the first surprise, and its tables are long"
)]

mod columns;
mod habits;
mod properties;

use std::{path::PathBuf, sync::LazyLock};

use rogo_migrate::{
    exit::{Exit, Stop},
    inputs::{CsvReader, Format, InputError, InputSource},
};
use tempfile::TempDir;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

/// A file of these bytes; it goes when the folder does.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(bytes: &[u8], encoding: Option<&str>) -> Result<(Vec<String>, Vec<Vec<String>>), InputError> {
    let encoding = encoding.map(|label| encoding_rs::Encoding::for_label(label.as_bytes()).unwrap());
    let (_folder, path) = file(bytes);
    RUNTIME.block_on(async {
        let format = Format { encoding, ..Format::default() };
        let mut reader = CsvReader::open(&InputSource::File(path), &format).await?;
        let mut rows = Vec::new();
        while let Some(record) = reader.next().await? {
            rows.push(record.iter().map(str::to_owned).collect());
        }
        assert_eq!(reader.rows(), rows.len() as u64);
        assert_eq!(reader.digest().size_bytes, bytes.len() as u64);
        Ok((reader.header().to_vec(), rows))
    })
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

/// What it is, its bytes, `--encoding`, its rows.
type OddFile = (&'static str, Vec<u8>, Option<&'static str>, Vec<Vec<&'static str>>);

#[test]
fn odd_files_are_read_exactly() {
    let with = |prefix: &[u8], rest: &[u8]| [prefix, rest].concat();
    let cases: Vec<OddFile> = vec![
        ("header only", b"a,b\n".to_vec(), None, vec![]),
        ("header only, no line end", b"a,b".to_vec(), None, vec![]),
        ("LF", b"a,b\n1,2\n".to_vec(), None, vec![vec!["1", "2"]]),
        ("CRLF", b"a,b\r\n1,2\r\n".to_vec(), None, vec![vec!["1", "2"]]),
        ("mixed ends", b"a,b\r\n1,2\n3,4\r\n".to_vec(), None, vec![vec!["1", "2"], vec!["3", "4"]]),
        ("no last line end", b"a,b\n1,2".to_vec(), None, vec![vec!["1", "2"]]),
        ("last cell empty, no line end", b"a,b\n1,".to_vec(), None, vec![vec!["1", ""]]),
        ("blank lines", b"\n\na,b\n\n1,2\n\r\n\n".to_vec(), None, vec![vec!["1", "2"]]),
        ("a row of commas is a row", b"a,b\n,\n".to_vec(), None, vec![vec!["", ""]]),
        ("a row of blanks is a row", b"a,b\n  ,\t\n".to_vec(), None, vec![vec!["  ", "\t"]]),
        ("quoted header", b"\"a\",\"b\"\n1,2\n".to_vec(), None, vec![vec!["1", "2"]]),
        ("padded header", b" a ,b\t\n1,2\n".to_vec(), None, vec![vec!["1", "2"]]),
        ("quoted comma", b"a,b\n\"1,1\",2\n".to_vec(), None, vec![vec!["1,1", "2"]]),
        ("quoted quote", b"a,b\n\"say \"\"hi\"\"\",2\n".to_vec(), None, vec![vec!["say \"hi\"", "2"]]),
        ("quoted LF", b"a,b\n\"1\n1\",2\n".to_vec(), None, vec![vec!["1\n1", "2"]]),
        ("quoted CRLF", b"a,b\n\"1\r\n1\",2\n".to_vec(), None, vec![vec!["1\r\n1", "2"]]),
        ("quoted CR", b"a,b\n\"1\r1\",2\n".to_vec(), None, vec![vec!["1\r1", "2"]]),
        ("quoted nothing", b"a,b\n\"\",\"\"\n".to_vec(), None, vec![vec!["", ""]]),
        ("NUL in a cell", b"a,b\n1\x002,3\n".to_vec(), None, vec![vec!["1\x002", "3"]]),
        ("control characters", b"a,b\n\x01\x1a,\x7f\n".to_vec(), None, vec![vec!["\x01\x1a", "\x7f"]]),
        ("emoji", "a,b\n😀,👩‍🎓\n".into(), None, vec![vec!["😀", "👩‍🎓"]]),
        ("a BOM inside is a character", "a,b\n\u{feff}1,2\n".into(), None, vec![vec!["\u{feff}1", "2"]]),
        ("UTF-8 with BOM", "\u{feff}a,b\né,2\n".into(), None, vec![vec!["é", "2"]]),
        ("UTF-8 with BOM, quoted", "\u{feff}\"a\",b\né,2\n".into(), None, vec![vec!["é", "2"]]),
        ("UTF-16 LE", utf16("\u{feff}a,b\r\né,😀\r\n", u16::to_le_bytes), None, vec![vec!["é", "😀"]]),
        ("UTF-16 BE", utf16("\u{feff}a,b\r\né,😀\r\n", u16::to_be_bytes), None, vec![vec!["é", "😀"]]),
        (
            "UTF-16 LE named, no BOM",
            utf16("a,b\né,2", u16::to_le_bytes),
            Some("utf-16le"),
            vec![vec!["é", "2"]],
        ),
        (
            "a BOM beats the named encoding",
            utf16("\u{feff}a,b\né,2", u16::to_be_bytes),
            Some("windows-1252"),
            vec![vec!["é", "2"]],
        ),
        ("windows-1252 named", with(b"a,b\n", b"\xe9,\x80\n"), Some("windows-1252"), vec![vec!["é", "€"]]),
        ("latin1 named", with(b"a,b\n", b"\xfc,2\n"), Some("iso-8859-1"), vec![vec!["ü", "2"]]),
        ("shift_jis named", with(b"a,b\n", b"\x83e,2\n"), Some("shift_jis"), vec![vec!["テ", "2"]]),
    ];
    for (what, bytes, encoding, expected) in cases {
        let (header, rows) = read(&bytes, encoding).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(header.iter().map(|name| name.trim()).collect::<Vec<_>>(), ["a", "b"], "{what}");
        assert_eq!(rows, expected, "{what}");
    }
}

#[test]
fn bad_files_are_refused_by_file_line_and_column() {
    let cases: Vec<(&str, Vec<u8>, Option<&str>, &str)> = vec![
        ("empty", b"".to_vec(), None, "line 1: the file is empty"),
        ("a BOM only", b"\xef\xbb\xbf".to_vec(), None, "the file is empty"),
        ("blank lines only", b"\n\r\n\n".to_vec(), None, "the file is empty"),
        (
            "too few",
            b"a,b\n1,2\n3\n".to_vec(),
            None,
            "line 3, column \"b\": the row has 1 cells where the header has 2",
        ),
        (
            "too many",
            b"a,b\n1,2,3\n".to_vec(),
            None,
            "line 2, column \"b\": the row has more cells than the header's 2",
        ),
        (
            "a comma too many at the end",
            b"a,b\n1,2,\n".to_vec(),
            None,
            "line 2, column \"b\": the row has more",
        ),
        ("an unquoted comma", b"a,b\n1,2\nx, y,2\n".to_vec(), None, "line 3, column \"b\": the row has more"),
        ("a line of blanks", b"a,b\n1,2\n   \n".to_vec(), None, "line 3, column \"b\": the row has 1 cells"),
        ("cut in a row", b"a,b\n1,2\n3".to_vec(), None, "line 3, column \"b\": the row has 1 cells"),
        (
            "open quote at the end",
            b"a,b\n1,\"2\n".to_vec(),
            None,
            "line 2, column \"b\": a quote opens the cell",
        ),
        (
            "open quote, many lines",
            b"a,b\n1,2\n\"3,4\n5,6\n7,8\n".to_vec(),
            None,
            "line 3, column \"a\": a quote opens",
        ),
        ("open quote in the header", b"a,\"b\n1,2\n".to_vec(), None, "line 1, column 2: a quote opens"),
        (
            "a doubled quote is no end",
            b"a,b\n1,\"2\"\"\n".to_vec(),
            None,
            "line 2, column \"b\": a quote opens",
        ),
        ("text after quote", b"a,b\n\"1\"x,2\n".to_vec(), None, "line 2, column \"a\": text follows"),
        ("blank after quote", b"a,b\n\"1\" ,2\n".to_vec(), None, "line 2, column \"a\": text follows"),
        (
            "text after quote, last column",
            b"a,b\n1,\"2\"x\n".to_vec(),
            None,
            "line 2, column \"b\": text follows",
        ),
        (
            "a stray quote that meets another",
            b"a,b\n1,\"2\n3,4\n5,\"6\"\n".to_vec(),
            None,
            "line 2, column \"b\": text follows",
        ),
        (
            "quote in a plain cell",
            b"a,b\n1,2\"\n".to_vec(),
            None,
            "line 2, column \"b\": a quote stands inside",
        ),
        ("inches", b"a,b\n5\" disk,2\n".to_vec(), None, "line 2, column \"a\": a quote stands inside"),
        (
            "blank before quote",
            b"a,b\n1, \"2\"\n".to_vec(),
            None,
            "line 2, column \"b\": a quote stands inside",
        ),
        (
            "stray quote in the last column",
            b"a,b\n1,2\n3,4\"\n5,6\n".to_vec(),
            None,
            "line 3, column \"b\": a quote",
        ),
        ("stray quote in the header", b"a,b\"\n1,2\n".to_vec(), None, "line 1, column 2: a quote stands"),
        ("old Mac line ends", b"a,b\r1,2\r".to_vec(), None, "line 1, column 2: a carriage return"),
        (
            "a return in a plain cell",
            b"a,b\n1\r2,3\n".to_vec(),
            None,
            "line 2, column \"a\": a carriage return",
        ),
        ("a return at the end", b"a,b\n1,2\r".to_vec(), None, "line 2, column \"b\": a carriage return"),
        ("a blank line of returns", b"a,b\n\r\r\n".to_vec(), None, "line 2, column \"a\": a carriage return"),
        (
            "not UTF-8",
            b"a,b\n1,2\nM\xfcller,2\n".to_vec(),
            None,
            "line 3, column \"a\": bytes that are not UTF-8",
        ),
        (
            "not UTF-8 in the last cell",
            b"a,b\n1,2\nx,\xff".to_vec(),
            None,
            "line 3, column \"b\": bytes that are not UTF-8",
        ),
        ("not UTF-8 in the header", b"\xe9,b\n".to_vec(), None, "line 1, column 1: bytes that are not UTF-8"),
        (
            "UTF-8 cut in a character",
            b"a,b\n1,\xc3".to_vec(),
            None,
            "line 2, column \"b\": bytes that are not UTF-8",
        ),
        (
            "a surrogate in UTF-8",
            b"a,b\n1,\xed\xa0\x80\n".to_vec(),
            None,
            "line 2, column \"b\": bytes that are not UTF-8",
        ),
        ("overlong UTF-8", b"a,b\n1,\xc0\xaf\n".to_vec(), None, "bytes that are not UTF-8"),
        (
            "a UTF-8 BOM before latin1",
            b"\xef\xbb\xbfa,b\n1,\xe9\n".to_vec(),
            Some("latin1"),
            "bytes that are not UTF-8",
        ),
        (
            "a lone surrogate in UTF-16",
            [utf16("\u{feff}a,b\n1,", u16::to_le_bytes), vec![0x00, 0xd8, 0x0a, 0x00]].concat(),
            None,
            "line 2, column \"b\": bytes that are not UTF-16LE",
        ),
        (
            "UTF-16 of odd length",
            [utf16("\u{feff}a,b\n1,2\n", u16::to_le_bytes), vec![0x31]].concat(),
            None,
            "line 3, column \"a\": bytes that are not UTF-16LE",
        ),
        ("bytes shift_jis has not", b"a,b\n1,\x80\xff\xfd\n".to_vec(), Some("shift_jis"), "not Shift_JIS"),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\xff\xff\x00\x03".to_vec(),
            None,
            "line 1: the file is a gzip file, not a CSV",
        ),
        (
            "xlsx",
            b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xe2\x86!\n".to_vec(),
            None,
            "line 1: the file is a zip archive or an Excel workbook",
        ),
    ];
    for (what, bytes, encoding, expected) in cases {
        let error = read(&bytes, encoding).err().unwrap_or_else(|| panic!("{what} was read"));
        let said = error.to_string();
        assert!(said.contains("in.csv, line ") && said.contains(expected), "{what}: {said}");
        let stop = Stop::from(error);
        assert_eq!(stop.exit, Exit::DataRefused, "{what}");
        assert!(stop.message.contains("nothing was migrated"), "{what}");
    }
}

#[test]
fn three_hundred_columns_are_read() {
    let header: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
    let (read_header, rows) = read(format!("{0}\n{0}\n", header.join(",")).as_bytes(), None).unwrap();
    assert_eq!(read_header, header);
    assert_eq!(rows, [header]);
}

#[test]
fn a_cell_of_100_mb_is_refused_by_the_line_on_which_it_began() {
    for (open, close) in [("1,", "\n"), ("1,\"", "\"\n")] {
        let bytes = ["a,b\n1,2\n", open, &"x\u{e9}".repeat(35_000_000), close].concat();
        let said = read(bytes.as_bytes(), None).unwrap_err().to_string();
        assert!(said.contains("line 3, column \"b\": the record is larger than 16 MiB"), "{said}");
    }
    let largest = ["a,b\n1,", &"x".repeat(16 * 1024 * 1024 - 1), "\n"].concat();
    assert_eq!(read(largest.as_bytes(), None).unwrap().1.len(), 1);
}

#[test]
fn a_stray_quote_swallows_no_later_row() {
    let good = "1,2\n".repeat(10_000);
    let bytes = format!("a,b\n{good}3,\"4\n{good}");
    let said = read(bytes.as_bytes(), None).unwrap_err().to_string();
    assert!(said.contains("line 10002, column \"b\": a quote opens the cell"), "{said}");
}

#[test]
fn lines_are_counted_through_quoted_line_breaks() {
    let said = read(b"a,b\n\"1\n\n1\",\"2\r\n2\"\n3\"\n", None).unwrap_err().to_string();
    assert!(said.contains("line 6, column \"a\""), "{said}");
}

#[test]
fn a_file_that_cannot_be_opened_is_a_usage_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none.csv"), folder.path().to_path_buf()] {
        let opened = RUNTIME.block_on(CsvReader::open(&InputSource::File(path.clone()), &Format::default()));
        let stop = Stop::from(opened.err().unwrap());
        assert_eq!(stop.exit, Exit::Usage);
        assert!(stop.message.contains(&path.display().to_string()), "{stop}");
        assert!(stop.message.contains("--submissions"), "{stop}");
    }
}

#[test]
fn the_digest_is_that_of_the_raw_bytes() {
    let (_folder, path) = file(b"\xef\xbb\xbfa,b\r\n1,2\r\n");
    RUNTIME.block_on(async {
        let source = InputSource::File(path);
        let mut reader = CsvReader::open(&source, &Format::default()).await.unwrap();
        while reader.next().await.unwrap().is_some() {}
        assert!(reader.next().await.unwrap().is_none(), "the end stays the end");
        let digest = reader.digest();
        let fingerprint = source.fingerprint().await.unwrap();
        assert_eq!((digest.sha256, digest.size_bytes, digest.rows), (fingerprint.sha256.clone(), 13, 1));
        assert_eq!(fingerprint.sha256, "12d55567496e2714a23469371b5888bb9d0fb803d52b770c7c08ced31826d2d9");
    });
}
