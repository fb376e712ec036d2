//! What the processes of a verification share: who merges, and whose state is removed. And what comes up between its two looks.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rogo_migrate::{
    domain::Level,
    run::{
        VerifyBeat,
        verifying::{Claim, Joined, Subject, Verifying},
    },
};
use serde_json::Value;

use super::{by_attempt, corruptions::in_folders, small};
use crate::support::{
    app::Sample,
    process::{ended, said},
    world::{World, instant},
};

/// Joins as the process of `shard`, of a verification that reads this part of the files.
async fn join(world: &World, content: &str, shard: &str) -> (Verifying, Joined) {
    join_in_job(world, content, shard, "").await
}

async fn join_in_job(world: &World, content: &str, shard: &str, job: &str) -> (Verifying, Joined) {
    let subject = Subject { content: content.into(), job: job.into(), ..subject(world) };
    join_as(world, subject, shard).await
}

fn subject(world: &World) -> Subject {
    Subject {
        plan: world.plan.id.clone(),
        result: "root".into(),
        rows: 4,
        level: Level::Content,
        content: String::new(),
        settings: Vec::new(),
        lacks: Vec::new(),
        program: "p".into(),
        job: String::new(),
    }
}

async fn join_as(world: &World, subject: Subject, shard: &str) -> (Verifying, Joined) {
    Verifying::join(world.store.clone(), subject, shard.into()).await.unwrap()
}

/// The documents of all states whose names end so.
fn documents(world: &World, end: &str) -> Vec<String> {
    let is_of_states = |name: &String| name.contains("/verifying/") && name.ends_with(end);
    world.run_blobs.names().into_iter().filter(is_of_states).collect()
}

fn beat(at: DateTime<Utc>) -> VerifyBeat {
    let (shard, host, state) = ("0/2".into(), "here".into(), String::new());
    VerifyBeat { shard, host, at, rows: 0, rows_unwritten: 0, rows_per_second: 0.0, state }
}

#[tokio::test]
async fn one_process_merges_and_loses_its_claim_only_when_it_shows_no_life() {
    let world = World::new(4, 1);
    let ((first, _), (second, _)) = (join(&world, "", "0/2").await, join(&world, "", "1/2").await);
    let theirs = Claim::Theirs("0/2".into());
    assert_eq!(first.claim().await.unwrap(), Claim::Ours);
    assert_eq!(second.claim().await.unwrap(), theirs, "it has just begun");
    // It has merged for long.
    let name = documents(&world, "/merging.json").remove(0);
    let mut merging: Value = serde_json::from_str(&world.run_blobs.text(&name).unwrap()).unwrap();
    merging["at"] = instant(0).to_rfc3339().into();
    world.run_blobs.insert(&name, merging.to_string());
    first.beat(&beat(Utc::now())).await.unwrap();
    assert_eq!(second.claim().await.unwrap(), theirs, "it is at work");
    first.beat(&beat(instant(0))).await.unwrap();
    assert_eq!(second.claim().await.unwrap(), Claim::Ours, "it is not at work any more");
    assert_eq!(first.claim().await.unwrap(), Claim::Theirs("1/2".into()));
}

#[tokio::test]
async fn the_state_of_another_part_of_the_files_stays_until_its_verification_is_over() {
    let world = World::new(4, 1);
    let (other, _) = join(&world, "1/2", "0/1").await;
    other.write_part(0, &"what was found").await.unwrap();
    let (_, joined) = join(&world, "2/2", "0/1").await;
    assert_eq!(joined.discarded, [""; 0]);
    assert_eq!(documents(&world, "/subject.json").len(), 2);
    assert_eq!(documents(&world, "/parts/00000.json").len(), 1, "it is resumed later");
    assert_eq!(other.claim().await.unwrap(), Claim::Ours);
    other.merged().await.unwrap();
    let (_, joined) = join(&world, "2/2", "0/1").await;
    assert_eq!(joined.discarded, [""; 0]);
    assert_eq!(documents(&world, ".json").len(), 1, "only its own subject");
}

