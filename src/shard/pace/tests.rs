//! Promises of the pace, in paused time.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::{
    exit::{Exit, Stop},
    ports::FaultKind,
};

fn pace(give_up_after: Duration) -> Pace {
    Pace::new(give_up_after, CancellationToken::new())
}

fn fault(service: Service, kind: FaultKind) -> Fault {
    Fault::new(service, kind, "planted")
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_absorbed() {
    let mut left = 5;
    let result = pace(Duration::from_mins(15))
        .steady(&[Service::Database], || {
            left -= 1;
            let done = left == 0;
            async move { if done { Ok(7) } else { Err(fault(Service::Database, FaultKind::Unavailable)) } }
        })
        .await;
    assert_eq!(result.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_missing_source_file_is_the_rows_own_fault_at_once() {
    let result: Result<(), _> = pace(Duration::from_mins(15))
        .steady(&[Service::SourceBlobs], || async { Err(fault(Service::SourceBlobs, FaultKind::NotFound)) })
        .await;
    assert!(matches!(result, Err(Trouble::Row(_))));
}

#[tokio::test]
async fn a_service_that_stays_away_ends_the_process_and_blames_no_row() {
    let result: Result<(), _> = pace(Duration::ZERO)
        .steady(&[Service::Database], || async { Err(fault(Service::Database, FaultKind::Denied)) })
        .await;
    let Err(Trouble::Process(stop)) = result else { panic!("{result:?}") };
    assert_eq!(stop.exit, Exit::Temporary);
}

#[tokio::test(start_paused = true)]
async fn before_the_first_row_credentials_are_waited_for_and_rights_are_not() {
    let pace = pace(Duration::from_mins(15));
    let started = async |kind: FaultKind| {
        let began = Instant::now();
        let result: Result<(), _> =
            pace.at_start(Service::Database, || async { Err(fault(Service::Database, kind.clone())) }).await;
        (result.map_err(Stop::from).unwrap_err().exit, began.elapsed() >= Duration::from_mins(15))
    };
    assert_eq!(started(FaultKind::Unauthenticated).await, (Exit::Temporary, true));
    assert_eq!(started(FaultKind::Denied).await, (Exit::Configuration, false));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_no_rows_fault_although_others_are_answered() {
    let pace = pace(Duration::from_mins(15));
    let mut left = 30;
    let result = pace
        .steady(&[Service::Database], || {
            pace.answered(Service::Database);
            left -= 1;
            let done = left == 0;
            async move { if done { Ok(7) } else { Err(fault(Service::Database, FaultKind::Unauthenticated)) } }
        })
        .await;
    assert_eq!(result.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_no_new_sessions_blames_no_row_although_others_are_answered_in_theirs() {
    for kind in [FaultKind::Unavailable, FaultKind::Misconfigured, FaultKind::Rejected("row".into())] {
        let pace = pace(Duration::from_mins(15));
        let (began, mut tries) = (Instant::now(), 0);
        let result = pace
            .steady(&[Service::Database], || {
                pace.answered(Service::Database);
                tries += 1;
                let no_session = fault(Service::Database, kind.clone()).before_asking();
                let lets_in = began.elapsed() > Duration::from_mins(1);
                async move { if lets_in { Ok(7) } else { Err(no_session) } }
            })
            .await;
        assert_eq!(result.unwrap(), 7, "{kind:?}");
        assert!(tries > 8, "{tries}");
    }
    // What a session learns of its own process stays so.
    assert!(!fault(Service::Database, FaultKind::Fenced).before_asking().before_asking);
}

#[tokio::test(start_paused = true)]
async fn the_state_names_the_status_that_asks_for_less() {
    let pace = pace(Duration::from_mins(15));
    let mut busy = fault(Service::TargetBlobs, FaultKind::Throttled(Some(Duration::from_secs(1))));
    busy.status = Some(503);
    pace.judge(&busy, &mut Tries::new(false), Word::None);
    assert_eq!(pace.state().to_string(), "throttled: 503 from target blobs");
}

#[tokio::test(start_paused = true)]
async fn a_row_is_blamed_only_where_the_service_answered_others() {
    let pace = pace(Duration::from_mins(15));
    let tries = AtomicU32::new(0);
    let result: Result<(), _> = pace
        .steady(&[Service::TargetBlobs], || async {
            tries.fetch_add(1, Ordering::SeqCst);
            pace.answered(Service::TargetBlobs);
            Err(fault(Service::TargetBlobs, FaultKind::Unavailable))
        })
        .await;
    assert!(matches!(result, Err(Trouble::Row(_))));
    assert!(tries.into_inner() >= 8, "not for a fault that passes");
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_without_an_answer_the_process_waits_as_a_whole() {
    let pace = pace(Duration::from_mins(15));
    for waits in [false, false, true] {
        let mut of_one = Tries::new(false);
        pace.judge(&fault(Service::Database, FaultKind::Unavailable), &mut of_one, Word::None);
        assert_eq!(pace.pause(Service::Database).is_some(), waits);
    }
    assert!(matches!(pace.state(), State::Waiting(_)), "{:?}", pace.state());
    pace.answered(Service::Database);
    assert!(pace.pause(Service::Database).is_none() && pace.state() == State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_and_goes_blames_no_row() {
    let pace = pace(Duration::from_mins(15));
    let mut left = 30;
    let result = pace
        .steady(&[Service::Database], || {
            // It answered someone since, then others failed too.
            pace.answered(Service::Database);
            for _ in 0..2 {
                pace.judge(
                    &fault(Service::Database, FaultKind::Unavailable),
                    &mut Tries::new(false),
                    Word::None,
                );
            }
            left -= 1;
            let done = left == 0;
            async move { if done { Ok(7) } else { Err(fault(Service::Database, FaultKind::Unavailable)) } }
        })
        .await;
    assert_eq!(result.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_is_tried_until_it_is_settled() {
    let pace = pace(Duration::from_mins(15));
    let mut left = 30;
    let mut lost = 0;
    let result = pace
        .steady_watched(
            &[Service::Database],
            || {
                pace.answered(Service::Database);
                left -= 1;
                let kind = if left == 29 { FaultKind::AnswerLost } else { FaultKind::Unavailable };
                let done = left == 0;
                async move { if done { Ok(7) } else { Err(fault(Service::Database, kind)) } }
            },
            |fault| lost += u32::from(fault.kind == FaultKind::AnswerLost),
        )
        .await;
    assert_eq!((result.unwrap(), lost), (7, 1));
}

#[tokio::test]
async fn the_fault_that_ends_an_operation_is_watched_too() {
    let mut seen = 0;
    let result: Result<(), _> = pace(Duration::ZERO)
        .steady_watched(
            &[Service::Database],
            || async { Err(fault(Service::Database, FaultKind::Rejected("key".into()))) },
            |_| seen += 1,
        )
        .await;
    assert!(matches!(result, Err(Trouble::Row(_))));
    assert_eq!(seen, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_wait() {
    let pace = pace(Duration::from_mins(15));
    pace.stop.cancel();
    let result: Result<(), _> = pace
        .steady(&[Service::RunStore], || async { Err(fault(Service::RunStore, FaultKind::Unavailable)) })
        .await;
    assert!(matches!(result, Err(Trouble::Stopping)));
}

/// A file whose server answers 500 for it and 404 for its neighbour.
async fn broken_file(pace: &Pace, tries: &AtomicU32) -> Result<(), Trouble> {
    let read = || async {
        tries.fetch_add(1, Ordering::SeqCst);
        Err(fault(Service::SourceBlobs, FaultKind::Unavailable))
    };
    pace.steady_examined(&[Service::SourceBlobs, Service::TargetBlobs], read, |_| {}, |_, _| async { Ok(()) })
        .await
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_its_rows_own_fault_within_seconds_though_nobody_else_is_left() {
    let pace = pace(Duration::from_secs(2));
    let (began, tries) = (Instant::now(), AtomicU32::new(0));
    let three = join_all((0..3).map(|_| broken_file(&pace, &tries))).await;
    assert!(three.iter().all(|result| matches!(result, Err(Trouble::Row(_)))), "{three:?}");
    assert_eq!(tries.into_inner(), 3 * 8);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_file_is_damaged_in_each_of_three_tries_before_it_is_blamed_whatever_its_service_does_between() {
    let busy = || FaultKind::Throttled(None);
    let tries = |faults: Vec<FaultKind>| async move {
        let pace = pace(Duration::from_mins(15));
        let mut faults = faults.into_iter();
        pace.steady(&[Service::SourceBlobs], || {
            let next = faults.next();
            async move { next.map_or(Ok(()), |kind| Err(fault(Service::SourceBlobs, kind))) }
        })
        .await
    };
    let twice = vec![busy(), FaultKind::Corrupt, busy(), busy(), FaultKind::Corrupt, busy()];
    assert!(tries(twice).await.is_ok());
    let thrice =
        vec![FaultKind::Corrupt, busy(), FaultKind::Corrupt, FaultKind::Unavailable, FaultKind::Corrupt];
    assert!(matches!(tries(thrice).await, Err(Trouble::Row(_))));
}

#[tokio::test(start_paused = true)]
async fn broken_files_do_not_make_others_wait() {
    let pace = pace(Duration::from_mins(15));
    let tries = AtomicU32::new(0);
    let broken = join_all((0..12).map(|_| broken_file(&pace, &tries)));
    let others = async {
        let began = Instant::now();
        for _ in 0..1_000 {
            let read = || async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(())
            };
            pace.steady(&[Service::SourceBlobs], read).await.unwrap();
        }
        began.elapsed()
    };
    let (broken, took) = tokio::join!(broken, others);
    assert!(broken.iter().all(|result| matches!(result, Err(Trouble::Row(_)))));
    assert!(took < Duration::from_secs(11), "1,000 reads of 10 ms took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_refused_is_no_rows_fault() {
    for kind in [FaultKind::Unsupported, FaultKind::Changed, FaultKind::Misconfigured, FaultKind::Exists] {
        let refused = || Err(fault(Service::SourceBlobs, kind.clone()));
        let read = || async { Err(fault(Service::SourceBlobs, FaultKind::Unavailable)) };
        let result: Result<(), _> = pace(Duration::from_mins(15))
            .steady_examined(&[Service::SourceBlobs], read, |_| {}, |_, _| async { refused() })
            .await;
        assert!(matches!(result, Err(Trouble::Process(_))), "{kind:?}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_storage_gives_is_examined_before_a_row_is_blamed() {
    let redirects = || {
        let mut fault = fault(Service::SourceBlobs, FaultKind::Misconfigured);
        fault.status = Some(302);
        Err(fault)
    };
    for answers in [true, false] {
        let tries = AtomicU32::new(0);
        let read = || async {
            tries.fetch_add(1, Ordering::SeqCst);
            redirects()
        };
        let ask = |_, _| async move { if answers { Ok(()) } else { redirects() } };
        let ended: Result<(), _> =
            pace(Duration::from_mins(15)).steady_examined(&[Service::SourceBlobs], read, |_| {}, ask).await;
        match ended {
            Err(Trouble::Row(_)) => assert!(answers && tries.into_inner() == 8),
            ended => assert!(!answers && matches!(ended, Err(Trouble::Process(_))), "{ended:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_service_is_silent_nobody_tries_and_no_row_is_blamed() {
    let pace = pace(Duration::from_mins(15));
    let mut tries = 0;
    let away = || Err(fault(Service::SourceBlobs, FaultKind::Unavailable));
    let result: Result<(), _> = pace
        .steady_examined(
            &[Service::SourceBlobs],
            || {
                tries += 1;
                async { away() }
            },
            |_| {},
            |_, _| async { away() },
        )
        .await;
    let Err(Trouble::Process(stop)) = result else { panic!("{result:?}") };
    assert_eq!((stop.exit, tries), (Exit::Temporary, 3));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_and_goes_blames_no_examined_row_either() {
    let pace = pace(Duration::from_mins(15));
    let began = Instant::now();
    // Away for three seconds of four.
    let knock = || async move {
        tokio::time::sleep(Duration::from_millis(7)).await;
        let is_up = began.elapsed().as_millis() % 4_000 < 1_000;
        if is_up { Ok(()) } else { Err(fault(Service::SourceBlobs, FaultKind::Unavailable)) }
    };
    let rows = (0..300_u64).map(|row| {
        let (pace, knock) = (&pace, &knock);
        async move {
            tokio::time::sleep(Duration::from_millis(row * 37)).await;
            pace.steady_examined(&[Service::SourceBlobs], knock, |_| {}, |_, _| knock()).await
        }
    });
    for result in join_all(rows).await {
        assert!(result.is_ok(), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_for_patience_is_never_blamed() {
    let pace = pace(Duration::from_mins(15));
    let throttled = || async { Err(fault(Service::SourceBlobs, FaultKind::Throttled(None))) };
    let result: Result<(), _> = pace
        .steady_examined(
            &[Service::SourceBlobs],
            throttled,
            |_| {},
            |_, _| async { unreachable!("who throttles answers") },
        )
        .await;
    assert!(matches!(result, Err(Trouble::Process(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_service_asks_for_is_kept_to_by_everyone() {
    let pace = pace(Duration::from_mins(15));
    let began = Instant::now();
    let tries = AtomicU32::new(0);
    let asks_for_less = || async {
        let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
        let wait = FaultKind::Throttled(Some(Duration::from_secs(7)));
        if first { Err(fault(Service::TargetBlobs, wait)) } else { Ok(began.elapsed()) }
    };
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pace.steady(&[Service::TargetBlobs], || async { Ok(began.elapsed()) }).await
    };
    let (throttled, other) = tokio::join!(pace.steady(&[Service::TargetBlobs], asks_for_less), other);
    assert!(throttled.unwrap() >= Duration::from_secs(7));
    assert!(other.unwrap() >= Duration::from_secs(7));
}

/// A `Retry-After` of 0, or a date that has passed by this machine's clock.
#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_no_wait_is_not_asked_again_at_once_by_any_operation() {
    let pace = pace(Duration::from_mins(15));
    let (began, asked) = (Instant::now(), std::sync::Mutex::new(Vec::new()));
    let operation = || async {
        let mut left = 10;
        let try_once = || {
            asked.lock().unwrap().push(began.elapsed());
            left -= 1;
            let kind = FaultKind::Throttled(Some(Duration::ZERO));
            let busy = left > 0;
            async move { if busy { Err(fault(Service::TargetBlobs, kind)) } else { Ok(()) } }
        };
        pace.steady(&[Service::TargetBlobs], try_once).await
    };
    for result in join_all((0..4).map(|_| operation())).await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert!(began.elapsed() > Duration::from_secs(10), "ten tries back off: {:?}", began.elapsed());
    let asked = asked.into_inner().unwrap();
    let at_once = asked.iter().filter(|at| **at < Duration::from_millis(50)).count();
    assert!(at_once <= 4, "only the first try of each is made at once: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_more_time_than_there_is_ends_the_process_in_twice_its_patience() {
    let pace = pace(Duration::from_mins(15));
    let began = Instant::now();
    let asks = FaultKind::Throttled(Some(Duration::from_hours(24)));
    let asking = || async { Err::<(), _>(fault(Service::TargetBlobs, asks.clone())) };
    let Err(Trouble::Process(stop)) = pace.steady(&[Service::TargetBlobs], asking).await else { panic!() };
    assert_eq!(stop.exit, Exit::Temporary);
    assert!(began.elapsed() <= Duration::from_mins(45), "{:?}", began.elapsed());
}

/// As [`refused_by`], of the target.
async fn target_that_refuses(kind: FaultKind, answers: bool) -> (Result<(), Trouble>, u32, Duration) {
    refused_by(Service::TargetBlobs, kind, answers).await
}

/// How an operation on a service ends that meets this fault every time, while the service answers questions or not;
/// how often it was tried, and how long that took.
async fn refused_by(
    service: Service,
    kind: FaultKind,
    answers: bool,
) -> (Result<(), Trouble>, u32, Duration) {
    let pace = pace(Duration::from_mins(15));
    let (began, tries) = (Instant::now(), AtomicU32::new(0));
    let write = || async {
        tries.fetch_add(1, Ordering::SeqCst);
        Err(fault(service, kind.clone()))
    };
    let ask =
        |_, _| async move { if answers { Ok(()) } else { Err(fault(service, FaultKind::Misconfigured)) } };
    let ended = pace.steady_examined(&[service], write, |_| {}, ask).await;
    (ended, tries.into_inner(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_refused_is_its_rows_own_fault_at_once() {
    let (ended, tries, took) = target_that_refuses(FaultKind::NameRefused, true).await;
    assert!(matches!(ended, Err(Trouble::Row(_))), "{ended:?}");
    assert_eq!((tries, took), (1, Duration::ZERO));
    // A front end that refuses everything is the service's fault.
    let (ended, ..) = target_that_refuses(FaultKind::NameRefused, false).await;
    assert!(matches!(ended, Err(Trouble::Process(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_file_that_is_archived_or_forbidden_is_its_rows_own_fault_at_once() {
    for kind in [FaultKind::Archived, FaultKind::Denied] {
        let (ended, tries, took) = refused_by(Service::SourceBlobs, kind.clone(), true).await;
        assert!(matches!(ended, Err(Trouble::Row(_))), "{kind:?}: {ended:?}");
        assert_eq!((tries, took), (1, Duration::ZERO), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_container_or_of_our_identity_is_held_though_the_service_answers() {
    for kind in [FaultKind::ContainerGone, FaultKind::NoRole, FaultKind::Denied, FaultKind::Unauthenticated] {
        let (ended, _, took) = target_that_refuses(kind.clone(), true).await;
        assert!(matches!(ended, Err(Trouble::Process(_))), "{kind:?}: {ended:?}");
        assert!(took >= Duration::from_mins(15), "{kind:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn before_a_row_is_blamed_the_service_must_work_not_only_answer() {
    let pace = pace(Duration::from_mins(15));
    let write = || async { Err(fault(Service::TargetBlobs, FaultKind::Unavailable)) };
    let can_only_be_read = |_, question| async move {
        match question {
            Question::Answers => Ok(()),
            Question::Works => Err(fault(Service::TargetBlobs, FaultKind::Unavailable)),
        }
    };
    let ended: Result<(), _> =
        pace.steady_examined(&[Service::TargetBlobs], write, |_| {}, can_only_be_read).await;
    assert!(matches!(ended, Err(Trouble::Process(_))), "{ended:?}");
}

/// A refusal of the target database with this SQLSTATE.
fn refusal(sqlstate: &str) -> Fault {
    let mut refusal = fault(Service::Database, FaultKind::Unavailable);
    refusal.code = Some(sqlstate.into());
    refusal
}

/// How a commit ends that is refused with this SQLSTATE at each try while the database takes others or not; how often it
/// was tried, and how long that took.
async fn refused_commit(sqlstate: &str, takes_others: bool) -> (Result<(), Trouble>, u32, Duration) {
    let pace = pace(Duration::from_mins(15));
    let (began, tries) = (Instant::now(), AtomicU32::new(0));
    let commit = || async {
        tries.fetch_add(1, Ordering::SeqCst);
        Err(refusal(sqlstate))
    };
    let ask = |_, _| async move { if takes_others { Ok(()) } else { Err(refusal(sqlstate)) } };
    let ended = pace.steady_examined(&[Service::Database], commit, |_| {}, ask).await;
    (ended, tries.into_inner(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_database_refuses_while_it_takes_others_is_to_blame_after_some_seconds() {
    for sqlstate in ["XX000", "0A000", "AB123"] {
        let (ended, tries, took) = refused_commit(sqlstate, true).await;
        assert!(matches!(ended, Err(Trouble::Row(_))), "{sqlstate}: {ended:?}");
        assert_eq!(tries, 8, "{sqlstate}");
        assert!(took > Duration::from_secs(5) && took < Duration::from_mins(1), "{sqlstate}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_meets_other_transactions_or_a_server_that_is_short_is_given_minutes() {
    for sqlstate in ["40001", "40P01", "53000", "53200", "55P03", "57014"] {
        let (ended, tries, took) = refused_commit(sqlstate, true).await;
        assert!(matches!(ended, Err(Trouble::Row(_))), "{sqlstate}: {ended:?}");
        assert_eq!(tries, 23, "{sqlstate}");
        assert!(took > Duration::from_mins(2) && took < Duration::from_mins(5), "{sqlstate}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_takes_nobody_is_held_and_said_to_have_answered() {
    for sqlstate in ["XX000", "53200", "57014", "40001", "40P01", "55P03"] {
        let (ended, _, took) = refused_commit(sqlstate, false).await;
        let Err(Trouble::Process(stop)) = ended else { panic!("{sqlstate}: {ended:?}") };
        assert_eq!(stop.exit, Exit::Temporary);
        assert!(stop.message.contains("each answer was a refusal"), "{}", stop.message);
        assert!(took >= Duration::from_mins(15), "{sqlstate}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_tells_of_the_server_is_never_a_rows_fault_though_it_takes_others() {
    for sqlstate in ["25006", "53100", "53300", "57P01", "57P02", "57P03", "58030", "08006"] {
        let (ended, ..) = refused_commit(sqlstate, true).await;
        assert!(matches!(ended, Err(Trouble::Process(_))), "{sqlstate}: {ended:?}");
    }
    // Nor is what was met before the statement was sent, what the database did not say at all, or what may stand by now.
    let lost = fault(Service::Database, FaultKind::AnswerLost);
    for first in [refusal("XX000").before_asking(), fault(Service::Database, FaultKind::Unavailable), lost] {
        let (pace, tries) = (pace(Duration::from_mins(15)), AtomicU32::new(0));
        let is_lost = first.kind == FaultKind::AnswerLost;
        let commit = || {
            let is_first = tries.fetch_add(1, Ordering::SeqCst) == 0;
            let met = if is_lost && !is_first { refusal("XX000") } else { first.again() };
            async { Err(met) }
        };
        let takes_others = |_, _| async { Ok(()) };
        let ended: Result<(), _> =
            pace.steady_examined(&[Service::Database], commit, |_| {}, takes_others).await;
        assert!(matches!(ended, Err(Trouble::Process(_))), "{first:?}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_said_to_be_silent() {
    let away = || async { Err(fault(Service::Database, FaultKind::Unavailable)) };
    let ended: Result<(), _> = pace(Duration::from_mins(15)).steady(&[Service::Database], away).await;
    let Err(Trouble::Process(stop)) = ended else { panic!("{ended:?}") };
    assert!(stop.message.contains("without an answer"), "{}", stop.message);
}
