//! `decisions.jsonl`: every decision of a person, with its reason, by whom and when; nothing is done without a reason.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use rogo_migrate::{
    domain::Digest,
    ports::{FaultKind, PutOptions, Service},
    run::{Decided, RunStore, decisions},
};

use super::{plain_sample, write};
use crate::support::{
    app::TestApp,
    fakes::{InMemoryBlobs, Journal},
};

#[tokio::test]
async fn one_session_with_every_decision_leaves_a_line_of_each() {
    let sample = plain_sample(16, 71).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("USER", "ada");
    let began = Utc::now();
    let out = ["--out", "out"];
    let excluded = write(&sample, "exclude.csv", "Attempt ID,Reason\n2147483646,REQ-1\n");

    // Each of these is refused without a reason, and leaves no trace.
    let run = ["run", "--shards", "2", "--exclude", &excluded, "--breaker", "off"];
    app.run(&[&run[..], &out].concat()).await.expect(64);
    app.run(&[&run[..], &out, &["--reason", "REQ-1"]].concat()).await.expect(0);
    let ids = app.migrated_in("out");

    let writer = RunStore::new(app.run_blobs(), &"rogo".parse().unwrap()).writers().await.unwrap().remove(0);
    let orphan = format!("LTI_Uploads/{}/{}_9_left.docx", writer.id, ids[0]);
    app.target_blobs().put(&orphan, "x".into(), &PutOptions::create("text/plain")).await.unwrap();
    app.run_blobs().delete_many(&[format!("rogo/writers/{}.clean", writer.id)]).await.unwrap();
    app.run(&["orphans"]).await.expect(0);
    app.run(&["orphans", "--delete"]).await.expect(64);
    app.run(&["orphans", "--delete", "--yes", "--reason", "REQ-2"]).await.expect(0);

    app.lose(&ids[0]).await;
    app.run(&[&["finalize"], &out[..]].concat()).await.expect(69);
    app.run(&[&["resume", "--redo", "lost"], &out[..]].concat()).await.expect(64);
    app.run(&[&["resume", "--redo", "lost", "--reason", "REQ-3"], &out[..]].concat()).await.expect(0);
    app.lose(&ids[1]).await;
    app.run(&[&["finalize", "--accept", "lost"], &out[..]].concat()).await.expect(64);
    app.run(&[&["finalize", "--accept", "lost", "--reason", "REQ-4"], &out[..]].concat()).await.expect(0);

    app.database
        .run(&format!(
            "update submission_grades set final_grade = 'X' where submission_id in
                (select id from assignment_submissions where lti_launch_id like 'rogo\\_{}\\_%')",
            ids[2]
        ))
        .await;
    let accepted =
        write(&sample, "accept.csv", format!("Attempt ID,Reason,Person\n{},REQ-5,B. Exam\n", ids[2]));
    let verify = ["verify", "--recheck", "0s", "--accept", &accepted];
    app.run_as(&app.database.verifiers_url(), &[&verify[..], &out].concat()).await.expect(0);

    let (removers, one, two) =
        (app.database.removers_url(), write(&sample, "one.txt", &ids[3]), write(&sample, "two.txt", &ids[2]));
    let rollback = async |more: &[&str], code: i32| {
        let arguments = [&["rollback"], more, &out[..]].concat();
        app.run_as(&removers, &arguments).await.expect(code);
    };
    rollback(&["--attempts", &one], 0).await;
    rollback(&["--attempts", &one, "--yes"], 64).await;
    rollback(&["--attempts", &one, "--yes", "--reason", "REQ-6"], 0).await;
    rollback(&["--attempts", &two, "--yes", "--force-touched", "--reason", "REQ-7"], 0).await;
    rollback(&["--yes", "--reason", "REQ-8"], 0).await;

    let all = app.decided("rogo").await;
    let found: Vec<(&str, &str, u64)> =
        all.iter().map(|one| (one.decision.as_str(), one.reason.as_str(), one.attempts)).collect();
    assert_eq!(
        found,
        [
            ("plan --exclude exclude.csv", "REQ-1", 0),
            ("--breaker off", "REQ-1", 16),
            ("orphans --delete", "REQ-2", 0),
            ("resume --redo lost", "REQ-3", 1),
            ("finalize --accept lost", "REQ-4", 1),
            ("verify --accept", "REQ-5 (B. Exam)", 1),
            ("rollback --yes --attempts one.txt", "REQ-6", 1),
            ("rollback --yes --attempts two.txt --force-touched", "REQ-7", 1),
            ("rollback --yes", "REQ-8", 16),
        ]
    );
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut last = began;
    for one in &all {
        assert_eq!(one.by, format!("ada@{}", host.trim()));
        assert!(last <= one.at && one.at <= Utc::now(), "{one:?}");
        last = one.at;
    }
}

#[tokio::test]
async fn processes_that_decide_at_the_same_time_lose_no_line() {
    let sample = plain_sample(2, 72).await;
    let app = TestApp::without_cluster(&sample).await;
    let store = RunStore::new(app.run_blobs(), &"rogo".parse().unwrap());
    let of = |number: i64| Decided {
        at: DateTime::from_timestamp(1_700_000_000 + number, 0).unwrap(),
        by: "ada@host".into(),
        reason: format!("REQ-{number}"),
        decision: "orphans --delete".into(),
        attempts: 0,
    };
    let deciding = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { decisions::log(&store, &of(number)).await.unwrap() })
    });
    futures_util::future::try_join_all(deciding).await.unwrap();
    let reasons: Vec<String> = app.decided("rogo").await.into_iter().map(|one| one.reason).collect();
    assert_eq!(reasons, (0..20).map(|number| format!("REQ-{number}")).collect::<Vec<_>>());
    // What many processes decide together is one decision.
    for number in 30..33 {
        let id = Digest::of(b"breaker off").to_string();
        decisions::log_once(&store, &id, &of(number)).await.unwrap();
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    app.decided("rogo").await.into_iter().for_each(|one| *counts.entry(one.reason).or_default() += 1);
    assert_eq!((counts.len(), counts.get("REQ-30")), (21, Some(&1)));
}

#[tokio::test]
async fn a_decision_whose_line_was_not_written_gets_it_from_the_next_process_that_decides_it() {
    let blobs = InMemoryBlobs::new("runs", Service::RunStore, Journal::default());
    let store = RunStore::new(Arc::new(blobs.clone()), &"rogo".parse().unwrap());
    let decided = Decided {
        at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        by: "ada@host".into(),
        reason: "REQ-1".into(),
        decision: "--breaker off".into(),
        attempts: 2,
    };
    blobs.fail(Some(Arc::new(|verb, name| {
        (verb == "put" && name.ends_with("decisions.jsonl")).then_some(FaultKind::Denied)
    })));
    decisions::log_once(&store, "one", &decided).await.unwrap_err();
    assert!(blobs.text("rogo/decisions/one.json").is_some(), "the document stands, its line does not");
    blobs.fail(None);
    decisions::log_once(&store, "one", &decided).await.unwrap();
    let log = blobs.text("rogo/decisions.jsonl").unwrap();
    assert_eq!(
        log.lines().map(|line| serde_json::from_str::<Decided>(line).unwrap()).collect::<Vec<_>>(),
        [decided]
    );
}
