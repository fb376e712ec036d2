//! What the target holds now: the rows under the attempt's ids, its blobs, and other submissions of the attempt.

use chrono::SecondsFormat;

use super::{Run, Service, decision::Gathered, page::Page, recorded::Recorded};
use crate::{
    domain::{AttemptId, Fate, SubmissionIds, attempt_of_launch_id},
    ports::{Blobs, Cell, Fault, Lookup, StandingSubmission, StoredRow, Table},
};

/// Ids of files and of marks that are looked up.
const MOST_ROWS: usize = 1_000;

/// Columns of each table that say what it is about; the others are the run's settings or repeat these.
const SHOWN: [(Table, &[&str]); 8] = [
    (
        Table::LaunchSessions,
        &["launch_id", "user_id", "user_name", "user_email", "course_name", "context_id", "expires_at"],
    ),
    (Table::SessionRecords, &["launch_id", "full_name", "email", "context_title", "session_expiry"]),
    (
        Table::Submissions,
        &[
            "lti_launch_id",
            "full_name",
            "email",
            "lms_user_id",
            "context_title",
            "custom_assessment_code",
            "attempt_number",
            "submitted_at",
            "file_count",
            "total_file_size",
            "created_at",
            "updated_at",
        ],
    ),
    (
        Table::Files,
        &[
            "upload_order",
            "file_name",
            "submission_file_type",
            "file_size",
            "uploaded_by",
            "uploaded_at",
            "turnitin_status",
            "azure_blob_name",
        ],
    ),
    (Table::Assignments, &["marking_status", "status_updated_at"]),
    (Table::Marks, &["section_id", "marks_awarded", "feedback"]),
    (
        Table::Grades,
        &[
            "assessment_id",
            "total_marks_awarded",
            "total_marks_possible",
            "percentage_score",
            "final_grade",
            "overall_summary",
            "malpractice_level_id",
            "malpractice_notes",
            "is_complete",
            "completed_at",
        ],
    ),
    (
        Table::Enforcements,
        &[
            "custom_assessment_code",
            "context_id",
            "malpractice_level_id",
            "submission_id",
            "attempt_number",
            "enforced_max_attempts",
            "updated_at",
        ],
    ),
];

/// What the target holds of the attempt.
pub struct Found(Service<Standing>);

struct Standing {
    rows: Vec<(Table, Vec<StoredRow>)>,
    unreadable: Vec<String>,
    blobs: Vec<(String, String)>,
    others: Service<Vec<String>>,
}

/// Reads rows, blobs and other submissions of the attempt.
pub async fn read(run: &Run<'_>, attempt: AttemptId, gathered: Option<&Gathered>) -> Found {
    let target = match &run.services.target {
        Ok(target) => *target,
        Err(why) => return Found(Err(why.clone())),
    };
    let ids = SubmissionIds::new(&run.rules.lms_instance, attempt);
    let standing = async {
        let absent = target.unreadable().await?;
        let is_readable = |table: &Table| absent.iter().all(|one| one.table != table.name());
        let lookups: Vec<Lookup> =
            lookups(&ids, gathered).into_iter().filter(|one| is_readable(&one.table)).collect();
        let found = target.rows(&lookups).await?;
        let rows: Vec<_> = lookups.iter().map(|one| one.table).zip(found).collect();
        Ok::<_, Fault>((rows, absent.into_iter().map(|one| format!("{}: {}", one.table, one.why)).collect()))
    };
    let (rows, unreadable) = match standing.await {
        Ok(standing) => standing,
        Err(fault) => return Found(Err(fault.chain())),
    };
    let mut others = Vec::new();
    let own = ids.launch_id();
    let mut each = |batch: Vec<StandingSubmission>| {
        for one in batch {
            if attempt_of_launch_id(&one.launch_id) == Some(attempt) && one.launch_id != own {
                others.push(format!("{} (id {})", one.launch_id, one.id));
            }
        }
    };
    let listing = target.launch_ids(&mut each).await;
    let others = listing.map_err(|fault| fault.chain()).map(|()| others);
    let blobs = blobs(run, &rows).await;
    Found(Ok(Standing { rows, unreadable, blobs, others }))
}

