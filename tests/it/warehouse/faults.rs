//! Whatever breaks, an answer is complete or it is a fault.

use std::{net::TcpListener, time::Duration};

use rogo_migrate::ports::{FaultKind, Warehouse};

use super::{attempts, ids, open, opened, scanned, start, text};
use crate::support::tds::{
    Options, TdsServer,
    script::{BatchFault, LoginFault},
};
use crate::support::{fetch::FetchAll, port::Port};

/// Every number of warehouse.md.
const TRANSIENT: [u32; 12] = [40613, 40501, 40197, 49918, 49919, 49920, 10928, 10929, 4221, 1205, 615, 926];

#[tokio::test]
async fn every_transient_number_is_absorbed_at_login_before_and_within_a_result() {
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    for number in TRANSIENT {
        server.script.fail_login(LoginFault::Error(number));
        server.script.fail_batch(BatchFault::Error { number, after_rows: 0 });
        server.script.fail_batch(BatchFault::Error { number, after_rows: 7 });
        let facts = warehouse.fetch(&ids(1..=5)).await.unwrap_or_else(|fault| panic!("{number}: {fault}"));
        assert!(facts.iter().all(|facts| facts.reports.len() == 1 && facts.scores.len() == 2), "{number}");
        assert_eq!(server.script.pending(), 0, "{number}");
    }
}

#[tokio::test]
async fn a_server_that_is_short_of_something_is_asked_again() {
    let server = start(attempts(1..=1)).await;
    let warehouse = opened(&server).await;
    for number in [701, 1105] {
        server.script.fail_batch(BatchFault::Error { number, after_rows: 0 });
        assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1, "{number}");
    }
}

