//! `--expect FILE`: what the owner of the data says of the inputs, the warehouse and the files, compared with what is
//! there.

use std::path::Path;

use serde::Deserialize;

use super::PredictedFiles;
use crate::{
    domain::{Extent, InputDigest, REPORT_TABLE, SCORE_TABLE, TableExtent},
    exit::{Exit, Stop},
    inputs::read_text,
};

/// The owner's numbers and digests; what is left out is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// `submission_files.csv`.
    pub submissions: ExpectedData,
    /// `attempt_number_mapping.csv`.
    pub mapping: ExpectedData,
    /// The two tables of the warehouse.
    pub warehouse: ExpectedWarehouse,
    /// Files to copy: compared by `plan --predict`.
    pub files: ExpectedFiles,
}

/// One file or table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedData {
    /// Rows below the header, or of the table.
    pub rows: Option<u64>,
    /// Length of the file in bytes.
    pub size_bytes: Option<u64>,
    /// SHA-256 of the file's bytes, hex, in any case.
    pub sha256: Option<String>,
}

/// The two tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedWarehouse {
    /// `Rogo_AssessmentReport`.
    pub reports: ExpectedData,
    /// `Rogo_AssessmentReportScores`.
    pub scores: ExpectedData,
}

/// Files of rows that are predicted as migrated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedFiles {
    /// Number of files.
    pub files: Option<u64>,
    /// Length of all of them together.
    pub bytes: Option<u64>,
}

impl Expected {
    /// Reads the file; `None` if none is named. A file that names nothing, or a key that is not known, is refused.
    pub fn read(path: Option<&Path>) -> Result<Option<Self>, Stop> {
        let Some(path) = path else { return Ok(None) };
        let refuse = |why: String| Stop::new(Exit::Usage, format!("--expect {}: {why}", path.display()));
        let text = read_text(path, refuse)?;
        let expected: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            refuse(format!("line {}: {}", before.matches('\n').count() + 1, error.message()))
        })?;
        if expected == Self::default() {
            return Err(refuse("it names nothing to expect; see README.md for its keys".into()));
        }
        Ok(Some(expected))
    }

    /// For what is not predicted: the files are not looked at, so what is expected of them is not compared. Refused with 64 if
    /// nothing else is expected; else the line that says so, if there is one to say.
    pub fn without_prediction(path: Option<&Path>) -> Result<Option<String>, Stop> {
        let Some((path, expected)) = path.zip(Self::read(path)?) else { return Ok(None) };
        let Self { files, .. } = &expected;
        if *files == ExpectedFiles::default() {
            return Ok(None);
        }
        let said = format!("--expect {}: only `plan --predict` compares [files]", path.display());
        if expected == (Self { files: files.clone(), ..Self::default() }) {
            let message =
                format!("{said}, and it names nothing else; run that first, or leave --expect out here");
            return Err(Stop::new(Exit::Usage, message));
        }
        Ok(Some(format!("{said}; the rest of it is compared here")))
    }

    /// Ends with 78 if inputs or warehouse differ, naming each difference.
    pub fn compare(
        &self,
        submissions: &InputDigest,
        mapping: &InputDigest,
        warehouse: &[TableExtent],
    ) -> Result<(), Stop> {
        let mut found = Vec::new();
        input(&mut found, "submission_files.csv", &self.submissions, submissions);
        input(&mut found, "attempt_number_mapping.csv", &self.mapping, mapping);
        table(&mut found, REPORT_TABLE, &self.warehouse.reports, warehouse);
        table(&mut found, SCORE_TABLE, &self.warehouse.scores, warehouse);
        end(&found)
    }

    /// Ends with 78 if the files to copy differ.
    pub fn compare_files(&self, files: &PredictedFiles) -> Result<(), Stop> {
        let mut found = Vec::new();
        if self.files != ExpectedFiles::default() && !files.exact {
            found.push(
                "files to copy: not every file could be looked at, so their number and bytes are not known"
                    .into(),
            );
        } else {
            number(&mut found, "files to copy", "files", self.files.files, Some(files.files));
            number(&mut found, "files to copy", "bytes", self.files.bytes, Some(files.bytes));
        }
        end(&found)
    }
}

fn input(found: &mut Vec<String>, name: &str, expected: &ExpectedData, is: &InputDigest) {
    number(found, name, "rows", expected.rows, Some(is.rows));
    number(found, name, "bytes", expected.size_bytes, Some(is.size_bytes));
    digest(found, name, expected, Some(&is.sha256));
}

