//! Promises of gathering: which rows each service is asked about, and what its answers mean.

use std::{collections::HashSet, sync::Mutex};

use rogo_migrate::{
    domain::{AttemptFacts, AttemptId, Decision, Facts, Held, QueuedRow, SkipCode, SubmissionIds},
    gather::{Ask, CHUNK_BYTES, GatheredRow, Gathering, gather},
    ports::{Absent, HeldSubmission, Session, in_order},
    rules::{decide, decide_without_facts},
};

use crate::support::rows::Case;

/// Services that remember what they were asked.
#[derive(Default)]
struct Asked {
    /// What stands in the target.
    standing: Vec<HeldSubmission>,
    /// Whether this run wrote it.
    ours: bool,
    lost: bool,
    /// Attempts that have room in an answer; `None`: all.
    most: Option<usize>,
    /// Launch ids of submissions that no launch session belongs to.
    without_session: Vec<String>,
    /// Submissions of other programs that stand.
    others: Vec<String>,
    launch_ids: Mutex<Vec<String>>,
    briefly: Mutex<Vec<String>>,
    attempts: Mutex<Vec<AttemptId>>,
    wrote: Mutex<Vec<String>>,
}

impl Ask for Asked {
    type Error = std::convert::Infallible;

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Self::Error> {
        self.launch_ids.lock().unwrap().extend_from_slice(launch_ids);
        let found = self.standing.iter().filter(|one| launch_ids.contains(&one.launch_id));
        Ok(found.cloned().collect())
    }

    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Self::Error> {
        self.briefly.lock().unwrap().extend_from_slice(launch_ids);
        let absence = |launch_id: &String| {
            let session = match self.standing.iter().find(|one| one.launch_id == *launch_id) {
                Some(held) if held.submission_id.is_some() => return None,
                Some(_) => Session::Alone,
                None => Session::Absent,
            };
            Some(Absent { launch_id: launch_id.clone(), session })
        };
        Ok(launch_ids.iter().filter_map(absence).collect())
    }

    async fn wrote(&self, held: &HeldSubmission) -> Result<bool, Self::Error> {
        self.wrote.lock().unwrap().push(held.launch_id.clone());
        Ok(self.ours)
    }

    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Self::Error> {
        Ok(launch_ids.iter().filter(|id| self.without_session.contains(id)).cloned().collect())
    }

    async fn standing(&self, ids: &[String]) -> Result<HashSet<String>, Self::Error> {
        Ok(ids.iter().filter(|id| self.others.contains(id)).cloned().collect())
    }

    fn was_lost(&self, _: &QueuedRow) -> bool {
        self.lost
    }

    async fn facts(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<Facts>, Self::Error> {
        assert_eq!(room, CHUNK_BYTES);
        let attempts = &attempts[..attempts.len().min(self.most.unwrap_or(usize::MAX))];
        self.attempts.lock().unwrap().extend_from_slice(attempts);
        let facts = |attempt: &AttemptId| {
            let mut facts = Case::good().facts;
            facts.reports[0].grade = crate::support::rows::text(&attempt.to_string());
            facts
        };
        Ok(attempts.iter().map(facts).collect())
    }
}

/// A good row of the attempt, changed.
fn row(attempt: i32, change: impl Fn(&mut QueuedRow)) -> (QueuedRow, Option<Facts>) {
    let mut row = Case::good().row;
    row.attempt = attempt.try_into().ok();
    change(&mut row);
    (row, None)
}

fn launch_id(attempt: i32) -> String {
    SubmissionIds::new(&Case::good().config.lms_instance, attempt.try_into().unwrap()).launch_id()
}

fn submission(attempt: i32) -> HeldSubmission {
    HeldSubmission {
        launch_id: launch_id(attempt),
        submission_id: Some(format!("s-{attempt}")),
        ..HeldSubmission::default()
    }
}

fn gathered(asked: &Asked, rows: Vec<(QueuedRow, Option<Facts>)>) -> Vec<GatheredRow> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(gather(asked, &Case::good().config, rows)) {
        Ok(rows) => rows,
    }
}

