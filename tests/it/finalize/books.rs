//! The books: what is missing is named, and nothing is called complete before its time.

use rogo_migrate::{
    domain::{FailCode, Outcome},
    exit::Exit,
    finalize::books::NextLines,
    settings::HelmRelease,
    watch::rerun::Rerun,
};

use crate::support::world::{TRY_A, TRY_B, World, failed, migrated, skipped};

const RERUN: &str = "rogo-migrate resume --run rogo --run-store az://runs";
const NEXT: NextLines<'static> = NextLines { rerun: RERUN, redo: "move them", accept: "accept it" };

#[tokio::test]
async fn a_complete_run_balances_and_keeps_its_queues_until_it_is_verified_or_purged() {
    let world = World::new(3, 2);
    world.run_blobs.insert("rogo/queues/ffffffffffff/0", "left by a killed plan\n");
    let queues = |world: &World| -> Vec<String> {
        let names = world.run_blobs.names();
        names.into_iter().filter(|name| name.contains("/queues/") || name.contains("/facts/")).collect()
    };
    let before = queues(&world);
    world.record(TRY_A, &[migrated(1, 1), failed(2, 1, FailCode::NoFiles), skipped(3, 1)]).await;
    let totals = world.finalize().await.unwrap();
    assert!(totals.incomplete(&world.store, NEXT).is_none());
    assert_eq!((totals.rows, totals.books.rows(), totals.rows_missing()), (3, 3, 0));
    assert_eq!((totals.books.files, totals.books.bytes), (3, 300));
    assert_eq!(queues(&world), before, "redo reads them");
}

#[tokio::test]
async fn missing_rows_make_it_incomplete_and_are_named_with_their_shards_and_the_command() {
    let world = World::new(10, 2);
    let outcomes: Vec<Outcome> =
        (1..=10).filter(|row| ![1, 3, 7].contains(row)).map(|row| migrated(row, 1)).collect();
    world.record(TRY_A, &outcomes).await;
    let totals = world.finalize().await.unwrap();
    let stop = totals.incomplete(&world.store, NEXT).unwrap();
    assert_eq!(stop.exit, Exit::Incomplete);
    assert_eq!(
        stop.message,
        "INCOMPLETE: 3 of 10 rows have no outcome, in 1 shard(s): 1\n  \
           shard 1: 3 row(s): 1, 3, 7\n\
         when the cause is mended, run them again: rogo-migrate resume --run rogo --run-store az://runs"
    );
    assert_eq!(totals.rows, totals.books.rows() + totals.rows_missing());
    assert_eq!(world.result("migrated.csv").lines().count(), 8);
    assert!(
        world.run_blobs.names().iter().any(|name| name.contains("/queues/")),
        "the shard needs its queue"
    );
}

#[tokio::test]
async fn several_incomplete_shards_share_one_command_and_ranges_are_joined() {
    let world = World::new(100, 2);
    world.mark_done(1);
    let totals = world.finalize().await.unwrap();
    let message = totals.incomplete(&world.store, NEXT).unwrap().message;
    assert!(
        message.contains("shard 0: 50 row(s): 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 40 more"),
        "{message}"
    );
    assert!(message.contains("in 2 shard(s): 0-1\n"), "{message}");
    let release = HelmRelease {
        name: "r".into(),
        namespace: "ns".into(),
        chart: "charts/rogo-migrate".into(),
        values_prefix: String::new(),
    };
    let in_cluster = totals
        .incomplete(
            &world.store,
            NextLines {
                rerun: &Rerun::Helm(release).command(world.store.run(), &totals.incomplete_shards()),
                ..NEXT
            },
        )
        .unwrap()
        .message;
    assert!(
        in_cluster.ends_with(
            "\nwhen the cause is mended, run them again: helm upgrade r charts/rogo-migrate --namespace ns \
             --reset-then-reuse-values --set-literal shards.only=0-1"
        ),
        "{in_cluster}"
    );
    assert!(message.contains("remove memory://run/rogo/done/1.json too"), "{message}");

    let world = World::new(100, 1);
    let totals = world.finalize().await.unwrap();
    assert_eq!(totals.missing[0].to_string(), "shard 0: 100 row(s): 1-100");
}