fn table(found: &mut Vec<String>, name: &str, expected: &ExpectedData, warehouse: &[TableExtent]) {
    let of_table = |one: &&TableExtent| one.table.trim_end_matches(".csv").ends_with(name);
    let (rows, size_bytes, sha256) = match warehouse.iter().find(of_table).map(|one| &one.extent) {
        Some(Extent::Rows { rows, .. }) => (Some(*rows), None, None),
        Some(Extent::File { size_bytes, sha256 }) => (None, Some(*size_bytes), Some(sha256.as_str())),
        None => (None, None, None),
    };
    number(found, name, "rows", expected.rows, rows);
    number(found, name, "bytes", expected.size_bytes, size_bytes);
    digest(found, name, expected, sha256);
}

fn number(found: &mut Vec<String>, name: &str, unit: &str, expected: Option<u64>, is: Option<u64>) {
    match (expected, is) {
        (Some(expected), Some(is)) if expected != is => {
            found.push(format!("{name}: {expected} {unit} expected, there are {is}"));
        }
        (Some(expected), None) => {
            found.push(format!("{name}: {expected} {unit} expected, and their number is not known here"));
        }
        _ => {}
    }
}

fn digest(found: &mut Vec<String>, name: &str, expected: &ExpectedData, is: Option<&str>) {
    match (&expected.sha256, is) {
        (Some(expected), Some(is)) if !expected.trim().eq_ignore_ascii_case(is) => {
            found.push(format!("{name}: SHA-256 {} expected, it is {is}", expected.trim()));
        }
        (Some(_), None) => {
            found.push(format!("{name}: a SHA-256 is expected, and a table of a server has none"));
        }
        _ => {}
    }
}

fn end(found: &[String]) -> Result<(), Stop> {
    if found.is_empty() {
        return Ok(());
    }
    let message = format!(
        "what is there is not what --expect (ROGO_EXPECT) names:\n{}\nexport again, or correct the expectation with the \
         data's owner",
        found.join("\n")
    );
    Err(Stop::new(Exit::Configuration, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is() -> InputDigest {
        InputDigest { location: "f".into(), sha256: "ab".into(), size_bytes: 10, rows: 2 }
    }

    #[test]
    fn every_difference_is_named_and_what_is_left_out_is_not_compared() {
        let expected: Expected = toml::from_str(
            "submissions = { rows = 3, sha256 = 'AB' }
             mapping = { size_bytes = 11 }
             [warehouse.reports]
             rows = 7
             [warehouse.scores]
             sha256 = 'cd'
             [files]
             bytes = 5",
        )
        .unwrap();
        let rows = Extent::Rows { rows: 7, newest_date_modified: None };
        let file = Extent::File { size_bytes: 1, sha256: "CE".into() };
        let warehouse = [
            TableExtent { table: format!("dbo.{REPORT_TABLE}"), extent: rows },
            TableExtent { table: format!("az://x/{SCORE_TABLE}.csv"), extent: file },
        ];
        let stop = expected.compare(&is(), &is(), &warehouse).unwrap_err();
        assert_eq!(stop.exit, Exit::Configuration);
        let lines: Vec<&str> = stop.message.lines().collect();
        assert_eq!(lines.len(), 5, "{}", stop.message);
        for (line, says) in lines.iter().skip(1).zip([
            "submission_files.csv: 3 rows expected, there are 2",
            "attempt_number_mapping.csv: 11 bytes expected, there are 10",
            "Rogo_AssessmentReportScores: SHA-256 cd expected, it is CE",
        ]) {
            assert_eq!(*line, says);
        }
        let files = PredictedFiles { bytes: 5, exact: true, ..PredictedFiles::default() };
        assert!(expected.compare_files(&files).is_ok());
        assert!(expected.compare_files(&PredictedFiles { exact: false, ..files.clone() }).is_err());
        assert!(expected.compare_files(&PredictedFiles { bytes: 6, ..files }).is_err());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_an_empty_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("expect.toml");
        for (text, says) in
            [("[submissions]\nrow = 3\n", "line 2: unknown field `row`"), ("# none\n", "names nothing")]
        {
            std::fs::write(&path, text).unwrap();
            let stop = Expected::read(Some(&path)).unwrap_err();
            assert!(stop.exit == Exit::Usage && stop.message.contains(says), "{}", stop.message);
        }
        assert!(Expected::read(Some(&folder.path().join("none.toml"))).is_err());
        assert_eq!(Expected::read(None).unwrap(), None);
    }
}