#[test]
fn the_target_is_asked_about_every_attempt_and_the_warehouse_about_undecided_rows_only() {
    let asked = Asked { standing: vec![submission(4)], ..Asked::default() };
    let excluded = |row: &mut QueuedRow| {
        row.mapping = rogo_migrate::domain::MappingState::Found(rogo_migrate::domain::Mapping {
            unit_version: "21_01".into(),
            submission: "Attempt 1".into(),
        });
    };
    let rows = gathered(
        &asked,
        vec![
            row(1, |_| {}),
            row(2, excluded),
            row(3, |row| row.newer_row = Some(9)),
            row(4, |_| {}),
            row(5, |row| row.held_launch_id = Some("rogo_5_1700000000".into())),
            row(0, |_| {}),
            (row(6, |_| {}).0, Some(Facts::default())),
        ],
    );
    let mut launch_ids = asked.launch_ids.into_inner().unwrap();
    launch_ids.sort();
    let mut expected = [1, 2, 4, 5, 6].map(launch_id);
    expected.sort();
    assert_eq!(launch_ids, expected);
    assert_eq!(asked.attempts.into_inner().unwrap().iter().map(|one| one.get()).collect::<Vec<_>>(), [1]);
    let held: Vec<&Held> = rows.iter().map(|row| &row.held).collect();
    let (own, other) = (Held::Elsewhere(launch_id(4)), Held::Elsewhere("rogo_5_1700000000".into()));
    let nothing = &Held::Nothing;
    assert_eq!(held, [nothing, nothing, nothing, &own, &other, nothing, nothing]);
    assert_eq!(rows[0].facts.reports.len(), 1);
    assert!(rows[1..].iter().all(|row| row.facts == Facts::default()));
}

#[test]
fn what_the_plan_saw_in_the_target_is_looked_up_without_its_files() {
    let seen = |attempt: i32| row(attempt, |row| row.held_launch_id = Some(launch_id(attempt)));
    let session = HeldSubmission { submission_id: None, ..submission(2) };
    let asked = Asked { standing: vec![submission(1), session], ours: true, ..Asked::default() };
    let rows = gathered(&asked, vec![seen(1), seen(2), seen(3), row(4, |_| {})]);
    assert_eq!(asked.launch_ids.into_inner().unwrap(), [launch_id(4)], "and only of this one the files");
    let mut briefly = asked.briefly.into_inner().unwrap();
    briefly.sort();
    let mut expected = [1, 2, 3].map(launch_id);
    expected.sort();
    assert_eq!(briefly, expected);
    let held: Vec<Held> = rows.into_iter().map(|row| row.held).collect();
    let (stands, alone) = (Held::Elsewhere(launch_id(1)), Held::SessionOnly(launch_id(2)));
    assert_eq!(held, [stands, alone, Held::Nothing, Held::Nothing]);
}

#[test]
fn a_submission_without_a_launch_session_is_held_as_long_as_it_stands() {
    let seen = |attempt: i32| row(attempt, |row| row.held_launch_id = Some(launch_id(attempt)));
    let asked = Asked { without_session: vec![launch_id(1)], ..Asked::default() };
    let rows = gathered(&asked, vec![seen(1), seen(2)]);
    assert_eq!(rows[0].held, Held::Elsewhere(launch_id(1)));
    assert_eq!(rows[1].held, Held::Nothing, "it was deleted since the plan");
}

#[test]
fn what_another_program_wrote_is_looked_up_again_before_its_row_is_skipped() {
    let seen = |attempt: i32, id: Option<&'static str>| {
        row(attempt, move |row| {
            row.held_launch_id = Some(format!("rogo_{attempt}_17"));
            row.held_submission_id = id.map(str::to_owned);
        })
    };
    let asked = Asked { others: vec!["stands".into()], ..Asked::default() };
    let rows = gathered(&asked, vec![seen(1, Some("stands")), seen(2, Some("gone")), seen(3, None)]);
    let elsewhere = |attempt: i32| Held::Elsewhere(format!("rogo_{attempt}_17"));
    let held: Vec<&Held> = rows.iter().map(|row| &row.held).collect();
    assert_eq!(
        held,
        [&elsewhere(1), &Held::Nothing, &elsewhere(3)],
        "of several, one that is gone proves nothing"
    );
    assert_eq!(rows[1].facts.reports.len(), 1, "it is migrated");
}

#[test]
fn facts_reach_their_own_rows() {
    let rows = gathered(&Asked::default(), (1..=50).rev().map(|attempt| row(attempt, |_| {})).collect());
    for row in rows {
        let grade = crate::support::rows::text(&row.row.attempt.unwrap().to_string());
        assert_eq!(row.facts.reports[0].grade, grade);
    }
}

#[test]
fn what_this_run_wrote_is_recovered_and_a_session_alone_is_told_apart() {
    let alone = HeldSubmission { submission_id: None, ..submission(2) };
    let asked = Asked { standing: vec![submission(1), alone], ours: true, ..Asked::default() };
    let rows = gathered(&asked, vec![row(1, |_| {}), row(2, |_| {})]);
    assert_eq!((&rows[0].held, rows[0].written.as_ref()), (&Held::ByThisRun, Some(&submission(1))));
    assert_eq!((&rows[1].held, &rows[1].written), (&Held::SessionOnly(launch_id(2)), &None));
    assert_eq!(asked.wrote.into_inner().unwrap(), [launch_id(1)]);
    assert_eq!(
        asked.attempts.into_inner().unwrap().len(),
        2,
        "both need facts, for notes and for their fate"
    );
}

