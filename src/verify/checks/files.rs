//! The files of a submission.

use percent_encoding::percent_decode_str;

use super::{
    super::{
        expect::{
            blob_name::writer_of,
            files::{ExpectedFile, ExpectedName, extension, mime_type, size, tenths, tenths_of},
        },
        findings::{Findings, Kind, Lack, Place, Want},
        rows::{Beside, StoredSubmission},
        table::CheckId,
    },
    Ground, turnitin,
};
use crate::{
    domain::{FileKind, Migrated},
    ports::{Cell, StoredRow, Table},
};

const ALL: [CheckId; 11] = [
    CheckId::SubmissionFileCount,
    CheckId::SubmissionFileSize,
    CheckId::FilesPresent,
    CheckId::FileNames,
    CheckId::FileTypes,
    CheckId::FileSizes,
    CheckId::FileUrls,
    CheckId::FileBlobNames,
    CheckId::FileUploader,
    CheckId::FileDates,
    CheckId::LearnerFilePresent,
];

/// Number, order, names, types, sizes, URLs, uploader and dates of the files.
pub fn files(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    outcome: &Migrated,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    totals(ground, beside, outcome, stored, findings);
    if ground.unreadable.contains(&Table::Files) {
        let needed = ALL.into_iter().filter(|check| *check != CheckId::SubmissionFileSize);
        return needed.for_each(|check| findings.lacking(check, Lack::Table(Table::Files)));
    }
    let Some(expected) = &beside.expected.files else {
        return ALL.into_iter().for_each(|check| findings.lacking(check, Lack::Inputs));
    };
    for file in expected {
        let id = beside.expected.ids.row(Table::Files.name(), place(file));
        let row = stored.files.iter().find(|row| row.id() == id);
        findings.holds(CheckId::FilesPresent, row.is_some(), Kind::Absent, || {
            format!("submission_files has no row for file {}", file.order)
        });
        if let Some(row) = row {
            one(ground, beside, file, (row, turnitin::moved_on(row, outcome.receipt.as_deref())), findings);
            if let Some(receipt) = outcome.file_receipts.get(place(file).saturating_sub(1)) {
                let at = Place { table: Table::Files, column: "file_size", n: place(file) };
                let stored = Table::Files.place("file_size").map_or(&Cell::Null, |place| row.at(place));
                findings.value(CheckId::FileSizes, &at, Want::Text(size(receipt.bytes).into()), stored);
            }
        }
    }
    sizes(outcome, expected, stored, findings);
    let is_learners = |row: &StoredRow| text(row, "submission_file_type") == "submission";
    let has_learners = ground.settings.marker_only || stored.files.iter().any(is_learners);
    findings.holds(CheckId::LearnerFilePresent, has_learners, Kind::Absent, || {
        "the submission has no file of the learner".to_owned()
    });
}

fn place(file: &ExpectedFile) -> usize {
    usize::try_from(file.order).unwrap_or_default()
}

fn text<'r>(row: &'r StoredRow, column: &str) -> &'r str {
    Table::Files.place(column).and_then(|place| row.text(place)).unwrap_or_default()
}

/// The counts in the submission's own row.
fn totals(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    outcome: &Migrated,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let table = Table::Submissions;
    let [count, total] = [CheckId::SubmissionFileCount, CheckId::SubmissionFileSize];
    if ground.unreadable.contains(&table) {
        return [count, total].into_iter().for_each(|check| findings.lacking(check, Lack::Table(table)));
    }
    let Some(row) = stored.submissions.first() else { return };
    let cell = |column| table.place(column).map_or(&Cell::Null, |place| row.at(place));
    let at = |column| Place { table, column, n: 0 };
    let number = |files: usize| Want::Int(i64::try_from(files).unwrap_or(i64::MAX));
    let listed =
        beside.expected.files.as_ref().map_or(Want::Unknown(Lack::Inputs), |files| number(files.len()));
    findings.value(count, &at("file_count"), listed, cell("file_count"));
    let recorded = number(usize::try_from(outcome.files).unwrap_or(usize::MAX));
    findings.value(count, &at("file_count"), recorded, cell("file_count"));
    findings.value(
        total,
        &at("total_file_size"),
        Want::Text(size(outcome.bytes).into()),
        cell("total_file_size"),
    );
}