fn lookups(ids: &SubmissionIds, gathered: Option<&Gathered>) -> Vec<Lookup> {
    let numbered = |table: Table| (1..=MOST_ROWS).map(|n| ids.row(table.name(), n)).collect();
    let by = |table: Table, key: &'static str, values: Vec<String>| Lookup { table, key, values };
    let submission = ids.row(Table::Submissions.name(), 1);
    let rule = gathered.and_then(Gathered::migration).and_then(|migration| migration.malpractice.as_ref());
    let mut all = vec![
        by(Table::LaunchSessions, "launch_id", vec![ids.launch_id()]),
        by(Table::SessionRecords, "launch_id", vec![ids.launch_id()]),
        by(Table::Submissions, "id", vec![submission.clone()]),
        by(Table::Files, "id", numbered(Table::Files)),
        by(Table::Assignments, "id", vec![ids.row(Table::Assignments.name(), 1)]),
        by(Table::Marks, "id", numbered(Table::Marks)),
        by(Table::Grades, "submission_id", vec![submission]),
    ];
    all.extend(rule.map(|rule| by(Table::Enforcements, "id", vec![rule.enforcement_id.clone()])));
    all
}

/// Each file's blob, by name.
async fn blobs(run: &Run<'_>, rows: &[(Table, Vec<StoredRow>)]) -> Vec<(String, String)> {
    let place = Table::Files.place("azure_blob_name").unwrap_or_default();
    let files = rows.iter().filter(|(table, _)| *table == Table::Files).flat_map(|(_, rows)| rows);
    let mut found = Vec::new();
    for name in files.filter_map(|row| row.text(place)) {
        let state = match &run.services.files {
            Ok(files) => blob(files.as_ref(), name).await,
            Err(why) => format!("not looked at: {why}"),
        };
        found.push((name.to_owned(), state));
    }
    found
}

async fn blob(files: &dyn Blobs, name: &str) -> String {
    match files.head(name).await {
        Ok(Some(info)) => format!("{} bytes, {}", info.size_bytes, info.content_type.unwrap_or_default()),
        Ok(None) => "GONE: the target container has no blob of this name".to_owned(),
        Err(fault) => format!("not looked at: {}", fault.chain()),
    }
}

impl Found {
    fn rows(&self, wanted: Table) -> &[StoredRow] {
        let Ok(standing) = &self.0 else { return &[] };
        standing.rows.iter().find(|(table, _)| *table == wanted).map_or(&[], |(_, rows)| rows)
    }

    /// The end of a sentence about a migrated attempt.
    pub fn in_short(&self) -> String {
        match &self.0 {
            Err(why) => format!("what stands in the target now is not known: {why}"),
            Ok(_) if self.rows(Table::Submissions).is_empty() => {
                "the target does NOT hold its submission any more: it was lost, deleted or rolled back"
                    .to_owned()
            }
            Ok(_) => "the target holds its submission".to_owned(),
        }
    }

    /// The section about the target.
    pub fn write(&self, page: &mut Page, recorded: Option<&Recorded>) {
        page.section("What stands in the target now");
        let standing = match &self.0 {
            Ok(standing) => standing,
            Err(why) => return page.not_available("the target", why),
        };
        for why in &standing.unreadable {
            page.not_available("a table", why);
        }
        let commit = recorded.and_then(Recorded::standing).and_then(|one| match &one.outcome.fate {
            Fate::Migrated(migrated) => migrated.receipt.as_ref()?.transaction,
            Fate::Skipped { .. } | Fate::Failed { .. } => None,
        });
        for (table, columns) in SHOWN {
            let rows = self.rows(table);
            if rows.is_empty() && standing.rows.iter().any(|(read, _)| *read == table) {
                page.say(&format!("{}: no row under the attempt's ids", table.name()));
            }
            for row in rows {
                write_row(page, table, columns, row, commit);
            }
        }
        for (name, state) in &standing.blobs {
            page.field("blob", &format!("{name}: {state}"));
        }
        match &standing.others {
            Err(why) => page.not_available("other submissions of the attempt", why),
            Ok(others) if others.is_empty() => page.say("no other submission of the attempt"),
            Ok(others) => page.say(&format!("other submissions of the attempt: {}", others.join(", "))),
        }
    }
}

fn write_row(page: &mut Page, table: Table, columns: &[&str], row: &StoredRow, commit: Option<u64>) {
    // xmin holds the lower half of a transaction's id.
    let since = match commit {
        Some(commit) if commit & u64::from(u32::MAX) == u64::from(row.transaction) => {
            " (as the run's commit wrote it)"
        }
        Some(_) => " (written by another transaction than the run's commit)",
        None => "",
    };
    page.say(&format!("{} {}{since}", table.name(), row.id()));
    for column in columns {
        let value = table.place(column).map(|place| text(row.at(place))).unwrap_or_default();
        page.field(column, &value);
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Int(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Double(number) => number.to_string(),
        Cell::Decimal(number) => number.to_string(),
        Cell::Bool(is) => is.to_string(),
        Cell::Time(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    }
}
