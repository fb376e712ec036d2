//! Independence: a run whose rules are wrong stores what it decided, with receipts that hold, and verify finds each wrong value
//! all the same. The rules are broken between decision and commit, by a target that changes what it is given.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, Duration, SubsecRound, Utc};
use rogo_migrate::{
    adapters::postgres::PostgresWriter,
    domain::{Catalogue, CopiedFile, Digest, FileKind, Migration, SubmissionIds, TargetIdentity},
    ports::{
        Committed, Compared, CopiedMigration, Fault, HeldSubmission, Holdings, MayWrite, StandingSubmission,
        TargetReader, TargetWriter,
    },
};

use super::{by_attempt, corruptions::in_folders, small_files, verify};
use crate::support::{
    app::{Sample, TestApp},
    inside::Inside,
};

/// A rule that is broken: what it is, in which rows it can be, what it makes of them, the checks that have to find it.
struct Rule {
    name: &'static str,
    fits: fn(&Broken, &Migration) -> bool,
    breaks: fn(&mut Migration, &mut [CopiedFile]),
    found_by: &'static str,
}

const LEARNER: &str = "launch_session_learner session_record_learner submission_learner";
const COURSE: &str = "launch_session_course session_record_course submission_course";
const APPROVED: &str = "submission_dates file_dates marking_assignment_dates grade_complete";

const fn rule(
    name: &'static str,
    fits: fn(&Broken, &Migration) -> bool,
    breaks: fn(&mut Migration, &mut [CopiedFile]),
    found_by: &'static str,
) -> Rule {
    Rule { name, fits, breaks, found_by }
}

