//! Facts with large texts: as many attempts in an answer as have room, and every row right.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc, time::Duration};

use rogo_migrate::{
    adapters::warehouse::Export,
    domain::{AttemptFacts, AttemptId, Dialect, Value},
    ports::{Service, Warehouse},
};

use super::{SCORES, attempts, ids, opened, start, text};
use crate::support::{
    fakes::{InMemoryBlobs, Journal},
    process::until,
    tds::{cells::Cell, data::Data, script::BatchFault},
};

const ROOM: usize = 1_000_000;

/// The comment on the first score of an attempt: of the first 20 attempts nothing, then 90 kB, and in the middle one that is
/// larger than the room.
fn comment(attempt: i64) -> String {
    match attempt {
        ..=20 => String::new(),
        60 => "z".repeat(2 * ROOM),
        _ => format!("{attempt} ").repeat(90_000 / (attempt.to_string().len() + 1)),
    }
}

/// A hundred attempts with a report and two scores each.
fn large() -> Data {
    let mut data = attempts(1..=100);
    for rows in data.tables[1].rows.chunks_mut(2) {
        let Cell::Int(attempt) = rows[0][0] else { panic!("an attempt id") };
        rows[0][3] = Cell::Text(comment(attempt));
    }
    data
}

/// Everything that was asked for, in answers that have room each; their sizes in attempts.
async fn all(warehouse: &dyn Warehouse, asked: &[AttemptId], room: usize) -> (Vec<AttemptFacts>, Vec<usize>) {
    let (mut all, mut sizes) = (Vec::new(), Vec::new());
    while all.len() < asked.len() {
        let some = warehouse.fetch_some(&asked[all.len()..], room).await.unwrap();
        let bytes: usize = some.iter().map(|one| one.facts.size_bytes()).sum();
        assert!(bytes <= room || some.len() == 1, "{} attempts, {bytes} bytes", some.len());
        sizes.push(some.len());
        all.extend(some);
    }
    (all, sizes)
}

fn assert_right(all: &[AttemptFacts], asked: &[AttemptId], is_exported: bool) {
    assert!(all.iter().map(|one| one.attempt).eq(asked.iter().copied()), "in the order asked, each once");
    for one in all {
        let (reports, scores) = (&one.facts.reports, &one.facts.scores);
        assert_eq!((reports.len(), scores.len()), (1, 2), "{}", one.attempt);
        let comment = comment(one.attempt.get().into());
        let first = scores.iter().find(|score| score.label == text("Question 1")).unwrap();
        // An empty field of a CSV is null.
        let none = if is_exported { Value::Null } else { text("") };
        let expected = if comment.is_empty() { none } else { text(&comment) };
        assert!(first.marker_comment == expected, "{}", one.attempt);
    }
}

#[tokio::test]
async fn an_answer_of_the_server_holds_as_many_attempts_as_have_room() {
    let server = start(large()).await;
    let warehouse = opened(&server).await;
    let asked = ids((1..=100).rev());
    warehouse.fetch_some(&asked[..1], ROOM).await.unwrap();
    let (before, logins) = (server.script.statements().len(), server.script.logins());
    let (found, sizes) = all(&warehouse, &asked, ROOM).await;
    assert_right(&found, &asked, false);

    // What the server was asked: after the first answers the program knows how many have room.
    let statements = server.script.statements();
    let selects = |batch: &&String| batch.contains(SCORES) && batch.contains(" in (");
    let batches = statements[before..].iter().filter(selects).count();
    assert!(batches <= sizes.len() + 8, "{batches} batches for {sizes:?}");
    assert!(server.script.logins() - logins <= 8, "a broken-off answer costs a login");
    assert!(sizes.iter().any(|size| *size >= 7), "{sizes:?}");
    assert_eq!(all(&warehouse, &ids(1..=20), ROOM).await.1.iter().sum::<usize>(), 20);
    assert_eq!(
        warehouse.fetch_some(&ids(1..=20), ROOM).await.unwrap().len(),
        20,
        "small ones are asked for at once again"
    );
}

#[tokio::test]
async fn an_answer_that_is_broken_off_leaves_no_session_behind() {
    let server = start(large()).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    // Three at once: each has a connection of its own, and then they are idle.
    let few = ids(1..=20);
    for _ in 0..3 {
        server.script.fail_batch(BatchFault::Slow(Duration::from_millis(300)));
    }
    let (one, two, three) = tokio::join!(
        warehouse.fetch_some(&few, ROOM),
        warehouse.fetch_some(&few, ROOM),
        warehouse.fetch_some(&few, ROOM)
    );
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(server.script.sessions(), 3);
    let logins = server.script.logins();
    assert!(warehouse.fetch_some(&ids(61..=100), ROOM).await.unwrap().len() < 40);
    assert_eq!(server.script.logins(), logins, "an idle connection was there for the next question");
    until("what was broken off is closed", || async { server.script.sessions() < 3 }).await;
}

#[tokio::test]
async fn asked_without_a_limit_the_server_gives_all_of_them_at_once() {
    let server = start(large()).await;
    let asked = ids(1..=100);
    let (found, sizes) = all(&opened(&server).await, &asked, usize::MAX).await;
    assert_right(&found, &asked, false);
    assert_eq!(sizes, [100]);
}

#[tokio::test]
async fn exported_tables_give_as_many_attempts_as_have_room() {
    let mut reports =
        "AttemptId,TIUserId,TISectionId,Exercise,MarksAchieved,MarksAwarded,MarksAvailable,GradePercent,\
                       Grade,MarkerNotes,ResultsApproved,DateInserted,DateModified\n"
            .to_owned();
    let mut scores =
        "AttemptId,ScoreLabelCorrected,Score,MarkerComment,DateInserted,DateModified\n".to_owned();
    for attempt in 1..=100 {
        writeln!(reports, "{attempt},u,s,5HR03 PQ,1,1,2,50,Pass,,,2024-01-01,").unwrap();
        writeln!(scores, "{attempt},Question 1,1,{},,\n{attempt},Question 2,1,,,", comment(attempt)).unwrap();
    }
    let folder = InMemoryBlobs::new("export", Service::RunStore, Journal::default());
    folder.insert("Rogo_AssessmentReport.csv", reports.into_bytes());
    folder.insert("Rogo_AssessmentReportScores.csv", scores.into_bytes());
    let export = Export::new(Arc::new(folder), Dialect::default());
    let asked = ids((1..=100).rev().chain([7]));
    let (found, sizes) = all(&export, &asked, ROOM).await;
    assert_right(&found, &asked, true);
    assert!(sizes.len() > 8, "{sizes:?}");
    assert_eq!(found.iter().map(|one| one.attempt).collect::<BTreeSet<_>>().len(), 100);
}