#[test]
fn a_session_that_a_lost_submission_of_this_run_left_is_taken_over() {
    let alone = HeldSubmission { submission_id: None, ..submission(1) };
    let asked = Asked { standing: vec![alone], lost: true, ..Asked::default() };
    let rows = gathered(&asked, vec![row(1, |_| {})]);
    assert_eq!(rows[0].held, Held::Lost);
    let good = Case::good();
    let decision = decide(&good.row, &Held::Lost, &good.facts, &good.catalogue.into(), &good.config);
    let Decision::Migrate(migration) = decision else { panic!("{decision:?}") };
    assert!(migration.takes_over_session);
}

#[test]
fn what_stood_before_the_run_is_not_its_own_and_what_is_gone_since_is_migrated() {
    let asked = Asked { standing: vec![submission(1)], ours: true, ..Asked::default() };
    let held = |attempt| move |row: &mut QueuedRow| row.held_launch_id = Some(launch_id(attempt));
    let rows = gathered(&asked, vec![row(1, held(1)), row(2, held(2))]);
    assert_eq!(asked.wrote.into_inner().unwrap(), Vec::<String>::new());
    let config = &Case::good().config;
    let Some(Decision::Skip(skip)) = decide_without_facts(&rows[0].row, &rows[0].held, config) else {
        panic!("{:?}", rows[0].held)
    };
    assert_eq!(skip.code, SkipCode::AlreadyMigrated);
    assert_eq!((&rows[1].held, rows[1].facts.reports.len()), (&Held::Nothing, 1));
}

/// Rows 2 and 5 need no facts.
fn five_rows() -> Vec<(QueuedRow, Option<Facts>)> {
    let newer = |row: &mut QueuedRow| row.newer_row = Some(9);
    vec![row(1, |_| {}), row(2, newer), row(3, |_| {}), row(4, |_| {}), row(5, newer)]
}

#[tokio::test]
async fn facts_that_have_no_room_come_in_a_later_part_and_no_row_is_lost_or_asked_about_twice() {
    for (most, expected) in [
        (1, vec![vec![1, 2], vec![3], vec![4, 5]]),
        (2, vec![vec![1, 2, 3], vec![4, 5]]),
        (3, vec![vec![1, 2, 3, 4, 5]]),
    ] {
        let asked = Asked { most: Some(most), ..Asked::default() };
        let config = Case::good().config;
        let Ok(mut gathering) = Gathering::begin(&asked, &config, five_rows()).await;
        let mut parts = Vec::new();
        while !gathering.is_empty() {
            let Ok(part) = gathering.part(&asked).await;
            for row in part.iter().filter(|row| row.takes_facts) {
                let attempt = row.row.attempt.unwrap().to_string();
                assert_eq!(row.facts.reports[0].grade, crate::support::rows::text(&attempt), "its own facts");
            }
            parts.push(part.iter().map(|row| row.row.attempt.unwrap().get()).collect::<Vec<_>>());
        }
        assert_eq!(parts, expected, "{most} at a time");
        let attempts: Vec<i32> = asked.attempts.lock().unwrap().iter().map(|attempt| attempt.get()).collect();
        assert_eq!(attempts, [1, 3, 4], "{most} at a time");
        let Ok(all) = gather(&asked, &config, five_rows()).await;
        assert_eq!(all.len(), 5, "all at once");
    }
}

#[test]
fn answers_of_the_warehouse_are_the_first_that_were_asked_for() {
    let id = |id: i32| AttemptId::try_from(id).unwrap();
    let of = |ids: &[i32]| {
        let answers = ids.iter().map(|one| AttemptFacts { attempt: id(*one), facts: Facts::default() });
        in_order(&[id(1), id(2), id(3)], answers.collect()).map(|facts| facts.len())
    };
    assert_eq!((of(&[1]), of(&[1, 2]), of(&[1, 2, 3])), (Ok(1), Ok(2), Ok(3)));
    for wrong in [&[][..], &[2], &[1, 3], &[2, 1], &[1, 2, 3, 3]] {
        assert!(of(wrong).unwrap_err().contains("please report it"), "{wrong:?}");
    }
}

#[test]
fn an_older_row_of_an_attempt_takes_nothing_from_the_newest_and_keeps_no_facts() {
    let asked = Asked { standing: vec![submission(1)], ours: true, ..Asked::default() };
    let (older, _) = row(1, |row| row.newer_row = Some(9));
    let rows = gathered(&asked, vec![(older, Some(Case::good().facts)), row(1, |_| {})]);
    assert_eq!((&rows[0].held, &rows[1].held), (&Held::Nothing, &Held::ByThisRun));
    assert_eq!((rows[0].takes_facts, &rows[0].facts), (false, &Facts::default()));
}
