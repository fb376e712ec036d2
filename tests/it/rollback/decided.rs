//! What the run store keeps of decisions and of malpractice rules, in memory: which of several counts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rogo_migrate::{
    domain::{AttemptId, SkipCode},
    run::{Decided, RolledBack, decisions, enforcements, names},
};
use serde_json::{Value, json};

use crate::support::{
    fakes::attempt,
    world::{World, instant},
};

fn decided(at: DateTime<Utc>, reason: &str) -> Decided {
    let (by, decision) = ("a person".into(), "a decision".into());
    Decided { at, by, reason: reason.into(), decision, attempts: 1 }
}

#[tokio::test]
async fn a_result_says_the_decisions_that_were_made_before_it_and_no_later_ones() {
    let world = World::new(4, 1);
    let (early, late) = (instant(10), instant(30));
    for (number, at) in [(1, early), (2, late)] {
        decisions::accept(&world.store, &decided(at, "lost"), &[attempt(number)]).await.unwrap();
    }
    // One of them twice: a rollback left it at first.
    for (id, number, at) in [("a", 3, early), ("b", 3, late), ("c", 3, early), ("d", 4, early)] {
        let (plan, attempts) = (world.plan.id.clone(), Some(vec![attempt(number)]));
        let document = RolledBack { plan, decided: decided(at, "wrong"), attempts };
        world.store.create(&names::rolled_back_attempts(id), &document).await.unwrap();
    }
    let all: [(AttemptId, SkipCode); 4] = [
        (attempt(1), SkipCode::DeletedInTarget),
        (attempt(2), SkipCode::DeletedInTarget),
        (attempt(3), SkipCode::RolledBack),
        (attempt(4), SkipCode::RolledBack),
    ];
    let early = [all[0], all[2], all[3]];
    for (at, expected) in [(9, &[][..]), (10, &early), (29, &early), (30, &all)] {
        let settled = decisions::settled(&world.store, instant(at)).await.unwrap();
        assert_eq!(settled, expected.iter().copied().collect::<BTreeMap<_, _>>(), "{at}");
    }
    for (at, expected) in [(9, Some(late)), (10, Some(late)), (29, Some(late)), (30, None)] {
        let since = decisions::rolled_back_since(&world.store, instant(at)).await.unwrap();
        assert_eq!(since, expected, "{at}");
    }
}

#[tokio::test]
async fn the_log_tells_decisions_in_their_order() {
    let world = World::new(1, 1);
    for (second, reason) in [(20, "second"), (30, "third")] {
        decisions::log(&world.store, &decided(instant(second), reason)).await.unwrap();
    }
    decisions::log_once(&world.store, "of-a-job", &decided(instant(10), "first")).await.unwrap();
    decisions::log_once(&world.store, "of-a-job", &decided(instant(40), "again")).await.unwrap();
    let log = world.run_blobs.text(&format!("rogo/{}", names::DECISIONS)).unwrap();
    let reasons: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].clone()).collect();
    assert_eq!(reasons, ["first", "second", "third"]);
}

#[tokio::test]
async fn of_the_images_of_a_rule_the_newest_counts_and_none_is_kept_twice_in_a_row() {
    let world = World::new(1, 1);
    // An id that holds the other's, with more images at first.
    for limit in [70, 71, 72] {
        enforcements::keep(&world.store, "rule.json", &json!({"limit": limit})).await.unwrap();
    }
    for limit in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11] {
        enforcements::keep(&world.store, "rule", &json!({"limit": limit})).await.unwrap();
    }
    enforcements::keep(&world.store, "rule", &json!({"limit": 0})).await.unwrap();
    let images = enforcements::images(&world.store).await.unwrap();
    assert_eq!((&images["rule"], &images["rule.json"]), (&json!({"limit": 0}), &json!({"limit": 72})));
    let mut expected: Vec<String> = (0..=12).map(|n| names::enforcement_image("rule", n)).collect();
    expected.extend((0..=2).map(|n| names::enforcement_image("rule.json", n)));
    expected.sort();
    let mut kept = world.store.list(names::ENFORCEMENT_IMAGES).await.unwrap();
    kept.sort();
    assert_eq!(kept, expected);
}
