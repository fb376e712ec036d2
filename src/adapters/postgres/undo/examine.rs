//! What stands of submissions, and what hangs on them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::keys::ForeignKey;
use crate::{
    domain::SubmissionIds,
    ports::{
        HangingRows, OWN_TABLES, OtherMalpractice, StandingRule, StoredMalpractice, WrittenRow,
        WrittenSubmission,
    },
};

/// A row of one of the seven tables, and what its table's rows are looked at for.
#[derive(FromRow)]
struct OwnRow {
    #[sqlx(rename = "name")]
    table: String,
    /// Id of the launch session, session record or submission that it belongs to.
    owner: String,
    id: String,
    written: i64,
    age: i32,
    detail: Option<String>,
}

/// A row of `malpractice_enforcements` that stands under a submission's key or names it.
#[derive(FromRow)]
struct RuleRow {
    /// Id of the submission that was asked about.
    owner: String,
    id: String,
    submission_id: Option<String>,
    launch_id: Option<String>,
    /// The whole row as JSON text.
    image: String,
    written: i64,
    age: i32,
    blob_names: Vec<String>,
}

/// Malpractice that a grade of a submission names.
#[derive(FromRow)]
struct MalpracticeRow {
    owner: String,
    lms_user_id: String,
    assessment_code: String,
    context_id: String,
    level_id: String,
    attempt_number: Option<i32>,
    written_at: Option<DateTime<Utc>>,
}

/// `$1` ids of launch sessions, `$2` of session records, `$3` of submissions.
const ROWS: &str = "
    select 'lti_launch_sessions' as name, id::text as owner, id::text, xmin::text::bigint as written, age(xmin) as age,
        null::text as detail from lti_launch_sessions where id = any($1)
    union all select 'lti_session_records', id, id, xmin::text::bigint, age(xmin), null
        from lti_session_records where id = any($2)
    union all select 'assignment_submissions', id, id, xmin::text::bigint, age(xmin), file_count::text
        from assignment_submissions where id = any($3)
    union all select 'submission_files', submission_id, id, xmin::text::bigint, age(xmin), azure_blob_name
        from submission_files where submission_id = any($3)
    union all select 'submission_marking_assignments', submission_id, id, xmin::text::bigint, age(xmin),
        assigned_marker_id from submission_marking_assignments where submission_id = any($3)
    union all select 'submission_section_marks', submission_id, id, xmin::text::bigint, age(xmin), null
        from submission_section_marks where submission_id = any($3)
    union all select 'submission_grades', submission_id, id, xmin::text::bigint, age(xmin), null
        from submission_grades where submission_id = any($3)";

const MALPRACTICE: &str =
    "select own.id as owner, coalesce(own.lms_user_id, '') as lms_user_id,
        coalesce(own.custom_assessment_code, '') as assessment_code, coalesce(own.context_id, '') as context_id,
        grade.malpractice_level_id as level_id, own.attempt_number, grade.created_at as written_at
    from assignment_submissions own join submission_grades grade on grade.submission_id = own.id
    where own.id = any($1) and grade.malpractice_level_id is not null";

const RULES: &str = "
    select own.id as owner, rule.id, rule.submission_id, named.lti_launch_id as launch_id,
        to_jsonb(rule)::text as image, rule.xmin::text::bigint as written, age(rule.xmin) as age,
        array(select file.azure_blob_name from submission_files file
            where file.submission_id = named.id and file.azure_blob_name is not null) as blob_names
    from (
        select own.id, rule.id as rule_id from assignment_submissions own join malpractice_enforcements rule
            on rule.lms_user_id = own.lms_user_id and rule.custom_assessment_code = own.custom_assessment_code
            and rule.context_id = own.context_id where own.id = any($1)
        union select submission_id, id from malpractice_enforcements where submission_id = any($1)
    ) own
    join malpractice_enforcements rule on rule.id = own.rule_id
    left join assignment_submissions named on named.id = rule.submission_id";

const OTHERS: &str = r"
    select own.id, other.id, other.lti_launch_id, other.created_at from assignment_submissions own
    join assignment_submissions other on other.lms_user_id = own.lms_user_id
        and other.custom_assessment_code = own.custom_assessment_code and other.context_id = own.context_id
        and other.id <> own.id and other.lti_launch_id like 'rogo\_%'
    join submission_grades grade on grade.submission_id = other.id and grade.malpractice_level_id is not null
    where own.id = any($1)";

/// Other submissions that refer to the session records.
const SHARED_RECORDS: &str = "select lti_session_record_id, count(*) from assignment_submissions
    where lti_session_record_id = any($1) and id <> all($2) group by 1";

/// What stands of each submission, in their order.
pub(super) async fn examine(
    connection: &mut PgConnection,
    keys: &[ForeignKey],
    submissions: &[SubmissionIds],
) -> Result<Vec<WrittenSubmission>, sqlx::Error> {
    let ids = |table: &str| -> Vec<String> { submissions.iter().map(|ids| ids.row(table, 1)).collect() };
    let (launches, records) = (ids("lti_launch_sessions"), ids("lti_session_records"));
    let owners = ids("assignment_submissions");
    let mut found: Vec<_> = submissions.iter().copied().map(WrittenSubmission::nothing).collect();
    let mut places = HashMap::new();
    for ids in [&launches, &records, &owners] {
        places.extend(ids.iter().cloned().zip(0..));
    }
    let rows: Vec<OwnRow> =
        sqlx::query_as(ROWS).bind(&launches).bind(&records).bind(&owners).fetch_all(&mut *connection).await?;
    for row in rows {
        let place = places.get(&row.owner).copied();
        if let Some(submission) = place.and_then(|place: usize| found.get_mut(place)) {
            add(submission, row);
        }
    }
    hanging(connection, keys, &records, &owners, &mut found, &places).await?;
    rules(connection, &mut found, &places).await?;
    Ok(found)
}