/// The clock of its machine may be behind, or far ahead.
#[tokio::test]
async fn the_state_of_a_process_that_may_be_at_work_is_left_alone_and_later_discarded() {
    let world = World::new(4, 1);
    let (other, _) = join_in_job(&world, "1/2", "0/1", "another Job").await;
    other.write_part(0, &"what was found").await.unwrap();
    for (minutes, stays) in [(-9, true), (24 * 60, true), (-11, false)] {
        other.beat(&beat(Utc::now() + TimeDelta::minutes(minutes))).await.unwrap();
        let (_, joined) = join_in_job(&world, "", "0/1", "a Job").await;
        // True of a heartbeat that is far ahead, too.
        let left =
            "(its last heartbeat is younger than 10 min, or of a clock that is ahead), and it is left alone";
        let said = if stays { left } else { "is discarded" };
        assert!(joined.discarded.iter().any(|told| told.contains(said)), "{minutes}: {:?}", joined.discarded);
        assert_eq!(documents(&world, "/parts/00000.json").len(), usize::from(stays), "{minutes}");
    }
}

type Change<'c> = &'c dyn Fn(Subject) -> Subject;

/// None of its processes shows life: each has ended, or is to be started again.
#[tokio::test]
async fn a_state_stays_that_other_processes_of_the_verification_go_on_with() {
    let [result, lacks, job] = ["another", "without warehouse", "a Job"].map(str::to_owned);
    let lacking = |subject: Subject| Subject { lacks: vec![lacks.clone()], ..subject };
    let of_another_result = |subject: Subject| Subject { result: result.clone(), ..subject };
    let in_job = |subject: Subject| Subject { job: job.clone(), ..subject };
    let in_newer_job = |subject: Subject| Subject { job: "a newer one".into(), ..subject };
    let of = |world: &World| subject(world);
    let same: Change<'_> = &|subject| subject;
    let cases: [(&str, Change<'_>, Change<'_>, bool); 7] = [
        ("of a process that could read more", same, &lacking, true),
        ("of a process that could read less", &lacking, same, true),
        ("of pods that met another result", &in_job, &|subject| in_job(of_another_result(subject)), true),
        ("of the pods of a Job, beside one by hand", &in_job, same, true),
        ("of another result, by hand", &of_another_result, same, false),
        ("of an earlier Job", &in_job, &in_newer_job, false),
        (
            "of a Job of another plan",
            &|subject| in_job(Subject { plan: "fedcba987654".parse().unwrap(), ..subject }),
            same,
            false,
        ),
    ];
    for (name, theirs, own, stays) in cases {
        let world = World::new(4, 1);
        let (other, _) = join_as(&world, theirs(of(&world)), "0/2").await;
        other.write_part(0, &"what was found").await.unwrap();
        let (_, joined) = join_as(&world, own(of(&world)), "1/2").await;
        assert_eq!(documents(&world, "/parts/00000.json").len(), usize::from(stays), "{name}");
        let said = if stays { ": it is kept" } else { ": it is discarded" };
        assert!(joined.discarded.len() == 1 && joined.discarded[0].contains(said), "{name}: {joined:?}");
    }
}

#[tokio::test]
async fn a_part_that_ended_is_known_to_the_others_until_it_is_at_work_again() {
    let world = World::new(4, 1);
    let of = |result: &str, lacks: &[&str]| {
        let (result, lacks) = (result.to_owned(), lacks.iter().map(ToString::to_string).collect());
        Subject { result, lacks, job: "a Job".into(), ..subject(&world) }
    };
    let (first, _) = join_as(&world, of("one", &[]), "0/3").await;
    let (second, _) = join_as(&world, of("another", &[]), "1/3").await;
    let (third, _) = join_as(&world, of("another", &["without warehouse"]), "2/3").await;
    let ended = async || third.ended_parts().await.unwrap().into_iter().collect::<Vec<_>>();
    first.part_ended().await.unwrap();
    second.part_ended().await.unwrap();
    assert_eq!(ended().await, ["0/3", "1/3"]);
    // Started again, it meets the other result.
    let (first, _) = join_as(&world, of("another", &[]), "0/3").await;
    assert_eq!(ended().await, ["1/3"]);
    first.part_ended().await.unwrap();
    second.part_goes_on().await.unwrap();
    assert_eq!(ended().await, ["0/3"]);
    let (of_another_job, _) = join_in_job(&world, "", "2/3", "another Job").await;
    assert!(of_another_job.ended_parts().await.unwrap().is_empty());
}

