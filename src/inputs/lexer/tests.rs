//! Odd records whole and in pieces, and the csv crate as the oracle.

use proptest::prelude::*;

use super::*;

fn read_in_pieces(text: &str, piece: usize) -> Result<Vec<Vec<String>>, Problem> {
    read_by(Lexer::default(), text, piece)
}

fn read_by(mut lexer: Lexer, text: &str, piece: usize) -> Result<Vec<Vec<String>>, Problem> {
    let mut rows = Vec::new();
    let keep = |lexer: &Lexer| lexer.record().iter().map(str::to_owned).collect::<Vec<_>>();
    let pieces: Vec<String> =
        text.chars().collect::<Vec<_>>().chunks(piece).map(|piece| piece.iter().collect()).collect();
    for piece in &pieces {
        let mut at = 0;
        while at < piece.len() {
            let (taken, complete) = lexer.read(&piece[at..])?;
            at += taken;
            if complete {
                rows.push(keep(&lexer));
            }
        }
    }
    if lexer.end()? {
        rows.push(keep(&lexer));
    }
    Ok(rows)
}

fn check(text: &str, expected: &Result<Vec<Vec<&str>>, Problem>) {
    let expected = expected.clone().map(|rows| {
        rows.into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect::<Vec<Vec<_>>>()
    });
    for piece in [1, 2, 3, 1000] {
        assert_eq!(read_in_pieces(text, piece), expected, "{text:?} in pieces of {piece}");
    }
}

#[test]
fn what_rfc_4180_allows_is_read_exactly() {
    for (text, rows) in [
        ("", vec![]),
        ("\n\r\n\n", vec![]),
        ("a", vec![vec!["a"]]),
        ("a\n", vec![vec!["a"]]),
        ("a\r\n", vec![vec!["a"]]),
        ("a,b\r\nc,d", vec![vec!["a", "b"], vec!["c", "d"]]),
        ("a,b\n\n\r\nc,d\n\n", vec![vec!["a", "b"], vec!["c", "d"]]),
        (",\n", vec![vec!["", ""]]),
        (",", vec![vec!["", ""]]),
        ("a,", vec![vec!["a", ""]]),
        ("\"\"\n", vec![vec![""]]),
        ("\"\"", vec![vec![""]]),
        ("\"\"\"\"", vec![vec!["\""]]),
        ("\"a,b\",\"c\"\"d\"\n", vec![vec!["a,b", "c\"d"]]),
        ("\"a\nb\r\nc\rd\",e", vec![vec!["a\nb\r\nc\rd", "e"]]),
        (" a , b ", vec![vec![" a ", " b "]]),
        ("😀,\0,é\n", vec![vec!["😀", "\0", "é"]]),
    ] {
        check(text, &Ok(rows));
    }
}

#[test]
fn malformed_quoting_is_refused_and_never_repaired() {
    for (text, problem) in [
        ("\"", Problem::Unclosed),
        ("a,\"b\nc,d\n", Problem::Unclosed),
        ("a,\"b\"\"", Problem::Unclosed),
        ("\"a\"b", Problem::TextAfterQuote),
        ("\"a\" ,b", Problem::TextAfterQuote),
        ("\"a\"\"b\"c\n", Problem::TextAfterQuote),
        ("a\"b", Problem::StrayQuote),
        ("a\"\n", Problem::StrayQuote),
        (" \"a\"", Problem::StrayQuote),
        ("a\rb", Problem::LoneReturn),
        ("\"a\"\rb", Problem::LoneReturn),
        ("a\r\r\n", Problem::LoneReturn),
        ("\r", Problem::LoneReturn),
        ("\ra", Problem::LoneReturn),
        ("a\r", Problem::LoneReturn),
    ] {
        check(text, &Err(problem));
    }
}

#[test]
fn a_backslash_before_a_quote_and_other_delimiters_are_told_apart() {
    for (text, problem) in [
        ("\"a \\\"b\\\" c\"", Problem::BackslashBeforeQuote),
        ("a \\\"b", Problem::BackslashBeforeQuote),
        ("\"a\\\\\"b", Problem::BackslashBeforeQuote),
        ("\"a\";\"b\"", Problem::Delimiter(b';')),
        ("\"a\"\t\"b\"", Problem::Delimiter(b'\t')),
        ("\"a\"|\"b\"", Problem::Delimiter(b'|')),
    ] {
        check(text, &Err(problem));
    }
    check("\"a\\\",b\\", &Ok(vec![vec!["a\\", "b\\"]]));
}

