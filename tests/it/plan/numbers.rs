//! Numbers on their way from the warehouse through the plan's facts files: bit by bit what they were.

use proptest::prelude::*;
use rogo_migrate::{
    domain::{ShardIndex, Value},
    run::facts::FactsReader,
};

use super::World;

/// A plan of one row for each mark; the marks as a shard reads them.
async fn read_back(marks: &[f64]) -> Vec<(Value, Value)> {
    let attempts: Vec<String> = (1..=marks.len()).map(|attempt| attempt.to_string()).collect();
    let rows: Vec<_> = attempts.iter().map(|attempt| (attempt.as_str(), "")).collect();
    let mapping: Vec<_> = attempts.iter().map(|attempt| (attempt.as_str(), "24", "Attempt 1")).collect();
    let mut world = World::new(&rows, &mapping);
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.marks = (1..).zip(marks.iter().copied()).collect();
    let plan = world.make().await.unwrap().plan;
    let mut reader = FactsReader::open(&world.store(), &plan, ShardIndex(0)).await.unwrap().unwrap();
    let mut read = Vec::new();
    for row in world.queue(&plan, 0).await {
        let facts = reader.of(row.attempt.unwrap()).await.unwrap();
        read.push((facts.reports[0].marks_achieved.clone(), facts.scores[0].score.clone()));
    }
    read.reverse();
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_number_read_from_a_facts_file_is_the_warehouses_to_the_last_bit(
        marks in prop::collection::vec(prop_oneof![
            prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
            0.0..100.0_f64,
        ], 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let read = runtime.block_on(read_back(&marks));
        prop_assert_eq!(read.len(), marks.len());
        for (mark, (achieved, score)) in marks.iter().zip(read) {
            for value in [achieved, score] {
                let Value::Number(number) = value else { panic!("{value:?}") };
                prop_assert_eq!(number.to_bits(), mark.to_bits(), "{} became {}", mark, number);
            }
        }
    }
}