/// The others know that it has ended, although what it compared beside the earlier result is gone.
#[tokio::test]
async fn that_a_part_ended_beside_an_earlier_result_stays_known_by_hand_until_the_results_stand() {
    let world = World::new(4, 1);
    let of_another_result = || Subject { result: "another".into(), ..subject(&world) };
    let (first, _) = join_as(&world, subject(&world), "0/2").await;
    first.write_part(0, &"what was found").await.unwrap();
    first.part_ended().await.unwrap();
    let (second, joined) = join_as(&world, of_another_result(), "1/2").await;
    assert!(joined.discarded.len() == 1 && joined.discarded[0].contains(": it is discarded"), "{joined:?}");
    assert_eq!(documents(&world, "/parts/00000.json"), [""; 0]);
    second.write_part(1, &"what was found").await.unwrap();
    assert!(second.is_elsewhere("0/2").await.unwrap(), "it reads nothing for this state");
    let open = second.end_part((1, 2), 2).await.unwrap().unwrap();
    assert_eq!((open.partitions, open.never), (1, vec!["0/2".to_owned()]));

    let (second, joined) = join_as(&world, of_another_result(), "1/2").await;
    assert_eq!(joined.discarded, [""; 0], "there is nothing more to discard");
    assert_eq!(second.claim().await.unwrap(), Claim::Ours);
    second.merged().await.unwrap();
    assert_eq!(documents(&world, "/subject.json").len(), 1, "{:?}", documents(&world, ""));
    assert_eq!(documents(&world, "/ended/0-of-2.json"), [""; 0]);
}

/// Three parts in two states. Of a part that ends because it meets the end of another one, the next one has to know by hand: no process
/// is left that could merge. A Job starts it again.
#[tokio::test]
async fn each_part_that_ends_by_hand_while_no_process_is_left_to_merge_names_those_to_start_again() {
    for (job, never) in [("", &["1/3"][..]), ("a Job", &[])] {
        let world = World::new(4, 1);
        let of = |lacks: &[&str]| {
            let lacks = lacks.iter().map(ToString::to_string).collect();
            Subject { lacks, job: job.into(), ..subject(&world) }
        };
        let ends = async |process: &Verifying, index: usize| {
            process.write_part(index, &"what was found").await.unwrap();
            process.end_part((index, 3), 3).await.unwrap().map(|open| open.never)
        };
        let (third, _) = join_as(&world, of(&[]), "2/3").await;
        let (first, _) = join_as(&world, of(&[]), "0/3").await;
        assert_eq!(ends(&first, 0).await, Some(Vec::new()), "the others are at work");
        let (second, _) = join_as(&world, of(&["without warehouse"]), "1/3").await;
        assert_eq!(ends(&second, 1).await.unwrap(), ["0/3"], "{job:?}");
        assert_eq!(ends(&third, 2).await.unwrap(), never, "{job:?}");
        // Part 0 is started again, as it was said, and reads what it read before.
        let (first, _) = join_as(&world, of(&[]), "0/3").await;
        assert_eq!(ends(&first, 0).await.unwrap(), never, "{job:?}");
        let (second, _) = join_as(&world, of(&[]), "1/3").await;
        assert_eq!(ends(&second, 1).await, None, "all is compared: it merges");
        assert_eq!(second.claim().await.unwrap(), Claim::Ours);
    }
}

/// What was compared where less could be read says nothing more once all was compared, and not the other way round.
#[tokio::test]
async fn results_take_the_place_of_what_was_compared_where_less_could_be_read() {
    for (lacks, own, beats, stays) in [
        (&["without warehouse"][..], &[][..], false, false),
        (&["without warehouse"], &[], true, true),
        (&[], &["without warehouse"], false, true),
        (&["without inputs"], &["without warehouse"], false, true),
    ] {
        let world = World::new(4, 1);
        let lacking = |lacks: &[&str]| Subject {
            lacks: lacks.iter().map(ToString::to_string).collect(),
            ..subject(&world)
        };
        let (other, _) = join_as(&world, lacking(lacks), "0/1").await;
        other.write_part(0, &"what was found").await.unwrap();
        if beats {
            other.beat(&beat(Utc::now())).await.unwrap();
        }
        let (this, _) = join_as(&world, lacking(own), "0/1").await;
        assert_eq!(documents(&world, "/parts/00000.json").len(), 1, "{lacks:?}, then {own:?}");
        assert_eq!(this.claim().await.unwrap(), Claim::Ours);
        this.merged().await.unwrap();
        let left = documents(&world, "/parts/00000.json").len();
        assert_eq!(left, usize::from(stays), "{lacks:?}, then {own:?}, {beats}");
    }
}

