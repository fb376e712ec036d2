//! Writes a sample's files, one row after the other.

mod output;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest as _, Md5};

use output::{Output, Table, refused, whole};

use super::{
    FileBytes, Files, LMS_INSTANCE, SCHEMA_SQL, SampleError, SampleOptions, SampleSummary, Shape,
    draft::{Draft, Promise, SampleFile, Stored, stamp, unit_code},
    random::Random,
    seed,
};
use crate::domain::{
    AttemptId, FailCode, MAPPING_COLUMNS, REPORT_COLUMNS, REPORT_TABLE, SCORE_COLUMNS, SCORE_TABLE,
    SUBMISSION_COLUMNS, text::is_blank,
};

pub(super) struct Writer {
    base: String,
    file_bytes: FileBytes,
    files_wanted: Files,
    submissions: Table,
    mapping: Table,
    reports: Table,
    scores: Table,
    expected: Table,
    files: Table,
    seed: Output<BufWriter<File>>,
    summary: SampleSummary,
}

impl Writer {
    /// `out` exists and is empty; `base` is the source files' URL without a trailing slash.
    pub(super) fn create(out: &Path, base: &str, options: &SampleOptions) -> Result<Self, SampleError> {
        // A comma would split the list cells.
        let base = base.replace(',', "%2C");
        for folder in ["warehouse", "target", "files"] {
            let path = out.join(folder);
            fs::create_dir(&path).map_err(refused(&path))?;
        }
        whole(&out.join("target/schema.sql"), SCHEMA_SQL)?;
        whole(&out.join("sample.env"), &environment(out, &base))?;
        let path = out.join("target/seed.sql");
        let file = File::create(&path).map_err(refused(&path))?;
        let mut seed = Output { path, inner: BufWriter::new(file) };
        seed.text(&seed::catalogue())?;
        Ok(Self {
            base,
            file_bytes: options.file_bytes,
            files_wanted: options.files,
            submissions: Table::create(out.join("submission_files.csv"), &SUBMISSION_COLUMNS)?,
            mapping: Table::create(out.join("attempt_number_mapping.csv"), &MAPPING_COLUMNS)?,
            reports: Table::create(
                out.join(format!("warehouse/{REPORT_TABLE}.csv")),
                &[&["AttemptId"], REPORT_COLUMNS.as_slice()].concat(),
            )?,
            scores: Table::create(
                out.join(format!("warehouse/{SCORE_TABLE}.csv")),
                &[&["AttemptId"], SCORE_COLUMNS.as_slice(), &["DateInserted", "DateModified"]].concat(),
            )?,
            expected: Table::create(
                out.join("expected.csv"),
                &["Row", "Attempt ID", "Kind", "Code", "Notes"],
            )?,
            files: Table::create(out.join("files.csv"), &["Path", "Blob Name", "Content-MD5", "State"])?,
            seed,
            summary: SampleSummary { out: out.to_owned(), ..SampleSummary::default() },
        })
    }

