//! What becomes of a row, of its blobs, and of the process's word that it left none.

use rogo_migrate::{
    domain::{FailCode, Fate, Migrated, NoteCode, ReceiptFrom, SkipCode, SubmissionIds},
    ports::{FaultKind, HeldSubmission},
};

use crate::support::{
    fakes::{Strike, attempt},
    rows::Case,
    world::{TRY_A, TRY_B, World},
};

/// Under which the row of attempt 1 is written.
fn launch_id() -> String {
    SubmissionIds::new(&Case::good().config.lms_instance, attempt(1)).launch_id()
}

/// A submission of attempt 1 whose one file was uploaded by `writer`.
fn written_by(writer: &str) -> HeldSubmission {
    HeldSubmission {
        launch_id: launch_id(),
        submission_id: Some("the submission".into()),
        session_record_id: Some("the session".into()),
        blob_names: vec![format!("LTI_Uploads/{writer}/1_1_essay.docx")],
        files: 1,
        shown_bytes: vec![314_572],
        ..HeldSubmission::default()
    }
}

/// Whether the process says that it left no blobs which no row names.
fn is_clean(world: &World) -> bool {
    world.run_blobs.names().contains(&format!("rogo/writers/{TRY_A}.clean"))
}

#[track_caller]
fn failed_as(fate: &Fate) -> FailCode {
    let Fate::Failed { code, .. } = fate else { panic!("{fate:?}") };
    *code
}

#[track_caller]
fn is_recovered(fate: &Fate) -> bool {
    let Fate::Migrated(migrated) = fate else { panic!("{fate:?}") };
    migrated.recovered
}

#[tokio::test]
async fn a_recovered_row_whose_blob_is_gone_says_so() {
    let world = World::new(1, 1);
    world.register(TRY_B);
    world.target.stand(written_by(TRY_B));
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    let Fate::Migrated(migrated) = &outcomes[&1] else { panic!("{outcomes:?}") };
    assert!(migrated.recovered);
    let codes: Vec<NoteCode> = migrated.notes.iter().map(|note| note.code).collect();
    assert!(codes.contains(&NoteCode::FileBlobMissing), "{codes:?}");
    assert_eq!(migrated.bytes, 314_572, "the length that the application shows");
    assert!(codes.contains(&NoteCode::ChangedSince), "it has one file of three: {codes:?}");

    let world = World::new(1, 1);
    world.register(TRY_B);
    let written = written_by(TRY_B);
    world.files.insert(&written.blob_names[0], "essay");
    world.target.stand(written);
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    let Fate::Migrated(migrated) = &outcomes[&1] else { panic!("{outcomes:?}") };
    assert!(migrated.notes.iter().all(|note| note.code != NoteCode::FileBlobMissing), "{migrated:?}");
}

#[tokio::test]
async fn a_recovered_row_whose_blob_name_was_changed_to_none_that_storage_takes_says_so() {
    let world = World::new(1, 1);
    world.register(TRY_B);
    let mut written = written_by(TRY_B);
    world.files.insert(&written.blob_names[0], "essay");
    written.blob_names.push(String::new());
    world.target.stand(HeldSubmission { files: 2, ..written });
    world.files.fail(Some(std::sync::Arc::new(|verb, name| {
        (verb == "head" && name.is_empty()).then_some(FaultKind::NameRefused)
    })));
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    let Fate::Migrated(migrated) = &outcomes[&1] else { panic!("{outcomes:?}") };
    let codes: Vec<NoteCode> = migrated.notes.iter().map(|note| note.code).collect();
    assert!(migrated.recovered && codes.contains(&NoteCode::FileBlobMissing), "{codes:?}");
}

#[tokio::test]
async fn a_recovered_row_says_what_else_of_it_is_not_as_it_is_decided() {
    let recovered = async |world: &World| {
        world.move_shard(TRY_A).await.unwrap();
        let Some(Fate::Migrated(migrated)) = world.outcomes().await.remove(&1) else { panic!("it stands") };
        let codes: Vec<NoteCode> = migrated.notes.iter().map(|note| note.code).collect();
        (codes, migrated.file_receipts.len())
    };
    // Without the blob of one file the receipts of the others would be those of other files.
    let world = left_by_a_killed_process();
    world.files.remove(&format!("LTI_Uploads/{TRY_B}/1_1_essay.docx"));
    assert_eq!(recovered(&world).await, (vec![NoteCode::FileBlobMissing], 0));
    // As many files as are decided, and the rule of another writer stands.
    let world = left_by_a_killed_process();
    let standing = world.target.held_now().remove(&launch_id()).unwrap();
    world.target.stand(HeldSubmission { foreign_enforcement: true, ..standing });
    assert_eq!(recovered(&world).await, (vec![NoteCode::EnforcementKept], 3));
}