#[test]
fn a_row_may_lack_only_cells_that_are_not_needed_and_not_at_the_files_end() {
    let read = |text: &str, needed: usize| {
        let mut lexer = Lexer::default();
        lexer.expect_columns(4);
        lexer.need_columns(needed);
        read_by(lexer, text, 2)
    };
    let short = |found| Err(Problem::TooFew { found, expected: 4 });
    assert_eq!(read("a,b\n", 2), Ok(vec![["a", "b", "", ""].map(str::to_owned).to_vec()]));
    assert_eq!(read("a,b\n", 3), short(2));
    assert_eq!(read("a,b", 2), short(2), "the file may be cut");
    assert_eq!(read("a,b,c,d", 2).unwrap().len(), 1);
    assert_eq!(read("a,b,c,d,e\n", 2), Err(Problem::TooMany { expected: 4 }));
}

#[test]
fn a_record_tells_its_lines_and_quotes() {
    let mut lexer = Lexer::default();
    assert_eq!(lexer.read("\n\r\n\"a\n\",b,\"c\r\n\nd\",e\n"), Ok((20, true)));
    let record = lexer.record();
    assert_eq!([0, 1, 2, 3].map(|index| record.line(index)), [3, 4, 4, 6]);
    assert_eq!([0, 1, 2, 3, 4].map(|index| record.is_quoted(index)), [true, false, true, false, false]);
    assert_eq!((record.found(), record.get(9), record.is_quoted(9)), (4, "", false));
}

#[test]
fn a_record_of_more_than_16_mib_is_refused_before_it_is_kept() {
    let mut lexer = Lexer::default();
    let piece = "x".repeat(1 << 20);
    let refused = (0..17).find_map(|_| lexer.read(&piece).err());
    assert_eq!(refused, Some(Problem::TooLong));
    assert!(lexer.record.text.capacity() <= 2 * MAX_RECORD_BYTES);
}

#[test]
fn a_million_commas_are_refused_before_they_are_kept() {
    let mut lexer = Lexer::default();
    assert_eq!(lexer.read(&",".repeat(1 << 20)), Err(Problem::TooMany { expected: MAX_COLUMNS }));
}

proptest! {
    #[test]
    fn any_text_reads_alike_in_any_pieces(text in "[a,\"\r\n😀]{0,40}", piece in 1_usize..5) {
        prop_assert_eq!(read_in_pieces(&text, piece), read_in_pieces(&text, 1000));
    }

    #[test]
    fn what_is_accepted_reads_as_the_csv_crate_reads_it(text in "[a,\"\r\n😀]{0,40}") {
        if let Ok(rows) = read_in_pieces(&text, 1000) {
            let mut oracle = csv::ReaderBuilder::new();
            let mut oracle = oracle.has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = oracle
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            prop_assert_eq!(rows, expected);
        }
    }

    #[test]
    fn backslash_escapes_read_as_the_csv_crate_reads_them(text in "[a,\"\r\n\\\\]{0,30}", piece in 1_usize..5) {
        let read = |piece| read_by(Lexer::with_backslash_escapes(), &text, piece);
        prop_assert_eq!(read(piece), read(1000));
        if let Ok(rows) = read(1000) && !text.contains("\"\"") {
            let quotes_only = text.split([',', '\n', '\r']).all(|cell| cell.starts_with('"') || !cell.contains('\\'));
            let mut oracle = csv::ReaderBuilder::new();
            let mut oracle = oracle.has_headers(false).flexible(true).escape(Some(b'\\')).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                oracle.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert!(!quotes_only || rows == expected, "{:?} {:?}", rows, expected);
        }
    }

    #[test]
    fn what_csv_writer_writes_reads_back(
        rows in prop::collection::vec(prop::collection::vec(any::<String>(), 3), 0..5),
        crlf in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(read_in_pieces(&text, 7), Ok(rows));
    }
}
