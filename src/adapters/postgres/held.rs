//! What the target already holds. Neither `assignment_submissions` nor `submission_files` has an index
//! on what it refers to, so rows of this program are found by their derived ids.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt, stream::BoxStream};
use sqlx::{Executor, FromRow, PgConnection, postgres::types::Oid};

use super::{
    fault::{Phase, answer},
    pool::Pool,
};
use crate::{
    domain::SubmissionIds,
    ports::{Absent, Fault, HeldSubmission, Holdings, Session, StandingSubmission},
    rules::size::bytes_of_megabytes,
};

/// The longest wait for the answer to a lookup.
const LIMIT: Duration = Duration::from_secs(45);

/// Rows handed over at a time.
const BATCH: usize = 10_000;

/// The longest wait for the next batch of a scan: on a slow disk it may take long until a row matches.
const SCAN_LIMIT: Duration = Duration::from_hours(1);

/// A submission that the target holds, and the enforcement row under its key.
#[derive(FromRow)]
struct Submission {
    id: String,
    launch_id: String,
    session_record_id: Option<String>,
    lms_user_id: Option<String>,
    context_id: Option<String>,
    file_count: i32,
    foreign_enforcement: bool,
}

/// Reads the submissions and launch sessions under these launch ids.
pub(super) async fn held(pool: &Pool, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
    const SQL: &str = "select launch_id from lti_launch_sessions where launch_id = any($1)";
    let asking =
        async |connection: &mut _| sqlx::query_scalar(SQL).bind(launch_ids).fetch_all(connection).await;
    let found: Vec<String> = pool.read(LIMIT, asking).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let submissions = submissions(pool, &found).await?;
    let mut all_files = files(pool, &submissions).await?;
    let mut by_launch: BTreeMap<&str, &Submission> = BTreeMap::new();
    for submission in &submissions {
        by_launch.entry(&submission.launch_id).or_insert(submission);
    }
    Ok(found
        .iter()
        .map(|launch_id| {
            let submission = by_launch.get(launch_id.as_str());
            let files = submission.and_then(|found| all_files.remove(&found.id)).unwrap_or_default();
            let (blob_names, shown_bytes): (Vec<_>, Vec<_>) = files.into_iter().unzip();
            HeldSubmission {
                launch_id: launch_id.clone(),
                submission_id: submission.map(|found| found.id.clone()),
                session_record_id: submission.and_then(|found| found.session_record_id.clone()),
                lms_user_id: submission.and_then(|found| found.lms_user_id.clone()),
                context_id: submission.and_then(|found| found.context_id.clone()),
                files: u32::try_from(blob_names.len()).unwrap_or(u32::MAX),
                blob_names,
                shown_bytes,
                foreign_enforcement: submission.is_some_and(|found| found.foreign_enforcement),
            }
        })
        .collect())
}

/// Their submissions: by derived id, and by launch id only if an older program wrote it.
async fn submissions(pool: &Pool, launch_ids: &[String]) -> Result<Vec<Submission>, Fault> {
    const BY_ID: &str = concat!(include_str!("held.sql"), "where submission.id = any($1)");
    /// Launch ids that older programs wrote: no index helps here.
    const BY_LAUNCH: &str = concat!(include_str!("held.sql"), "where submission.lti_launch_id = any($1)");
    let derive =
        |launch_id: &String| Some(SubmissionIds::of_launch_id(launch_id)?.row("assignment_submissions", 1));
    let ids: Vec<String> = launch_ids.iter().filter_map(derive).collect();
    let older: Vec<&String> = launch_ids.iter().filter(|launch_id| derive(launch_id).is_none()).collect();
    let asking = async |connection: &mut _| sqlx::query_as(BY_ID).bind(&ids).fetch_all(connection).await;
    let mut found = pool.read(LIMIT, asking).await?;
    if !older.is_empty() {
        let asking =
            async |connection: &mut _| sqlx::query_as(BY_LAUNCH).bind(&older).fetch_all(connection).await;
        found.extend(pool.read(LIMIT, asking).await?);
    }
    Ok(found)
}

