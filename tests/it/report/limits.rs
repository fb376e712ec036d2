//! Every advice on what limits the speed, in each place where people look for it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rogo_migrate::{
    domain::{Books, ShardIndex},
    ports::{LoadSign, Service},
    report::{
        events::{Beginning, Consumer, Event, Wait},
        limits::of_shards,
        progress::{self, Progress},
    },
    run::{Answers, Breaker, Commits, Heartbeat, Limit, LimitCode, State, Work},
};
use serde_json::{Value, json};

use super::pages::{Made, Went};
use crate::{
    screens::running,
    support::app::{Sample, TestApp},
    verify::corruptions::in_folders,
};

const SECOND: u64 = 1_000_000;

/// A process of two workers that was busy for 100 s with 100 rows and files, and that nothing limited.
fn work() -> Work {
    Work {
        elapsed_us: 100 * SECOND,
        worker_us: 200 * SECOND,
        rows: 100,
        row_us: 100 * SECOND,
        copy_us: 50 * SECOND,
        files: 100,
        file_us: 50 * SECOND,
        bytes: 10_000_000,
        ..Work::default()
    }
}

/// Makes of [`work`] one that this limits.
fn limit(code: LimitCode, work: &mut Work) {
    let target = Service::TargetBlobs.to_string();
    let mut waited = |on: Wait, seconds: u64| {
        work.waited_us.insert(on.name().to_owned(), seconds * SECOND);
    };
    let mut asked = |service: String, answers: u64| {
        work.asked.insert(service, Answers { answers, us: 60 * SECOND });
    };
    match code {
        LimitCode::ThrottledService => work.throttled_us = [(target, 30 * SECOND)].into(),
        LimitCode::ServiceAway => work.away_us = [(target, 30 * SECOND)].into(),
        LimitCode::ServiceLatency => asked(target, 20),
        LimitCode::DatabasePool => waited(Wait::Connection, 31),
        LimitCode::Cpu => (work.cpu_us, work.core_us) = (190 * SECOND, 200 * SECOND),
        LimitCode::MemoryBudget => waited(Wait::Memory, 6),
        LimitCode::InFlightCap => waited(Wait::Place, 20),
        LimitCode::WarehouseBatch => {
            waited(Wait::Facts, 60);
            asked(Service::Warehouse.to_string(), 6);
            work.gather_us = 60 * SECOND;
        }
        LimitCode::SmallFiles => (work.bytes, work.copy_us) = (1_259_500, 60 * SECOND),
        LimitCode::SlowShard => work.elapsed_us *= 4,
        LimitCode::RunStoreFlush => waited(Wait::Recorder, 8),
        LimitCode::Bandwidth => (work.bytes, work.raises, work.raises_lost) = (100 << 20, 4, 3),
        LimitCode::BreakerNear => work.breaker = Some(Breaker { rows: 103, failures: 3, allowed: 5 }),
        LimitCode::TargetGuard => {
            work.slowed_us = [(LoadSign::LockWaits.name().to_owned(), 10 * SECOND)].into();
        }
    }
}

/// The advice of a run whose three shards this limits; of a slow shard one of them.
fn limits(code: LimitCode) -> Vec<Limit> {
    let mut works = [work(), work(), work()];
    let limited = if code == LimitCode::SlowShard { 1 } else { 3 };
    works.iter_mut().take(limited).for_each(|work| limit(code, work));
    of_shards((0..).map(ShardIndex).zip(&works).map(|(shard, work)| (shard, 100, work)))
}

/// Asserts that each of this advice stands in progress, summary, status and report.
pub fn stand_everywhere(limits: &[Limit]) {
    let began = Instant::now();
    let progress = Progress::new(began, 100, 1);
    let earlier = &Books::default();
    let beginning = Beginning { shard: ShardIndex(0), rows: 100, last_row: 100, earlier, workers: 2 };
    progress.take(began, &Event::ShardBegan(beginning));
    let mut snapshot = progress.snapshot(began + Duration::from_secs(20));
    let mut standing = running(3);
    let mut made = Made::new(Went::Well, 30, 3);
    for limit in limits {
        let Limit { code, text } = limit;
        let alone = || vec![limit.clone()];
        (snapshot.limits, standing.limits, made.summary.limits) = (alone(), alone(), alone());
        let block = progress::block(&snapshot);
        assert!(block.contains(&format!("limit     {text}\n")), "{code}: {block}");
        let grid = made.summary.grid();
        assert!(grid.contains(&format!("what limited the speed\n  {text}\n")), "{code}: {grid}");
        let status = standing.text(200);
        assert!(status.contains(&format!("limit: {text}\n")), "{code}: {status}");
        let page = made.page();
        let item = format!("<li><code>{code}</code> {}</li>", text.replace('\'', "&#39;"));
        assert!(page.contains("What limited the speed") && page.contains(&item), "{code}");
        let summary = serde_json::to_value(&made.summary).unwrap();
        assert_eq!(summary["limits"][0]["code"], code.code());
    }
}