/// The first part reads for all of its own state only.
#[tokio::test]
async fn a_part_that_works_on_another_state_reads_nothing_for_this_one() {
    let world = World::new(4, 1);
    let (first, _) = join(&world, "", "0/2").await;
    let (second, _) = join(&world, "", "1/2").await;
    first.beat(&beat(Utc::now())).await.unwrap();
    assert!(!second.is_elsewhere("0/2").await.unwrap(), "it works on this one");
    let lacking = Subject { lacks: vec!["without warehouse".into()], ..subject(&world) };
    let (second, _) = join_as(&world, lacking, "1/2").await;
    assert!(second.is_elsewhere("0/2").await.unwrap());
    assert!(!second.is_elsewhere("0/3").await.unwrap(), "of another number of parts");
    first.beat(&beat(instant(0))).await.unwrap();
    assert!(!second.is_elsewhere("0/2").await.unwrap(), "it shows no life");
}

/// Another process merges, and removes the partitions, while this part asks which of them are open.
#[tokio::test]
async fn a_part_that_ends_while_another_one_merges_goes_on_to_its_result() {
    let world = World::new(4, 1);
    let ((first, _), (second, _)) = (join(&world, "", "0/2").await, join(&world, "", "1/2").await);
    for (own, all, removed, is_merged, what) in [
        (&[1][..], 2, &["1"][..], true, "its own partitions are gone"),
        (&[1], 2, &["1"], false, "the next verification has begun"),
        (&[], 1, &[], true, "it has none of its own"),
    ] {
        first.part_ended().await.unwrap();
        for part in own {
            second.write_part(*part, &"what was found").await.unwrap();
        }
        let blobs = world.run_blobs.clone();
        world.run_blobs.fail(Some(Arc::new(move |verb, name| {
            if let Some((folder, _)) = name.split_once("/ended/").filter(|_| verb == "put") {
                if is_merged {
                    blobs.insert(&format!("{folder}/merged.json"), r#"{"at": "2026-01-01T00:00:00Z"}"#);
                }
                for part in removed {
                    blobs.remove(&format!("{folder}/parts/0000{part}.json"));
                }
            }
            None
        })));
        assert_eq!(second.end_part((1, 2), all).await.unwrap(), None, "{what}");
        world.run_blobs.fail(None);
        assert_eq!(documents(&world, "/ended/1-of-2.json"), [""; 0], "{what}");
        assert_eq!(second.is_merged().await.unwrap(), is_merged, "{what}");
        for name in documents(&world, "/merged.json") {
            world.run_blobs.remove(&name);
        }
    }
}

#[tokio::test]
async fn what_first_differs_at_the_second_look_is_not_reported() {
    let sample = Sample::in_folder(12, 43, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let attempt = app.migrated().remove(0);
    let of_attempt = format!("split_part(lti_launch_id, '_', 2) = '{attempt}'");
    let sql = "update submission_grades set is_complete = false where submission_id =
        (select id from assignment_submissions where {})";
    app.database.run(&sql.replace("{}", &of_attempt)).await;
    let arguments = ["verify", "--recheck", "3s", "--log", "info"];
    let mut verify = app.command_as(&app.database.verifiers_url(), &arguments).spawn().unwrap();
    said(&mut verify, "differences are looked at again").await;
    app.database.run(&format!("update assignment_submissions set email = '' where {of_attempt}")).await;
    ended(&mut verify).await.expect(1);
    let found = by_attempt(&app).remove(&attempt).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["grade_complete", "receipt_unchanged"]);
}