/// Blob names and shown lengths (bytes) by submission id, in upload order.
async fn files(
    pool: &Pool,
    submissions: &[Submission],
) -> Result<BTreeMap<String, Vec<(String, u64)>>, Fault> {
    const BY_ID: &str = "select submission_id, coalesce(azure_blob_name, ''), coalesce(file_size, '')
        from submission_files
        where id = any($1) order by upload_order, id";
    const BY_SUBMISSION: &str = "select submission_id, coalesce(azure_blob_name, ''), coalesce(file_size, '')
        from submission_files
        where submission_id = any($1) order by upload_order, id";
    let mut ids = Vec::new();
    let mut older = Vec::new();
    for submission in submissions {
        match SubmissionIds::of_launch_id(&submission.launch_id) {
            Some(derived) => {
                let count = usize::try_from(submission.file_count).unwrap_or_default();
                ids.extend((1..=count).map(|n| derived.row("submission_files", n)));
            }
            None => older.push(submission.id.as_str()),
        }
    }
    let mut files: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for (sql, keys) in [(BY_ID, ids.iter().map(String::as_str).collect()), (BY_SUBMISSION, older)] {
        if keys.is_empty() {
            continue;
        }
        let asking = async |connection: &mut _| sqlx::query_as(sql).bind(&keys).fetch_all(connection).await;
        let rows: Vec<(String, String, String)> = pool.read(LIMIT, asking).await?;
        for (submission, name, size) in rows {
            let bytes = bytes_of_megabytes(&size).unwrap_or_default();
            files.entry(submission).or_default().push((name, bytes));
        }
    }
    Ok(files)
}

/// Which of these launch ids a submission names.
pub(super) async fn submitted(pool: &Pool, launch_ids: &[String]) -> Result<HashSet<String>, Fault> {
    const SQL: &str =
        "select distinct lti_launch_id from assignment_submissions where lti_launch_id = any($1)";
    let wanted = launch_ids.to_vec();
    let mut found = HashSet::new();
    scan(pool, |connection| sqlx::query_scalar(SQL).bind(wanted).fetch(connection), &mut |batch| {
        found.extend(batch);
    })
    .await?;
    Ok(found)
}

/// Hands over every submission whose launch id begins with `rogo_`. `like` is correct under every collation; a range
/// comparison is not.
pub(super) async fn launch_ids(
    pool: &Pool,
    each: &mut (dyn FnMut(Vec<StandingSubmission>) + Send),
) -> Result<(), Fault> {
    const SQL: &str =
        r"select lti_launch_id, id from assignment_submissions where lti_launch_id like 'rogo\_%'";
    let standing = |(launch_id, id)| StandingSubmission { launch_id, id };
    scan(pool, |connection| sqlx::query_as(SQL).fetch(connection), &mut |batch: Vec<(String, String)>| {
        each(batch.into_iter().map(standing).collect());
    })
    .await
}

/// Which submissions of these ids stand.
pub(super) async fn standing(pool: &Pool, ids: &[String]) -> Result<HashSet<String>, Fault> {
    const SQL: &str = "select id from assignment_submissions where id = any($1)";
    let asking = async |connection: &mut _| sqlx::query_scalar(SQL).bind(ids).fetch_all(connection).await;
    let found: Vec<String> = pool.read(LIMIT, asking).await?;
    Ok(found.into_iter().collect())
}

/// Number of submissions, and when the newest was created.
pub(super) async fn holdings(pool: &Pool) -> Result<Holdings, Fault> {
    const SQL: &str = "select count(*), max(created_at) from assignment_submissions";
    let mut holdings = Holdings::default();
    scan(pool, |connection| sqlx::query_as(SQL).fetch(connection), &mut |batch: Vec<(
        i64,
        Option<DateTime<Utc>>,
    )>| {
        for (submissions, newest) in batch {
            holdings = Holdings { submissions: u64::try_from(submissions).unwrap_or_default(), newest };
        }
    })
    .await?;
    Ok(holdings)
}

