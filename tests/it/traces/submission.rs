//! The trace of one submission, to the microsecond, and when it is sent.

use std::time::{Duration, Instant};

use rogo_migrate::{
    domain::{FailCode, Failure, Fate},
    report::events::{Consumer, Event, Sample, Settled, StageTimes},
    telemetry::Exports,
};

use super::traces_to;
use crate::support::collector::{Collector, Span};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A failure and a migrated row; a minute later, which no row tells, a sample of the figures.
fn send(endpoint: &str, times: StageTimes) {
    let settings = traces_to(endpoint);
    let (exports, receivers) = Exports::begin(&settings).unwrap();
    let (consumer, _) = receivers.traces.unwrap();
    let failure = Failure { code: FailCode::FileMissing, message: "gone".to_owned() };
    let (failed, migrated) = (Fate::from(failure), Fate::Migrated(rogo_migrate::domain::Migrated::default()));
    let now = Instant::now();
    for (row, fate, times) in [(7, &failed, StageTimes { commit: None, ..times }), (8, &migrated, times)] {
        let settled = Settled { row, attempt: None, worker: 3, fate, times, breaker: None };
        consumer.take(now, &Event::RowSettled(settled));
    }
    consumer.take(now + Duration::from_secs(61), &Event::Sampled(Sample::default()));
    // The step goes on: what was not chosen by now is not sent.
    drop(exports);
}

#[tokio::test]
async fn its_stages_follow_one_another_from_the_facts_to_the_commit() {
    let collector = Collector::start().await;
    let times = StageTimes {
        gather: MS(40),
        decide: MS(5),
        copy: Some(MS(300)),
        commit: Some(MS(20)),
        whole: MS(330),
    };
    let endpoint = collector.endpoint().to_owned();
    tokio::task::spawn_blocking(move || send(&endpoint, times)).await.unwrap();
    let spans = collector.spans();
    for (row, why, code, stages) in [
        ("7", "failure", Some("file_missing"), &["gather", "decide", "copy"][..]),
        ("8", "slow", None, &["gather", "decide", "copy", "commit"]),
    ] {
        let is_it = |span: &&Span| span.attributes.get("rogo_migrate.row").is_some_and(|it| it == row);
        let root = spans.iter().find(is_it).unwrap_or_else(|| panic!("row {row}: {spans:#?}"));
        assert_eq!(root.attributes.get("rogo_migrate.code").map(String::as_str), code);
        assert_eq!(
            (root.attributes["rogo_migrate.sampled"].as_str(), &*root.attributes["rogo_migrate.worker"]),
            (why, "3")
        );
        let took = root.ended.unwrap() - root.began.unwrap();
        assert_eq!(took.to_std().unwrap(), times.gather + times.whole);
        let mut at = root.began;
        for stage in stages {
            let span = spans.iter().find(|span| span.parent == root.id && span.name == *stage).unwrap();
            assert_eq!(span.began, at, "row {row}: {stage} begins where the stage before ends");
            at = span.ended;
        }
        let lasted = (at.unwrap() - root.began.unwrap()).to_std().unwrap();
        assert_eq!(lasted, MS(345) + if code.is_none() { MS(20) } else { MS(0) });
    }
}