/// Where the receipt comes from, and whether what stands has changed since.
fn receipt_of(fate: &Fate) -> (ReceiptFrom, bool) {
    let Fate::Migrated(Migrated { receipt: Some(receipt), notes, .. }) = fate else { panic!("{fate:?}") };
    (receipt.from, notes.iter().any(|note| note.code == NoteCode::ChangedSince))
}

/// The submission of attempt 1 with all three files, as a process that was killed left it.
fn left_by_a_killed_process() -> World {
    let world = World::new(1, 1);
    world.register(TRY_B);
    let mut written = written_by(TRY_B);
    written.blob_names = (1..=3).map(|n| format!("LTI_Uploads/{TRY_B}/1_{n}_essay.docx")).collect();
    written.files = 3;
    for name in &written.blob_names {
        world.files.insert(name, "essay");
    }
    world.target.stand(written);
    world
}

#[tokio::test]
async fn a_recovered_row_has_the_receipt_of_what_it_is_decided_to_be() {
    let world = left_by_a_killed_process();
    world.move_shard(TRY_A).await.unwrap();
    let recovered = world.outcomes().await.remove(&1).unwrap();
    assert_eq!(receipt_of(&recovered), (ReceiptFrom::Decided, false));
    let Fate::Migrated(recovered) = recovered else { unreachable!() };
    assert_eq!(recovered.file_receipts.iter().map(|file| file.bytes).collect::<Vec<_>>(), [5, 5, 5]);
    assert!(recovered.file_receipts.iter().all(|file| file.md5.is_some() && file.sha256.is_none()));
    assert_eq!(recovered.length_only, 3, "the MD5 that a blob stores is what its writer claimed");

    let fresh = World::new(1, 1);
    fresh.move_shard(TRY_A).await.unwrap();
    let Fate::Migrated(sent) = fresh.outcomes().await.remove(&1).unwrap() else { unreachable!() };
    let (sent, recovered) = (sent.receipt.unwrap(), recovered.receipt.unwrap());
    assert_eq!((sent.from, sent.sha256), (ReceiptFrom::Sent, recovered.sha256));
    assert!(sent.transaction.is_some());

    let world = left_by_a_killed_process();
    world.target.change_since(&["submission_grades.final_grade"]);
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(receipt_of(&world.outcomes().await[&1]), (ReceiptFrom::Decided, true));
}

#[tokio::test]
async fn every_row_is_copied_committed_and_recorded_and_the_process_says_that_it_is_clean() {
    let world = World::new(3, 1);
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), [&1, &2, &3]);
    for fate in outcomes.values() {
        let Fate::Migrated(migrated) = fate else { panic!("{fate:?}") };
        assert_eq!((migrated.files, migrated.length_only, migrated.recovered), (3, 0, false));
    }
    let mut named: Vec<String> =
        world.target.held_now().into_values().flat_map(|held| held.blob_names).collect();
    named.sort_unstable();
    assert_eq!(world.files.names(), named, "every blob is named by a row, and every file stands");
    assert_eq!(world.warehouse.asked.lock().unwrap().len(), 3);
    assert!(is_clean(&world));
    let done = world.store.done(&world.plan.id, rogo_migrate::domain::ShardIndex(0)).await.unwrap().unwrap();
    assert_eq!((done.books.migrated, done.books.files, done.writer.as_str()), (3, 9, TRY_A));
}

#[tokio::test]
async fn what_this_run_wrote_is_recovered_and_what_another_wrote_is_skipped() {
    for (writer, is_ours) in [(TRY_B, true), ("cccccccccccc", false)] {
        let world = World::new(1, 1);
        world.register(TRY_B);
        world.files.insert(&format!("LTI_Uploads/{writer}/1_1_essay.docx"), "12345");
        world.target.stand(written_by(writer));
        world.move_shard(TRY_A).await.unwrap();
        match &world.outcomes().await[&1] {
            Fate::Migrated(migrated) => {
                assert!(is_ours && migrated.recovered);
                assert_eq!((migrated.files, migrated.bytes), (1, 5), "as the blobs say");
                // The row has three files now.
                assert_eq!(migrated.receipt.as_ref().unwrap().from, ReceiptFrom::Stored);
                assert_eq!(migrated.session_record_id, "the session");
            }
            fate => assert!(
                !is_ours && matches!(fate, Fate::Skipped { code: SkipCode::AlreadyMigrated, .. }),
                "{fate:?}"
            ),
        }
        assert_eq!(world.journal.count("target: commit"), 0, "nothing is sent");
        assert_eq!(world.files.names().len(), 1, "nothing is copied");
    }
}