/// Hands over the rows of a statement that reads a whole table, in batches. The statement has no timeout on the server;
/// the wait for each batch is limited instead.
pub(super) async fn scan<T: Send>(
    pool: &Pool,
    start: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxStream<'c, Result<T, sqlx::Error>>,
    each: &mut (dyn FnMut(Vec<T>) + Send),
) -> Result<(), Fault> {
    let asked = std::time::Instant::now();
    let mut lease = pool.lease().await?;
    let connection = lease.connection();
    let begin = "begin read only; set local statement_timeout = 0";
    answer(Phase::Reading, LIMIT, connection.execute(begin)).await?;
    let mut rows = start(&mut *connection);
    loop {
        let mut batch = Vec::new();
        let filling = async {
            while let Some(row) = rows.try_next().await? {
                batch.push(row);
                if batch.len() == BATCH {
                    break;
                }
            }
            Ok(())
        };
        answer(Phase::Reading, SCAN_LIMIT, filling).await?;
        if batch.is_empty() {
            break;
        }
        each(batch);
    }
    drop(rows);
    answer(Phase::Reading, LIMIT, connection.execute("commit")).await?;
    lease.give_back(asked);
    Ok(())
}

/// Which launch ids lack their submission.
pub(super) async fn absent(pool: &Pool, launch_ids: &[String]) -> Result<Vec<Absent>, Fault> {
    let Found { sessions, submissions } = find(pool, launch_ids).await?;
    let absence = |launch_id: &String| {
        let session = match (sessions.contains(launch_id), submissions.contains_key(launch_id)) {
            (true, true) => return None,
            (true, false) => Session::Alone,
            (false, _) => Session::Absent,
        };
        Some(Absent { launch_id: launch_id.clone(), session })
    };
    Ok(launch_ids.iter().filter_map(absence).collect())
}

/// Which launch ids have their submission, and the transaction that wrote its row.
pub(super) async fn written_in(
    pool: &Pool,
    launch_ids: &[String],
) -> Result<HashMap<String, Option<u32>>, Fault> {
    let Found { sessions, mut submissions } = find(pool, launch_ids).await?;
    submissions.retain(|launch_id, _| sessions.contains(launch_id));
    Ok(submissions)
}

/// The launch ids that have a launch session, and those that have a submission, with its transaction.
#[derive(Default)]
struct Found {
    sessions: HashSet<String>,
    submissions: HashMap<String, Option<u32>>,
}

/// Looks up two unique keys of each, which is fast for millions of rows.
async fn find(pool: &Pool, launch_ids: &[String]) -> Result<Found, Fault> {
    const SESSIONS: &str = "select launch_id from lti_launch_sessions where launch_id = any($1)";
    const SUBMISSIONS: &str =
        "select id, xmin::text::oid as xmin_oid from assignment_submissions where id = any($1)";
    let (mut derived, mut older) = (HashMap::new(), Vec::new());
    for launch_id in launch_ids {
        match SubmissionIds::of_launch_id(launch_id) {
            Some(ids) => drop(derived.insert(ids.row("assignment_submissions", 1), launch_id)),
            None => older.push(launch_id.clone()),
        }
    }
    let asked: Vec<&String> = derived.values().copied().collect();
    let asking =
        async |connection: &mut _| sqlx::query_scalar(SESSIONS).bind(&asked).fetch_all(connection).await;
    let mut found =
        Found { sessions: pool.read(LIMIT, asking).await?.into_iter().collect(), ..Found::default() };
    let ids: Vec<&String> = derived.keys().collect();
    let asking =
        async |connection: &mut _| sqlx::query_as(SUBMISSIONS).bind(&ids).fetch_all(connection).await;
    let submissions: Vec<(String, Oid)> = pool.read(LIMIT, asking).await?;
    for (id, transaction) in submissions {
        if let Some(launch_id) = derived.get(&id) {
            found.submissions.insert((*launch_id).clone(), Some(transaction.0));
        }
    }
    if !older.is_empty() {
        for held in held(pool, &older).await? {
            if held.submission_id.is_some() {
                found.submissions.insert(held.launch_id.clone(), None);
            }
            found.sessions.insert(held.launch_id);
        }
    }
    Ok(found)
}