#[test]
fn each_advice_stands_in_progress_summary_status_and_report() {
    assert!(LimitCode::ALL.len() >= 12);
    for code in LimitCode::ALL {
        let limits = limits(code);
        let [Limit { code: found, text }] = &limits[..] else { panic!("{code}: {limits:?}") };
        assert_eq!(*found, code);
        let threshold = text.contains("(shown above ") || text.contains("(shown below ");
        assert!(threshold && text.contains(';'), "{code}: its threshold, and what to do: {text}");
        stand_everywhere(&limits);
    }
}

/// A document in the app's run store, which is a folder.
fn document(app: &TestApp<'_>, name: &str) -> PathBuf {
    app.out.path().join("run-store/rogo").join(name)
}

/// Writes the last heartbeat of a process that was stopped and made no marker.
fn stopped(app: &TestApp<'_>, shard: u32, writer: &str, work: Work, violations: &[(&str, u64)]) {
    let plan: Value = serde_json::from_slice(&fs::read(document(app, "plan.json")).unwrap()).unwrap();
    let heartbeat = Heartbeat {
        plan: serde_json::from_value(plan["id"].clone()).unwrap(),
        shard: ShardIndex(shard),
        writer: writer.parse().unwrap(),
        at: chrono::Utc::now(),
        books: Books::default(),
        rows: 12,
        rows_per_second: 0.0,
        state: State::Stopped("stopped at 0 of 12 rows".into()),
        work,
        violations: violations.iter().map(|(id, times)| ((*id).to_owned(), *times)).collect(),
        waits: Vec::new(),
    };
    let place = document(app, &format!("heartbeats/0/{shard}-{writer}.json"));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, serde_json::to_vec(&heartbeat).unwrap()).unwrap();
}

#[tokio::test]
async fn what_limited_stopped_processes_and_every_broken_promise_stand_in_the_summary() {
    let sample = Sample::in_folder(24, 31, |options| options.plain = true).await;
    let app = in_folders(&sample).await;
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    let summary = || -> Value { serde_json::from_str(&app.result("summary.json")).unwrap() };
    assert_eq!(summary()["warnings"], Value::Null, "{}", summary());

    let place = document(&app, "done/0.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
    told["violations"] = json!({"one_outcome": 2});
    fs::write(&place, told.to_string()).unwrap();
    // The marker tells of its own process; the others were evicted.
    let statements = |statements| Commits { statements, ..Commits::default() };
    let marked = told["work"]["commits"]["statements"].as_u64().unwrap();
    let own = Work { commits: statements(1_000), ..Work::default() };
    stopped(&app, 0, told["writer"].as_str().unwrap(), own, &[("one_outcome", 1)]);
    let mut away = Work { rows: 0, commits: statements(7), ..work() };
    limit(LimitCode::ServiceAway, &mut away);
    stopped(&app, 0, "bbbbbbbbbbbb", away, &[("one_outcome", 1)]);
    let mut throttled = Work { rows: 0, commits: statements(11), ..work() };
    limit(LimitCode::ThrottledService, &mut throttled);
    stopped(&app, 1, "cccccccccccc", throttled, &[("within_shard", 4)]);
    app.run(&["finalize"]).await.expect(69);
    let summary = summary();
    let warning = &summary["warnings"][0];
    assert_eq!(warning["code"], "invariant_violated", "{summary}");
    let detail = warning["detail"].as_str().unwrap();
    assert!(detail.contains(": one_outcome (3 times), within_shard (4 times);"), "{detail}");
    let limits: Vec<_> = summary["limits"].as_array().unwrap().iter().map(|limit| &limit["code"]).collect();
    // The one of a shard that is not done, the other of one that another process completed.
    for code in ["throttled_service", "service_away"] {
        assert!(limits.contains(&&json!(code)), "{code}: {summary}");
    }
    assert_eq!(summary["commits"]["statements"], marked + 7 + 11, "{summary}");
    // The stopped processes tell of no submission.
    assert_eq!(summary["commits"]["submissions"], app.migrated().len(), "{summary}");
    assert!(summary["commits"]["largest"].as_u64().unwrap() >= 1, "{summary}");
}