#[tokio::test]
async fn nothing_is_lost_wherever_an_answer_breaks_off() {
    // Five reports, ten scores and the last select's one row.
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    for after_rows in 0..=16 {
        for fault in [
            BatchFault::EndWithoutDone { after_rows },
            BatchFault::Drop { after_rows },
            BatchFault::Cut { after_rows },
            BatchFault::Reset { after_rows },
            BatchFault::Error { number: 1205, after_rows },
        ] {
            server.script.fail_batch(fault.clone());
            let facts = warehouse.fetch(&ids(1..=5)).await.unwrap_or_else(|why| panic!("{fault:?}: {why}"));
            for (facts, id) in facts.iter().zip(1..) {
                assert_eq!(facts.reports.len(), 1, "{fault:?}");
                assert_eq!(facts.reports[0].exercise, text(&format!("5HR03 PQ Attempt {id}")), "{fault:?}");
                assert_eq!(facts.scores.len(), 2, "{fault:?}");
            }
            assert_eq!(server.script.pending(), 0, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_scan_hands_over_each_row_once_wherever_it_breaks_off() {
    let server = start(attempts(1..=3)).await;
    let warehouse = opened(&server).await;
    let undisturbed = scanned(&warehouse).await.unwrap();
    assert_eq!(undisturbed.len(), 9);
    for after_rows in 0..=7 {
        for fault in [
            BatchFault::EndWithoutDone { after_rows },
            BatchFault::Drop { after_rows },
            BatchFault::Cut { after_rows },
            BatchFault::Reset { after_rows },
            BatchFault::Error { number: 40197, after_rows },
        ] {
            // A scan's batches: bounds and window of the reports, bounds and window of the scores.
            server.script.fail_batch(fault.clone());
            server.script.fail_batch(fault.clone());
            assert_eq!(scanned(&warehouse).await.unwrap(), undisturbed, "{fault:?}");
        }
    }
    assert_eq!(server.script.pending(), 0);
}

#[tokio::test]
async fn a_statement_that_fails_alone_is_never_taken_for_rows() {
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    let undisturbed = scanned(&warehouse).await.unwrap();
    for number in [1222, 3960] {
        // Reports, scores, the closing select.
        for place in 0..=2 {
            server.script.fail_batch(BatchFault::Statement { number, place });
            let facts = warehouse.fetch(&ids(1..=5)).await.unwrap();
            assert!(facts.iter().all(|facts| (facts.reports.len(), facts.scores.len()) == (1, 2)), "{place}");
        }
        // The bounds of the reports, then their window; the closing select of the window.
        for place in 0..=1 {
            server.script.fail_batch(BatchFault::Slow(Duration::ZERO));
            server.script.fail_batch(BatchFault::Statement { number, place });
            assert_eq!(scanned(&warehouse).await.unwrap(), undisturbed, "{number} {place}");
        }
    }
    assert_eq!(server.script.pending(), 0);
}

#[tokio::test]
async fn the_servers_error_is_waited_for_however_many_rows_come_before_it() {
    let server = start(attempts(1..=5)).await;
    let warehouse = open(server.connection_string());
    warehouse.shape().await.unwrap();
    let pause = Duration::from_secs(12);
    server.script.fail_batch(BatchFault::StatementThenPause { number: 1222, pause });
    let facts = warehouse.fetch(&ids(1..=5)).await.unwrap();
    assert!(facts.iter().all(|facts| (facts.reports.len(), facts.scores.len()) == (1, 2)));
    assert_eq!(server.script.pending(), 0);
}

#[tokio::test]
async fn a_row_of_an_attempt_that_was_not_asked_for_is_never_taken() {
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    let foreign = |id, place| server.script.fail_batch(BatchFault::Foreign { id, place });
    let others = |count| (0..count).for_each(|_| server.script.fail_batch(BatchFault::Slow(Duration::ZERO)));
    for place in 0..=1 {
        foreign(4, place);
        let fault = warehouse.fetch(&ids([1, 2, 5])).await.unwrap_err();
        assert!(fault.what.contains("an attempt that was not asked for"), "{place}: {fault}");
    }
    // Bounds and window of the reports, bounds and window of the scores.
    for window in [1, 3] {
        others(window);
        foreign(6, 0);
        let fault = scanned(&warehouse).await.unwrap_err();
        assert!(fault.what.contains("an attempt that was not asked for"), "{window}: {fault}");
        // One within the window is a row that was added since they were counted: a warehouse that is not frozen is read too.
        others(window);
        foreign(4, 0);
        assert_eq!(scanned(&warehouse).await.unwrap().len(), 16, "{window}");
    }
    assert_eq!(server.script.pending(), 0);
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 15);
}

#[tokio::test]
async fn a_right_that_one_statement_lacks_is_named_and_not_tried_again() {
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    for place in 0..=1 {
        let before = server.script.batches();
        server.script.fail_batch(BatchFault::Statement { number: 229, place });
        let fault = warehouse.fetch(&ids(1..=5)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
        assert!(fault.what.contains("229"), "{fault}");
        assert_eq!(server.script.batches() - before, 1);
        server.script.fail_batch(BatchFault::Slow(Duration::ZERO));
        server.script.fail_batch(BatchFault::Statement { number: 229, place });
        let fault = scanned(&warehouse).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied, "{place}: {fault}");
    }
}

#[tokio::test]
async fn rows_may_come_in_any_order() {
    let reversed = TdsServer::start(attempts(1..=50), Options { reversed: true, ..Options::default() });
    let (server, reversed) = (start(attempts(1..=50)).await, reversed.await.unwrap());
    let (there, back) = (opened(&server).await, opened(&reversed).await);
    assert_eq!(scanned(&there).await.unwrap(), scanned(&back).await.unwrap());
    let (there, mut back) =
        (there.fetch(&ids(1..=50)).await.unwrap(), back.fetch(&ids(1..=50)).await.unwrap());
    for facts in &mut back {
        facts.scores.reverse();
    }
    assert_eq!(there, back);
}

#[tokio::test]
async fn a_database_or_server_that_is_not_there_is_a_setting_and_asked_for_once() {
    for (number, says) in [(4060, "check Database"), (40532, "check Server")] {
        let server = start(attempts(1..=1)).await;
        server.script.fail_login(LoginFault::Error(number));
        let fault = opened(&server).await.shape().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Misconfigured);
        assert!(fault.what.contains(says) && fault.what.contains(&number.to_string()), "{fault}");
        assert_eq!((server.script.logins(), server.script.refused_logins()), (0, 1));
    }
}

#[tokio::test]
async fn a_stalled_answer_is_asked_for_again() {
    let server = start(attempts(1..=5)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    server.script.fail_batch(BatchFault::Stall { after_rows: 6 });
    server.script.fail_login(LoginFault::Drop);
    let facts = warehouse.fetch(&ids(1..=5)).await.unwrap();
    assert!(facts.iter().all(|facts| facts.scores.len() == 2));
    assert_eq!(server.script.pending(), 0);
}

/// It has answered the login: what it is slow with is the question.
#[tokio::test]
async fn an_answer_that_stops_is_told_as_one_and_not_as_a_login_without_an_answer() {
    for after_rows in [0, 6] {
        let server = start(attempts(1..=5)).await;
        let warehouse = opened(&server).await;
        warehouse.shape().await.unwrap();
        for _ in 0..8 {
            server.script.fail_batch(BatchFault::Stall { after_rows });
        }
        let fault = warehouse.fetch(&ids(1..=5)).await.unwrap_err();
        assert!(fault.is_silence() && !fault.unreached, "{fault}");
        let told = fault.chain();
        assert!(told.contains("no next part of the answer within 1 s"), "{told}");
        assert!(told.contains("Command Timeout in the connection string"), "{told}");
        assert!(!told.contains("login") && !told.contains("Config::"), "{told}");
    }
}

#[tokio::test]
async fn a_stalled_login_is_given_up_after_the_connect_timeout() {
    let server = start(attempts(1..=1)).await;
    server.script.fail_login(LoginFault::Stall);
    let warehouse = open(format!("{};Connect Timeout=1", server.connection_string()));
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let server = start(attempts(1..=1)).await;
    let warehouse = opened(&server).await;
    server.script.fail_batch(BatchFault::Slow(Duration::from_millis(20)));
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].scores.len(), 2);
    assert_eq!(server.script.logins(), 1);
}

#[tokio::test]
async fn what_lasts_is_given_back_as_unavailable() {
    let server = start(attempts(1..=2)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    server.script.refuse_ids([2], 40501);
    let fault = warehouse.fetch(&ids([1, 2])).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.what.contains("40501"), "{fault}");
    assert!(!fault.is_silence(), "the server answered");
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap().len(), 1);
    server.script.refuse_ids([], 0);
    assert_eq!(warehouse.fetch(&ids([1, 2])).await.unwrap().len(), 2);
}

