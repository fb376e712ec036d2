//! The plan's sign of life.

use std::{sync::Arc, time::Duration};

use rogo_migrate::{
    plan::{Beating, Progress},
    ports::Service,
    run::{RunName, RunStore},
};

use crate::support::fakes::{InMemoryBlobs, Journal};

#[tokio::test(start_paused = true)]
async fn a_plan_shows_a_sign_of_life_every_ten_seconds_until_it_ends() {
    const NAME: &str = "rogo/planning/2-abc.json";
    let documents = Arc::new(InMemoryBlobs::new("runs", Service::RunStore, Journal::default()));
    let store = RunStore::new(documents.clone(), &RunName::default());
    let beating = Beating::begin(&store, &"2-abc".parse().unwrap(), &Progress::default());
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(documents.names().contains(&NAME.to_owned()), "{:?}", documents.names());
        documents.remove(NAME);
        tokio::time::sleep(Duration::from_millis(8_900)).await;
        assert!(documents.names().is_empty());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(beating);
    tokio::time::sleep(Duration::from_secs(1)).await;
    documents.remove(NAME);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(documents.names().is_empty());
}