/// Whatever fits few rows comes first.
const RULES: &[Rule] = &[
    rule(
        "the newest enforcement, by another date",
        |broken, one| {
            one.malpractice.is_some()
                && broken.older_rules.get(&key(one)).is_some_and(|at| *at < one.date_inserted)
        },
        |one, _| one.date_inserted -= Duration::days(9_000),
        "enforcement_newest submission_dates marking_assignment_dates",
    ),
    rule(
        "malpractice in other words",
        |_, one| one.malpractice.is_some(),
        |one, _| one.malpractice.iter_mut().for_each(|malpractice| malpractice.notes = "Malpractice".into()),
        "malpractice_notes",
    ),
    rule(
        "dates to the second",
        |_, one| one.submitted_at != one.submitted_at.trunc_subsecs(0),
        |one, _| one.submitted_at = one.submitted_at.trunc_subsecs(0),
        APPROVED,
    ),
    rule(
        "comments left out",
        |_, one| one.section_marks.iter().any(|mark| mark.feedback.is_some()),
        |one, _| one.section_marks.iter_mut().for_each(|mark| mark.feedback = None),
        "marks_comments",
    ),
    rule(
        "the marker's notes left out",
        |_, one| one.grade.overall_summary.is_some(),
        |one, _| one.grade.overall_summary = None,
        "grade_summary",
    ),
    rule(
        "the exercise for the course's title",
        |_, one| one.context_title != one.course_name && one.malpractice.is_none(),
        |one, _| one.context_title.clone_from(&one.course_name),
        COURSE,
    ),
    rule(
        "the course's title for the exercise",
        |_, one| one.context_title != one.course_name,
        |one, _| one.course_name.clone_from(&one.context_title),
        "launch_session_course",
    ),
    rule(
        "marks in each other's section",
        |_, one| matches!(&one.section_marks[..], [first, second, ..] if first.marks_awarded != second.marks_awarded),
        |one, _| {
            let first = one.section_marks[0].marks_awarded.clone();
            one.section_marks[0].marks_awarded =
                std::mem::replace(&mut one.section_marks[1].marks_awarded, first);
        },
        "marks_values",
    ),
    rule(
        "a mark left out",
        |_, one| !one.section_marks.is_empty(),
        |one, _| drop(one.section_marks.pop()),
        "marks_present marks_sections",
    ),
    rule(
        "DateInserted for ResultsApproved",
        |_, one| one.submitted_at != one.date_inserted,
        |one, _| one.submitted_at = one.date_inserted,
        APPROVED,
    ),
    rule(
        "DateInserted for DateModified",
        |_, one| one.date_modified != one.date_inserted,
        |one, _| one.date_modified = one.date_inserted,
        "submission_dates",
    ),
    rule(
        "all dates in another time zone",
        |_, one| one.malpractice.is_none(),
        |one, _| {
            for date in [&mut one.submitted_at, &mut one.date_inserted, &mut one.date_modified] {
                *date += Duration::hours(1);
            }
        },
        APPROVED,
    ),
    rule(
        "names in the other order",
        |_, one| one.first_name != one.last_name && !one.first_name.is_empty() && !one.last_name.is_empty(),
        |one, _| one.full_name = format!("{} {}", one.last_name, one.first_name),
        LEARNER,
    ),
    rule("surnames left out", |_, one| !one.last_name.is_empty(), |one, _| one.last_name.clear(), LEARNER),
    rule(
        "e-mail addresses in capitals",
        |_, one| one.email != one.email.to_uppercase(),
        |one, _| one.email = one.email.to_uppercase(),
        LEARNER,
    ),
    rule(
        "users without their instance",
        |_, one| one.malpractice.is_none(),
        |one, _| one.lms_user_id = one.lms_user_id.split("::").last().unwrap().to_owned(),
        "launch_session_learner session_record_learner submission_learner submission_ids",
    ),
    rule(
        "contexts without their instance",
        |_, one| one.malpractice.is_none(),
        |one, _| one.context_id = one.context_id.split("::").last().unwrap().to_owned(),
        "launch_session_course session_record_course submission_course submission_ids",
    ),
    rule(
        "a return URL without its section",
        |_, _| true,
        |one, _| one.return_url.truncate(one.return_url.rfind('/').unwrap()),
        "launch_session_course session_record_course",
    ),
    rule(
        "attempts counted from 0",
        |_, one| one.malpractice.is_none(),
        |one, _| one.attempt_number -= 1,
        "submission_attempt_number",
    ),
    rule(
        "another table of grades",
        |_, _| true,
        |one, _| one.grade.final_grade = format!("{} II", one.grade.final_grade),
        "grade_final",
    ),
    rule(
        "marks of another column",
        |_, one| one.grade.total_marks_awarded != one.grade.total_marks_possible,
        |one, _| one.grade.total_marks_awarded = one.grade.total_marks_possible.clone(),
        "grade_marks",
    ),
    rule(
        "marks for the percentage",
        |_, one| one.grade.percentage_score != one.grade.total_marks_awarded,
        |one, _| one.grade.percentage_score = one.grade.total_marks_awarded.clone(),
        "grade_percentage",
    ),
    rule(
        "files without a type",
        |_, one| !one.files[0].file_type.is_empty(),
        |one, _| {
            one.files[0].file_type.clear();
            one.files[0].file_mime_type = "application/octet-stream";
        },
        "file_types",
    ),
    rule(
        "names of files from their URLs",
        |_, _| true,
        |one, _| one.files[0].name = format!("url.{}", one.files[0].file_type),
        "file_names",
    ),
    rule(
        "another user for the uploader",
        |_, one| one.files[0].kind == FileKind::Learner,
        |one, _| one.files[0].uploaded_by = Some(one.email.clone() + "@"),
        "file_uploader",
    ),
    rule(
        "sizes too large",
        |_, _| true,
        |_, files| files[0].size_bytes += 1 << 20,
        "submission_file_size file_sizes",
    ),
    rule("URLs with a query", |_, _| true, |_, files| files[0].url.push_str("?x"), "file_urls"),
    rule(
        "blanks that no one sees kept",
        |_, one| !one.email.is_empty(),
        |one, _| one.email.insert_str(0, "\u{a0}\u{200b}"),
        LEARNER,
    ),
];

/// Learner, assessment and context.
type Key = [String; 3];

fn key(one: &Migration) -> Key {
    [&one.lms_user_id, &one.assessment_code, &one.context_id].map(Clone::clone)
}

/// Commits rows as rules would decide them of which each is broken in one row.
struct Broken {
    target: PostgresWriter,
    /// Rules of malpractice that the application has, and how old they are.
    older_rules: HashMap<Key, DateTime<Utc>>,
    /// The place of the rule that is broken in an attempt; of most attempts none is.
    places: Mutex<BTreeMap<String, Option<usize>>>,
}