/// A server that answers, and no more than that, is there.
#[tokio::test]
async fn only_where_nothing_answers_a_login_no_host_was_reached() {
    let server = start(attempts(1..=1)).await;
    let closed = Port::hold();
    let away = server.connection_string_through(closed.address());
    let fault = open(away).shape().await.unwrap_err();
    assert!(fault.unreached && fault.what.contains("cannot be reached"), "{fault}");
    // It takes connections and says nothing, as a firewall before a server that is gone; a gateway that sends to it has answered.
    let mute = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = mute.local_addr().unwrap();
    let short = |to| server.connection_string_through(to) + ";Connect Timeout=1";
    let fault = open(short(address)).shape().await.unwrap_err();
    assert!(fault.unreached && fault.is_silence(), "{fault}");
    assert!(fault.chain().contains("takes connections and answers no login"), "{}", fault.chain());
    for _ in 0..8 {
        server.script.fail_login(LoginFault::Route("127.0.0.1".into(), address.port()));
    }
    let fault = open(short(server.address)).shape().await.unwrap_err();
    assert!(fault.is_silence() && !fault.unreached, "{fault}");
    while server.script.next_login().is_some() {}
    let sent_on = LoginFault::Route("127.0.0.1".into(), closed.number());
    for login in [LoginFault::Drop, LoginFault::Error(40613), sent_on] {
        for _ in 0..8 {
            server.script.fail_login(login.clone());
        }
        let fault = open(server.connection_string()).shape().await.unwrap_err();
        assert!(fault.kind == FaultKind::Unavailable && !fault.unreached, "{login:?}: {fault}");
        while server.script.next_login().is_some() {}
    }
}

#[tokio::test]
async fn a_dropped_answer_never_reaches_the_next_question() {
    let server = start(attempts(1..=2_000)).await;
    let warehouse = open(format!("{};Packet Size=512", server.connection_string()));
    warehouse.shape().await.unwrap();
    let logins = server.script.logins();
    // It would come to the next question, had that the same connection.
    server.script.fail_batch(BatchFault::Slow(Duration::from_millis(50)));
    let asked = ids(1..=1_000);
    {
        let fetch = warehouse.fetch(&asked);
        tokio::pin!(fetch);
        // Dropped as soon as the server has taken the question.
        while server.script.pending() > 0 {
            assert!(futures_util::poll!(&mut fetch).is_pending());
            tokio::task::yield_now().await;
        }
    }
    let facts = warehouse.fetch(&ids([2_000])).await.unwrap();
    assert_eq!(facts[0].reports[0].exercise, text("5HR03 PQ Attempt 2000"));
    assert_eq!(server.script.logins(), logins + 1, "the connection was closed");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let server = start(attempts(1..=1)).await;
    let closed = Port::hold();
    let port = closed.number().to_string();
    let fault = open(server.connection_string_through(closed.address())).shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.what.contains(&port) && !fault.chain().contains("S3cret"), "{}", fault.chain());
}
