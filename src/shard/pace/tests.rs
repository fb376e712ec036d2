//! Promises of the pace, in paused time.

use super::*;

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
async fn a_row_is_blamed_only_where_the_service_answered_others() {
    let pace = pace(Duration::from_mins(15));
    let result: Result<(), _> = pace
        .steady(&[Service::TargetBlobs], || async {
            pace.answered(Service::TargetBlobs);
            Err(fault(Service::TargetBlobs, FaultKind::Unavailable))
        })
        .await;
    assert!(matches!(result, Err(Trouble::Row(_))));
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
                pace.judge(&fault(Service::Database, FaultKind::Unavailable), &mut Tries::new());
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