#[tokio::test]
async fn a_row_that_came_between_is_told_by_its_writer_and_the_own_copies_go() {
    for (writer, is_ours) in [(TRY_B, true), ("cccccccccccc", false)] {
        let world = World::new(1, 1);
        world.register(TRY_B);
        world.target.come_between(written_by(writer));
        world.move_shard(TRY_A).await.unwrap();
        let fate = &world.outcomes().await[&1];
        match fate {
            Fate::Migrated(_) => {
                assert!(is_ours && is_recovered(fate), "the twin's own outcome stands before this one");
                assert_eq!(receipt_of(fate), (ReceiptFrom::Decided, false));
            }
            fate => assert!(
                !is_ours && matches!(fate, Fate::Skipped { code: SkipCode::AlreadyMigrated, .. }),
                "{fate:?}"
            ),
        }
        assert_eq!(world.files.names(), [""; 0], "no row names the copies of this process");
        assert!(is_clean(&world));
    }
}

#[tokio::test]
async fn a_launch_session_that_stands_alone_refuses_its_row_whenever_it_comes() {
    for comes_between in [false, true] {
        let world = World::new(1, 1);
        let alone = HeldSubmission { launch_id: launch_id(), ..HeldSubmission::default() };
        if comes_between {
            world.target.come_between(alone);
        } else {
            world.target.stand(alone);
        }
        world.move_shard(TRY_A).await.unwrap();
        assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::TargetRejected);
        assert_eq!(world.files.names(), [""; 0]);
        assert_eq!(world.journal.count("target: commit"), usize::from(comes_between));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_whose_commit_took_effect_is_settled_and_only_the_sweep_may_judge_the_blobs() {
    let world = World::new(1, 1);
    world.target.fail_commits(1, Strike::After, &FaultKind::AnswerLost);
    world.move_shard(TRY_A).await.unwrap();
    assert!(!is_recovered(&world.outcomes().await[&1]));
    assert_eq!(world.journal.count("target: commit"), 2, "the same statement again");
    assert_eq!(world.files.names().len(), 3);
    assert!(!is_clean(&world), "what the first statement did was not known");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_after_a_lost_answer_keeps_its_blobs_until_the_sweep() {
    let world = World::new(1, 1);
    world.target.fail_commits(1, Strike::Before, &FaultKind::AnswerLost);
    world.target.fail_commits(1, Strike::Before, &FaultKind::Rejected("a_constraint".into()));
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::TargetRejected);
    assert_eq!(world.files.names().len(), 3, "a first statement may still be under way");
    assert!(!is_clean(&world));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_target_alters_takes_its_blobs_with_it_unless_an_answer_was_lost() {
    for (lost, left, clean) in [(0, 0, true), (1, 3, false)] {
        let world = World::new(1, 1);
        world.target.alter(&["submission_grades.final_grade"]);
        world.target.fail_commits(lost, Strike::Before, &FaultKind::AnswerLost);
        world.move_shard(TRY_A).await.unwrap();
        assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::TargetAltered);
        assert_eq!((world.files.names().len(), is_clean(&world)), (left, clean));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_met_after_a_lost_answer_that_another_writer_committed_keeps_the_own_blobs() {
    let world = World::new(1, 1);
    world.target.fail_commits(1, Strike::Before, &FaultKind::AnswerLost);
    world.target.come_between(written_by("cccccccccccc"));
    world.move_shard(TRY_A).await.unwrap();
    assert!(matches!(&world.outcomes().await[&1], Fate::Skipped { .. }));
    assert_eq!(world.files.names().len(), 3);
    assert!(!is_clean(&world));
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_commit_stood_although_it_was_called_unavailable_keeps_its_blobs() {
    let world = World::new(1, 1);
    world.target.fail_commits(1, Strike::After, &FaultKind::Unavailable);
    world.move_shard(TRY_A).await.unwrap();
    assert!(!is_recovered(&world.outcomes().await[&1]));
    assert_eq!(world.files.names().len(), 3, "they are the row's");
}

#[tokio::test]
async fn a_row_that_is_certainly_refused_takes_its_blobs_with_it() {
    let world = World::new(2, 1);
    world.target.fail_commits(1, Strike::Before, &FaultKind::Rejected("a_constraint".into()));
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    let failed = outcomes.values().filter(|fate| matches!(fate, Fate::Failed { .. })).count();
    assert_eq!((outcomes.len(), failed), (2, 1));
    assert_eq!(world.files.names().len(), 3, "those of the other row");
    assert!(is_clean(&world));
}

#[tokio::test]
async fn a_file_that_is_missing_takes_the_rows_other_files_with_it() {
    let world = World::new(1, 1);
    world.source.fail("_n.pdf", FaultKind::NotFound);
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::FileMissing);
    assert_eq!(world.files.names(), [""; 0]);
    assert_eq!(world.journal.count("target: commit"), 0);
    assert!(is_clean(&world));
}

#[tokio::test]
async fn blobs_that_could_not_be_removed_are_left_to_the_sweep() {
    let world = World::new(1, 1);
    world.source.fail("_n.pdf", FaultKind::NotFound);
    world.files.fail_all("delete", FaultKind::Denied);
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::FileMissing);
    assert!(!is_clean(&world));
}

#[tokio::test(start_paused = true)]
async fn a_put_without_an_answer_may_still_arrive_after_an_undo() {
    let world = World::new(1, 1);
    world.files.fail_puts(1, Strike::Before, &FaultKind::Unavailable);
    world.move_shard(TRY_A).await.unwrap();
    assert!(matches!(&world.outcomes().await[&1], Fate::Migrated(_)));
    assert!(!is_clean(&world));
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_that_refuses_a_put_says_that_nothing_of_it_will_arrive() {
    for (status, clean) in [(400, true), (408, true), (499, true), (500, false), (503, false)] {
        let world = World::new(1, 1);
        world.files.fail_puts(1, Strike::Before, &FaultKind::Unavailable);
        world.files.fail_with(status);
        world.move_shard(TRY_A).await.unwrap();
        assert!(matches!(&world.outcomes().await[&1], Fate::Migrated(_)));
        assert_eq!(is_clean(&world), clean, "{status}");
    }
}

#[tokio::test]
async fn a_bug_that_meets_a_row_costs_this_row_only_and_the_sweep_looks_at_its_blobs() {
    let world = World::new(2, 1);
    world.target.panic_in_commits(true);
    let mut inputs = world.inputs(rogo_migrate::domain::ShardIndex(0), TRY_A).await;
    inputs.breaker = None;
    rogo_migrate::shard::run(inputs).await.unwrap();
    for fate in world.outcomes().await.values() {
        assert_eq!(failed_as(fate), FailCode::InternalError);
        assert!(!format!("{fate:?}").contains("planted-in-a-panic"), "{fate:?}");
    }
    assert!(!is_clean(&world));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_spoilt_on_their_way_once_are_copied_again() {
    let world = World::new(1, 1);
    world.files.spoil(1);
    world.move_shard(TRY_A).await.unwrap();
    assert!(matches!(&world.outcomes().await[&1], Fate::Migrated(_)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_stored_bytes_are_others_fails_its_row_and_is_removed() {
    let world = World::new(1, 1);
    world.files.spoil(u32::MAX);
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(failed_as(&world.outcomes().await[&1]), FailCode::FileCorrupt);
    assert_eq!(world.files.names(), [""; 0]);
    assert_eq!(world.journal.count("target: commit"), 0);
}

#[tokio::test]
async fn a_file_whose_name_the_target_refuses_fails_its_row_at_once_with_a_code_of_its_own() {
    let world = World::new(2, 1);
    world.files.fail(Some(std::sync::Arc::new(|verb, name| {
        (verb == "put" && name.contains("/1_1_")).then_some(FaultKind::NameRefused)
    })));
    world.move_shard(TRY_A).await.unwrap();
    let outcomes = world.outcomes().await;
    assert_eq!(failed_as(&outcomes[&1]), FailCode::FileNameRefused);
    assert!(matches!(outcomes[&2], Fate::Migrated(_)), "{outcomes:?}");
    let refused = format!("files: put LTI_Uploads/{TRY_A}/1_1_");
    assert_eq!(world.journal.count(&refused), 1, "no try is repeated: {:?}", world.journal.entries());
    assert!(!world.files.names().iter().any(|name| name.contains("/1_")), "its other files are removed");
}