impl Broken {
    async fn new(inside: &Inside, app: &TestApp<'_>) -> Self {
        let sql = "select array[e.lms_user_id, e.custom_assessment_code, e.context_id], s.created_at
            from malpractice_enforcements e join assignment_submissions s on s.id = e.submission_id";
        let rows: Vec<(Vec<String>, DateTime<Utc>)> =
            sqlx::query_as(sql).fetch_all(app.database.pool()).await.unwrap();
        let older_rules = rows.into_iter().map(|(key, at)| (key.try_into().unwrap(), at)).collect();
        Self { target: inside.target(), older_rules, places: Mutex::default() }
    }

    /// The rule that is broken in this row; the same when it is asked again.
    fn rule(&self, one: &Migration) -> Option<&'static Rule> {
        let mut places = self.places.lock().unwrap();
        let taken: HashSet<usize> = places.values().flatten().copied().collect();
        let free =
            || (0..RULES.len()).find(|place| !taken.contains(place) && (RULES[*place].fits)(self, one));
        let place = *places.entry(one.attempt.to_string()).or_insert_with(free);
        place.map(|place| &RULES[place])
    }
}

#[async_trait]
impl TargetReader for Broken {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        self.target.catalogue().await
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        self.target.held(launch_ids).await
    }

    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault> {
        self.target.blob_names_of_writers(names).await
    }

    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<StandingSubmission>) + Send)) -> Result<(), Fault> {
        self.target.launch_ids(each).await
    }

    async fn standing(&self, ids: &[String]) -> Result<HashSet<String>, Fault> {
        self.target.standing(ids).await
    }

    async fn holdings(&self) -> Result<Holdings, Fault> {
        self.target.holdings().await
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        self.target.session().await
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        self.target.identity().await
    }
}

#[async_trait]
impl MayWrite for Broken {
    async fn prove_fence(&self) -> Result<(), Fault> {
        self.target.prove_fence().await
    }
}

#[async_trait]
impl TargetWriter for Broken {
    async fn commit(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        let Some(rule) = self.rule(copied.migration()) else { return self.target.commit(copied).await };
        let (mut migration, mut files) = (copied.migration().clone(), copied.files().to_vec());
        (rule.breaks)(&mut migration, &mut files);
        let files = Mutex::new(files.into_iter());
        let copy = |_: &_| std::future::ready(files.lock().unwrap().next().ok_or(()));
        let broken = CopiedMigration::copy(&migration, copy).await.unwrap();
        self.target.commit(&broken).await
    }

    async fn compare(&self, copied: &CopiedMigration<'_>) -> Result<Compared, Fault> {
        self.target.compare(copied).await
    }

    async fn stored_digest(&self, ids: &SubmissionIds) -> Result<Digest, Fault> {
        self.target.stored_digest(ids).await
    }
}

#[tokio::test]
async fn what_a_broken_rule_wrote_is_found_although_the_run_was_made_with_it() {
    let sample = Sample::in_folder(400, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let inside = Inside::of(&app).await;
    let target = Arc::new(Broken::new(&inside, &app).await);
    let moved = inside.moved(target.clone(), None).await;
    moved.unwrap_or_else(|stop| panic!("{}", stop.message));
    // Its connections hold the run's lock.
    target.target.close().await;
    app.run(&["finalize"]).await.expect(0);

    verify(&app, &["--show-values"]).await.expect(1);
    let places = target.places.lock().unwrap().clone();
    let rules: BTreeMap<String, &Rule> =
        places.into_iter().filter_map(|(attempt, place)| Some((attempt, &RULES[place?]))).collect();
    let unbroken: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !rules.values().any(|rule| rule.name == *name))
        .collect();
    assert!(unbroken.is_empty(), "no row fits {unbroken:?}");
    let checks = |rule: &&Rule| rule.found_by.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let expected: BTreeMap<String, BTreeSet<String>> =
        rules.iter().map(|(attempt, rule)| (attempt.clone(), checks(rule))).collect();
    // Nothing else, no receipt among it: what was decided is what is stored.
    let found = by_attempt(&app);
    for attempt in expected.keys().chain(found.keys()) {
        let name = rules.get(attempt).map_or("no rule", |rule| rule.name);
        assert_eq!(found.get(attempt), expected.get(attempt), "{name} is broken in attempt {attempt}");
    }
}