/// One file's row, and whether the application moved its Turnitin status on.
fn one(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    file: &ExpectedFile,
    (row, moved_on): (&StoredRow, bool),
    findings: &mut Findings,
) {
    let table = Table::Files;
    let attempt = beside.expected.attempt;
    let mut compare = |check, column: &'static str, want: Want<'_>| {
        let at = Place { table, column, n: place(file) };
        findings.value(check, &at, want, table.place(column).map_or(&Cell::Null, |place| row.at(place)));
    };
    compare(
        CheckId::FilesPresent,
        "submission_id",
        Want::Text(beside.expected.ids.row(Table::Submissions.name(), 1).into()),
    );
    compare(CheckId::FilesPresent, "upload_order", Want::Int(file.order.into()));
    let needs_code = matches!(file.name, ExpectedName::ByCode { .. });
    let name = match beside.code {
        Err(lack) if needs_code => Err(lack),
        code => Ok(file.name.beside(code.unwrap_or_default(), attempt)),
    };
    let named = |want: &dyn Fn(&str) -> String| match &name {
        Ok(name) => Want::Text(want(name).into()),
        Err(lack) => Want::Unknown(*lack),
    };
    compare(CheckId::FileNames, "file_name", named(&str::to_owned));
    compare(CheckId::FileNames, "original_file_name", named(&str::to_owned));
    compare(CheckId::FileTypes, "file_type", named(&extension));
    compare(CheckId::FileTypes, "file_mime_type", named(&|name| mime_type(&extension(name)).to_owned()));
    let person = beside.expected.person.as_ref();
    let (kind, turnitin, uploader) = match file.kind {
        FileKind::Learner => {
            let uploader = person.map_or(Want::Unknown(Lack::Inputs), |person| Want::text(&person.uploader));
            let status = if moved_on { Want::Anything } else { Want::text(turnitin::WRITTEN) };
            ("submission", status, uploader)
        }
        // The column keeps its default, which the application may change.
        FileKind::Marker => ("feedback", Want::Anything, Want::Null),
    };
    compare(CheckId::FileTypes, "submission_file_type", Want::text(kind));
    compare(CheckId::FileTypes, "turnitin_status", turnitin);
    compare(CheckId::FileUploader, "uploaded_by", uploader);
    compare(CheckId::FileUrls, "azure_container_name", Want::text(&ground.settings.container));
    let date = match &beside.expected.report {
        Ok(report) => Want::Time(report.approved),
        Err(lack) => Want::Unknown(*lack),
    };
    compare(CheckId::FileDates, "uploaded_at", date);
    blob(ground, beside, file, row, name, findings);
}

/// The blob that the row names: its URL, and its name in the container.
fn blob(
    ground: &Ground<'_>,
    beside: &Beside<'_>,
    file: &ExpectedFile,
    row: &StoredRow,
    name: Result<String, Lack>,
    findings: &mut Findings,
) {
    let attempt = beside.expected.attempt;
    let blob = text(row, "azure_blob_name");
    let lack = ground.lacks(Table::Files, "azure_blob_name");
    for column in ["file_url", "azure_blob_url"] {
        if let Some(lack) = lack.filter(|_| !findings.leaves_out(Table::Files, column)) {
            findings.lacking(CheckId::FileUrls, lack);
            continue;
        }
        let leads = leads_to(text(row, column), &ground.settings.url_base, blob);
        findings.column_holds(CheckId::FileUrls, (Table::Files, column), leads, || {
            format!(
                "submission_files.{column} (row {}) is not the container's URL and the blob's name",
                place(file)
            )
        });
    }
    match name {
        Ok(name) => {
            let writer = writer_of(blob, file.kind, attempt, file.order, &name);
            let column = (Table::Files, "azure_blob_name");
            findings.column_holds(CheckId::FileBlobNames, column, writer.is_some(), || {
                format!("submission_files.azure_blob_name (row {}) is not the name of this file", place(file))
            });
            let is_ours = writer.is_none_or(|id| id.parse().is_ok_and(|id| ground.writers.contains(&id)));
            findings.column_holds(CheckId::FileBlobNames, column, is_ours, || {
                format!(
                    "submission_files.azure_blob_name (row {}) names a writer that this run does not know",
                    place(file)
                )
            });
        }
        Err(lack) => findings.lacking(CheckId::FileBlobNames, lack),
    }
}

/// Whether a URL, decoded, is `base` and the blob's name, without a query.
fn leads_to(url: &str, base: &str, blob: &str) -> bool {
    let Some(rest) = url.strip_prefix(base) else { return false };
    !rest.contains(['?', '#']) && percent_decode_str(rest).decode_utf8().is_ok_and(|decoded| decoded == blob)
}

/// Each size is a size; together they are what the outcome names, as far as rounding lets them be compared. An outcome
/// that names the length of each file is compared file by file.
fn sizes(outcome: &Migrated, expected: &[ExpectedFile], stored: &StoredSubmission, findings: &mut Findings) {
    let (check, column) = (CheckId::FileSizes, (Table::Files, "file_size"));
    let mut sum = 0;
    for row in &stored.files {
        let read = tenths_of(text(row, "file_size"));
        findings.column_holds(check, column, read.is_some(), || {
            "submission_files.file_size is no size in MB".to_owned()
        });
        sum += read.unwrap_or_default();
    }
    if stored.files.len() != expected.len() || !outcome.file_receipts.is_empty() {
        return;
    }
    // Each file is rounded by half a tenth at most, and so is the total.
    let most = (stored.files.len() as u128).div_ceil(2);
    let differ = sum.abs_diff(tenths(outcome.bytes));
    let holds = if stored.files.len() == 1 { differ == 0 } else { differ <= most };
    findings.column_holds(check, column, holds, || {
        "submission_files.file_size: the files together are not as long as the outcome says".to_owned()
    });
}