fn add(submission: &mut WrittenSubmission, OwnRow { table, id, written, age, detail, .. }: OwnRow) {
    let Some(table) = OWN_TABLES.into_iter().find(|own| *own == table) else { return };
    submission.rows.push(WrittenRow { table, id, transaction: written, age });
    match table {
        "assignment_submissions" => {
            submission.file_count = Some(detail.and_then(|count| count.parse().ok()).unwrap_or_default());
        }
        "submission_files" => submission.blob_names.extend(detail),
        "submission_marking_assignments" => submission.has_marker |= detail.is_some(),
        _ => {}
    }
}

async fn hanging(
    connection: &mut PgConnection,
    keys: &[ForeignKey],
    records: &[String],
    owners: &[String],
    found: &mut [WrittenSubmission],
    places: &HashMap<String, usize>,
) -> Result<(), sqlx::Error> {
    let shared: Vec<(String, i64)> =
        sqlx::query_as(SHARED_RECORDS).bind(records).bind(owners).fetch_all(&mut *connection).await?;
    let mut counted = vec![("assignment_submissions", "lti_session_record_id", shared)];
    let all: Vec<String> =
        found.iter().flat_map(|submission| &submission.rows).map(|row| row.id.clone()).collect();
    let owner_of: HashMap<&str, usize> = found
        .iter()
        .zip(0..)
        .flat_map(|(submission, place)| submission.rows.iter().map(move |row| (row.id.as_str(), place)))
        .collect();
    let mut hangs: Vec<(usize, HangingRows)> = Vec::new();
    for key in keys.iter().filter(|key| !key.is_own()) {
        let counting = sqlx::query_as(AssertSqlSafe(key.count.clone())).bind(&all);
        counted.push((&key.table, &key.name, counting.fetch_all(&mut *connection).await?));
    }
    for (table, constraint, rows) in counted {
        for (id, rows) in rows {
            let place = owner_of.get(id.as_str()).or_else(|| places.get(&id));
            let rows = u64::try_from(rows).unwrap_or_default();
            let hanging = HangingRows { table: table.to_owned(), constraint: constraint.to_owned(), rows };
            hangs.extend(place.map(|place| (*place, hanging)));
        }
    }
    for (place, hanging) in hangs {
        if let Some(submission) = found.get_mut(place) {
            submission.hanging.push(hanging);
        }
    }
    Ok(())
}

async fn rules(
    connection: &mut PgConnection,
    found: &mut [WrittenSubmission],
    places: &HashMap<String, usize>,
) -> Result<(), sqlx::Error> {
    let id = |submission: &WrittenSubmission| submission.ids.row("assignment_submissions", 1);
    let standing: Vec<String> =
        found.iter().filter(|submission| submission.file_count.is_some()).map(id).collect();
    if standing.is_empty() {
        return Ok(());
    }
    let rules: Vec<RuleRow> = sqlx::query_as(RULES).bind(&standing).fetch_all(&mut *connection).await?;
    for row in rules {
        if let Some(submission) = places.get(&row.owner).and_then(|place| found.get_mut(*place)) {
            submission.rules.push(row.rule()?);
        }
    }
    let graded: Vec<MalpracticeRow> =
        sqlx::query_as(MALPRACTICE).bind(&standing).fetch_all(&mut *connection).await?;
    let mut malpractice: Vec<String> = Vec::new();
    for row in graded {
        if let Some(submission) = places.get(&row.owner).and_then(|place| found.get_mut(*place)) {
            submission.malpractice = Some(StoredMalpractice {
                key: [row.lms_user_id, row.assessment_code, row.context_id],
                level_id: row.level_id,
                attempt_number: row.attempt_number,
                written_at: row.written_at,
            });
            malpractice.push(row.owner);
        }
    }
    if malpractice.is_empty() {
        return Ok(());
    }
    let others: Vec<(String, String, String, Option<DateTime<Utc>>)> =
        sqlx::query_as(OTHERS).bind(&malpractice).fetch_all(&mut *connection).await?;
    for (owner, id, launch_id, created_at) in others {
        if let Some(submission) = places.get(&owner).and_then(|place| found.get_mut(*place)) {
            submission.others.push(OtherMalpractice { id, launch_id, created_at });
        }
    }
    Ok(())
}

impl RuleRow {
    fn rule(self) -> Result<StandingRule, sqlx::Error> {
        let image: Value =
            serde_json::from_str(&self.image).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(StandingRule {
            id: self.id,
            submission_id: self.submission_id,
            launch_id: self.launch_id,
            blob_names: self.blob_names,
            image,
            transaction: self.written,
            age: self.age,
        })
    }
}