    pub(super) fn row(&mut self, shape: &Shape, row: &Draft) -> Result<(), SampleError> {
        self.submission(row)?;
        for line in &row.mapping {
            let code = unit_code(row.unit.0);
            self.mapping.record(&[
                &line.attempt,
                code,
                &line.version,
                &row.assessment_id,
                &line.submission,
            ])?;
        }
        let attempt = row.attempt.to_string();
        self.facts(&attempt, row)?;
        if row.number.is_multiple_of(10) {
            // Both tables know attempts whose files were never exported.
            let other = row.unused_attempt().to_string();
            let version = if row.number.is_multiple_of(1000) { "" } else { "21_02" };
            self.mapping.record(&[&other, "3OLD1", version, "", "Attempt 1"])?;
            self.facts(&other, row)?;
        }
        self.seed.text(&row.target_sql)?;
        self.expect(row)?;
        if self.files_wanted == Files::All {
            let mut random = Random::of_row(!shape.seed, u64::MAX - row.number);
            for file in row.learner_files.iter().chain(&row.marker_files) {
                self.file(file, &mut random)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<SampleSummary, SampleError> {
        for table in [
            &mut self.submissions,
            &mut self.mapping,
            &mut self.reports,
            &mut self.scores,
            &mut self.expected,
            &mut self.files,
        ] {
            table.inner.flush().map_err(refused(&table.path))?;
        }
        self.seed.inner.flush().map_err(refused(&self.seed.path))?;
        Ok(self.summary)
    }

    fn submission(&mut self, row: &Draft) -> Result<(), SampleError> {
        let base = &self.base;
        let fill = |cell: &str| {
            cell.replace("{base as somebody}", &base.replace("://", "://somebody@")).replace("{base}", base)
        };
        let names = |files: &[SampleFile]| files.iter().map(|file| &*file.name).collect::<Vec<_>>().join(",");
        let blobs = |files: &[SampleFile]| files.iter().map(|file| &*file.blob).collect::<Vec<_>>().join(",");
        let urls = |base: &str, files: &[SampleFile]| {
            files.iter().map(|file| format!("{base}/{}", file.encoded_blob())).collect::<Vec<_>>().join(",")
        };
        let old = "https://old-system.example/files";
        let (learner, marker) = (&row.learner_files, &row.marker_files);
        let learner_urls = row.urls_cell.as_deref().map_or_else(|| urls(base, learner), fill);
        let count = learner_urls.split(',').filter(|url| !is_blank(url)).count().to_string();
        self.submissions.record(&[
            &row.membership,
            &row.first_name,
            &row.surname,
            &row.email,
            &row.attempt_cell,
            unit_code(row.unit.0),
            &row.assessment_id,
            &row.course_title,
            row.mapping.first().map_or("", |line| &line.submission),
            &row.rogo_user_id,
            &row.rogo_user_name,
            row.count_cell.as_ref().unwrap_or(&count),
            &row.names_cell.clone().unwrap_or_else(|| names(learner)),
            &urls(old, learner),
            &blobs(learner),
            &learner_urls,
            &marker.len().to_string(),
            &names(marker),
            &urls(old, marker),
            &blobs(marker),
            &urls(base, marker),
            &stamp(row.inserted_at),
            "",
        ])
    }

    fn facts(&mut self, attempt: &str, row: &Draft) -> Result<(), SampleError> {
        for report in &row.reports {
            self.reports.record(&[
                attempt,
                &report.user,
                &report.section,
                &report.exercise,
                &report.achieved,
                &report.awarded,
                &report.available,
                &report.percent,
                &report.grade,
                &report.notes,
                &report.approved,
                &report.inserted,
                &report.modified,
            ])?;
        }
        let at = stamp(row.inserted_at);
        for score in &row.scores {
            self.scores.record(&[attempt, &score.label, &score.score, &score.comment, &at, ""])?;
        }
        Ok(())
    }

    fn expect(&mut self, row: &Draft) -> Result<(), SampleError> {
        let promise = match &row.promise {
            // A folder keeps no checksum that the bytes could differ from.
            Promise::Failed(FailCode::FileCorrupt) if self.base.starts_with("file:") => {
                &Promise::Migrated(Vec::new())
            }
            promise => promise,
        };
        let (kind, code, notes, count) = match promise {
            Promise::Migrated(notes) => {
                let notes: Vec<_> = notes.iter().map(|note| note.code()).collect();
                ("migrated", "", notes.join(" "), &mut self.summary.migrated)
            }
            Promise::Skipped(code) => ("skipped", code.code(), String::new(), &mut self.summary.skipped),
            Promise::Failed(code) => ("failed", code.code(), String::new(), &mut self.summary.failed),
        };
        *count += 1;
        self.summary.rows += 1;
        let attempt = row.attempt_cell.parse::<AttemptId>();
        let attempt = attempt.map_or_else(|_| row.attempt_cell.clone(), |attempt| attempt.to_string());
        self.expected.record(&[&row.number.to_string(), &attempt, kind, code, &notes])
    }

    fn file(&mut self, file: &SampleFile, random: &mut Random) -> Result<(), SampleError> {
        if file.stored == Stored::Missing {
            return self.files.record(&["", &file.blob, "", "missing"]);
        }
        let name = format!("files/{}", file.blob);
        let path = self.summary.out.join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(refused(folder))?;
        }
        let size = random.between(self.file_bytes.min, self.file_bytes.max);
        let md5 = content(&path, size, random).map_err(refused(&path))?;
        self.summary.files += 1;
        self.summary.bytes += size;
        match file.stored {
            Stored::Corrupt => {
                let claimed: [u8; 16] = Md5::digest(b"what these bytes once were").into();
                self.files.record(&[&name, &file.blob, &BASE64.encode(claimed), "corrupt"])
            }
            _ => self.files.record(&[&name, &file.blob, &BASE64.encode(md5), "sound"]),
        }
    }
}

/// Writes `size` random bytes; returns their MD5.
fn content(path: &Path, size: u64, random: &mut Random) -> io::Result<[u8; 16]> {
    let mut file = File::create_new(path)?;
    let mut digest = Md5::new();
    let mut part = Vec::with_capacity(64 * 1024);
    let mut left = size;
    while left > 0 {
        part.clear();
        let wanted = usize::try_from(left.min(64 * 1024)).unwrap_or(64 * 1024);
        while part.len() < wanted {
            part.extend_from_slice(&random.next().to_le_bytes());
        }
        part.truncate(wanted);
        digest.update(&part);
        file.write_all(&part)?;
        left -= wanted as u64;
    }
    Ok(digest.finalize().into())
}

/// The settings of the sample, for a shell.
fn environment(out: &Path, base: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = |name: &str| quoted(&out.join(name).display().to_string());
    format!(
        "# Settings of this sample. In a shell: set -a; . {env}; set +a
# Then, with target/schema.sql and target/seed.sql in an empty PostgreSQL database, and DATABASE_URL, ROGO_TARGET and
# ROGO_RUN_STORE set: rogo-migrate run --warehouse {warehouse}
ROGO_SUBMISSIONS={submissions}
ROGO_MAPPING={mapping}
ROGO_SOURCE_ALLOW={allow}
ROGO_LMS_INSTANCE={LMS_INSTANCE}
ROGO_LMS_NAME='Sample LMS'
ROGO_RETURN_URL=https://lms.example/sections
ROGO_CONSUMER_KEY=sample
",
        env = path("sample.env"),
        warehouse = quoted(&format!("file://{}", out.join("warehouse").display())),
        submissions = path("submission_files.csv"),
        mapping = path("attempt_number_mapping.csv"),
        allow = quoted(base),
    )
}