#[tokio::test]
async fn rows_that_went_missing_after_the_queues_are_gone_are_still_counted() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(1, 1), migrated(2, 1)]).await;
    assert!(world.finalize().await.unwrap().missing.is_empty());
    world.run_blobs.remove("rogo/segments/0/aaaaaaaaaaaa-00000000.jsonl");
    let queue = world.run_blobs.names().into_iter().find(|name| name.contains("/queues/")).unwrap();
    world.run_blobs.remove(&queue);
    let totals = world.finalize().await.unwrap();
    assert_eq!(totals.missing[0].to_string(), "shard 0: 2 row(s) (its queue is gone)");
}

#[tokio::test]
async fn outcomes_of_another_shards_rows_are_no_outcome_of_this_shard() {
    let world = World::new(4, 2);
    world.record(TRY_B, &[migrated(4, 1), migrated(2, 1)]).await;
    // Row 3 belongs to shard 1.
    world.put_segment("0123456789ab", 0, &[migrated(3, 1)]);
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(stop.message.contains("holds outcomes of rows that are not the shard's"), "{stop}");
    assert!(world.results().is_empty());

    // Nor if they are as many as the shard lacks: row 2 would be neither recorded nor missing.
    let world = World::new(4, 2);
    world.record(TRY_B, &[migrated(4, 1)]).await;
    world.put_segment("0123456789ab", 0, &[failed(3, 1, FailCode::NoFiles)]);
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration, "{stop}");
    assert!(stop.message.contains("holds outcomes of rows that are not the shard's"), "{stop}");
}

#[test]
fn counts_that_do_not_add_up_to_the_plans_rows_are_a_bug_and_never_a_result() {
    let world = World::new(3, 1);
    let mut books = rogo_migrate::domain::Books::default();
    for row in 1..=2 {
        books.count(&migrated(row, 1).fate);
    }
    let stop = rogo_migrate::finalize::books::balance(&world.plan, &books, &[], 0).unwrap_err();
    assert_eq!(stop.exit, Exit::Bug);
    assert!(
        stop.message
            .contains("2 migrated + 0 failed + 0 skipped + 0 lost + 0 missing are not the plan's 3 rows"),
        "{stop}"
    );
    books.count(&skipped(3, 1).fate);
    rogo_migrate::finalize::books::balance(&world.plan, &books, &[], 0).unwrap();
}

#[tokio::test]
async fn a_row_of_which_another_runs_submission_stands_is_lost_and_one_without_files_is_not() {
    let world = World::new(3, 1);
    world.register(TRY_A);
    world.record(TRY_A, &[migrated(3, 1), migrated(2, 1), migrated(1, 1)]).await;
    world.target.name_blob("rogo_1_x", "LTI_Uploads/aaaaaaaaaaaa/1_1_essay.pdf");
    world.target.name_blob("rogo_2_x", "LTI_Uploads/cccccccccccc/2_1_essay.pdf");
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.lost.rows, totals.lost.of_another_run, totals.books.migrated), (1, 1, 2));
}

#[tokio::test]
async fn a_writer_of_another_run_is_asked_for_once_however_many_rows_and_files_name_it() {
    let world = World::new(40, 1);
    world.register(TRY_A);
    let outcomes: Vec<Outcome> = (1..=40).map(|row| migrated(row, 1)).collect();
    world.record(TRY_A, &outcomes).await;
    for row in 1..=12 {
        for file in 1..=3 {
            let writer = ["cccccccccccc", "dddddddddddd"][row % 2];
            let blob = format!("LTI_Uploads/{writer}/{row}_{file}_essay.pdf");
            world.target.name_blob(&format!("rogo_{row}_x"), &blob);
        }
    }
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.lost.rows, totals.lost.of_another_run, totals.books.migrated), (12, 12, 28));
    for writer in ["cccccccccccc", "dddddddddddd"] {
        let asked = format!("run: head rogo/writers/{writer}.json");
        assert_eq!(world.journal.count(&asked), 1, "{:#?}", world.journal.entries());
    }
}
