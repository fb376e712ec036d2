//! The plan's sign of life.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use rogo_migrate::{
    exit::{Exit, Stop},
    plan::{Progress, beating},
    ports::Service,
    run::{Epoch, RunName, RunStore, planning},
};
use serde_json::json;

use crate::support::fakes::{InMemoryBlobs, Journal};

const NAME: &str = "rogo/planning/2-abc.json";

fn documents() -> (Arc<InMemoryBlobs>, RunStore, Epoch) {
    let documents = Arc::new(InMemoryBlobs::new("runs", Service::RunStore, Journal::default()));
    let store = RunStore::new(documents.clone(), &RunName::default());
    (documents, store, "2-abc".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_a_sign_of_life_every_ten_seconds_until_it_ends() {
    let (documents, store, epoch) = documents();
    let (store, shown) = (&store, documents.clone());
    let making = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(shown.names().contains(&NAME.to_owned()), "{:?}", shown.names());
            shown.remove(NAME);
            tokio::time::sleep(Duration::from_millis(8_900)).await;
            assert!(shown.names().is_empty());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    beating(store, &epoch, &Progress::default(), making).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    documents.remove(NAME);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(documents.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_ends_in_order_without_a_plan_takes_its_sign_of_life_back() {
    let (documents, store, epoch) = documents();
    let progress = Progress::default();
    let beaten = async || {
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert!(!documents.names().is_empty());
    };
    let fails = async {
        beaten().await;
        Err::<(), _>(Stop::new(Exit::Temporary, "a service is away"))
    };
    assert_eq!(beating(&store, &epoch, &progress, fails).await.unwrap_err().exit, Exit::Temporary);
    assert!(documents.names().is_empty(), "{:?}", documents.names());

    let panics = async {
        beaten().await;
        panic!("a bug")
    };
    let ended =
        AssertUnwindSafe(beating::<()>(&store, &epoch, &progress, panics)).catch_unwind().await.unwrap_err();
    assert_eq!(ended.downcast_ref(), Some(&"a bug"), "it goes on in the caller");
    assert!(documents.names().is_empty(), "{:?}", documents.names());

    // Another process of the epoch has begun meanwhile.
    let overtaken = async {
        beaten().await;
        let beat = json!({"at": Utc::now(), "began_at": Utc::now()});
        store.replace("planning/2-abc.json", &beat).await.unwrap();
        Err::<(), _>(Stop::new(Exit::Temporary, "a service is away"))
    };
    beating(&store, &epoch, &progress, overtaken).await.unwrap_err();
    assert_eq!(documents.names(), [NAME], "the other's");
}

/// A pod has 30 s for its whole stop.
#[tokio::test(start_paused = true)]
async fn a_run_store_that_is_slow_is_waited_for_and_one_that_is_silent_keeps_no_process() {
    for (takes, stays) in [(Duration::from_secs(4), false), (Duration::from_hours(1), true)] {
        let (documents, store, epoch) = documents();
        let (begins, fails_after) = (tokio::time::Instant::now(), Duration::from_secs(11));
        let fails = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(documents.names(), [NAME]);
            // The second one, after 10 s, is under way when the plan fails.
            documents.slow_puts("planning/", takes);
            tokio::time::sleep_until(begins + fails_after).await;
            Err::<(), _>(Stop::new(Exit::Temporary, "a service is away"))
        };
        beating(&store, &epoch, &Progress::default(), fails).await.unwrap_err();
        let took = begins.elapsed().saturating_sub(fails_after);
        assert!(took <= Duration::from_secs(8), "{took:?}");
        assert_eq!(!documents.names().is_empty(), stays, "a store that takes {takes:?}");
    }
}

#[tokio::test]
async fn a_sign_of_life_that_is_old_or_far_ahead_is_none() {
    let (_documents, store, _) = documents();
    let now = Utc::now();
    let is_alive = async |at: TimeDelta| {
        store.replace("planning/2-abc.json", &json!({ "at": now + at })).await.unwrap();
        planning::under_way(&store, now).await.unwrap().is_some()
    };
    for (at, expected) in [(-601, false), (-599, true), (0, true), (599, true), (601, false), (86_400, false)]
    {
        assert_eq!(is_alive(TimeDelta::seconds(at)).await, expected, "{at} s");
    }
}
