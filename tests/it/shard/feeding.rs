//! What a shard reads from its queue at a time.

use std::{sync::Arc, time::Duration};

use rogo_migrate::{
    domain::{Facts, ShardIndex, Value},
    ports::FaultKind,
    run::segments::recorded,
    shard::{
        feed::{Queue, feed},
        pace::Pace,
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{rows::Case, world::World};

const SHARD: ShardIndex = ShardIndex(0);

#[tokio::test]
async fn rows_with_long_texts_in_the_facts_file_come_a_few_at_a_time() {
    let good = Case::good();
    let mut facts: Facts = good.facts;
    facts.reports[0].marker_notes = Value::Text("x".repeat(1_000_000));
    let world = World::new(30, 1).with_facts_file(&facts);
    let queue = Queue::open(&world.store, &Arc::new(world.plan.clone()), SHARD, &good.config).await.unwrap();
    let recorded = recorded(&world.store, &world.plan, SHARD).await.unwrap();
    let pace = Pace::new(Duration::from_mins(1), CancellationToken::new());
    let (sender, chunks) = async_channel::unbounded();
    feed(queue, &pace, &recorded, 500, sender).await.unwrap();
    let mut numbers = Vec::new();
    while let Ok(chunk) = chunks.recv().await {
        assert!((1..=5).contains(&chunk.len()), "{} rows of 1 MB each at once", chunk.len());
        assert!(chunk.iter().all(|(_, facts)| facts.is_some()));
        numbers.extend(chunk.iter().map(|(row, _)| row.number));
    }
    assert_eq!(numbers, (1..=30).rev().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_queue_whose_read_broke_off_is_read_on_from_where_it_was() {
    let world = World::new(60, 1);
    world.run_blobs.break_reads(FaultKind::Unavailable);
    let config = Case::good().config;
    let queue = Queue::open(&world.store, &Arc::new(world.plan.clone()), SHARD, &config).await.unwrap();
    let recorded = recorded(&world.store, &world.plan, SHARD).await.unwrap();
    let pace = Pace::new(Duration::from_mins(10), CancellationToken::new());
    let (sender, chunks) = async_channel::unbounded();
    let runs = world.run_blobs.clone();
    let mend = async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        runs.mend_reads();
    };
    let (fed, ()) = tokio::join!(feed(queue, &pace, &recorded, 25, sender), mend);
    fed.unwrap();
    let mut numbers = Vec::new();
    while let Ok(chunk) = chunks.recv().await {
        numbers.extend(chunk.iter().map(|(row, _)| row.number));
    }
    assert_eq!(numbers, (1..=60).rev().collect::<Vec<_>>());
}
