//! The result files: their exact content, the failure CSV as an input, the same bytes again.

use rogo_migrate::{
    domain::{FailCode, Fate, Note, NoteCode, Outcome},
    exit::Exit,
    finalize::{InputRow, InputRows},
};

use crate::support::world::{CsvText, TRY_A, TRY_B, World, failed, migrated, outcome, skipped};

#[tokio::test]
async fn every_file_has_its_columns_and_rows_in_the_inputs_order() {
    let csv = "Attempt ID,Surname,Error\n1,Name 1,\n2x,Name 2,\n3,Name 3,\n4,Name 4,\n";
    let world = World::of_csv(csv.into(), 4, 2);
    let mut noted = migrated(4, 1);
    if let Fate::Migrated(migrated) = &mut noted.fate {
        migrated.notes = vec![Note { code: NoteCode::NamesFromUrl, detail: "2 names, \"3\" URLs".into() }];
    }
    let invalid = Outcome { attempt: None, ..failed(2, 1, FailCode::AttemptIdInvalid) };
    world.record(TRY_A, &[noted, skipped(3, 1), invalid, migrated(1, 1)]).await;
    world.finalize().await.unwrap();
    assert_eq!(
        world.result("migrated.csv"),
        "Attempt ID,Launch ID,Submission ID,Session Record ID,User ID,LTI Context ID\n\
         1,rogo_1_x,submission-1,session-1,guid::user-1,guid::section-1\n\
         4,rogo_4_x,submission-4,session-4,guid::user-4,guid::section-4\n"
    );
    assert_eq!(world.result("skipped.csv"), "Attempt ID,Row,Code,Detail\n3,3,duplicate_row,at 1\n");
    assert_eq!(
        world.result("notes.csv"),
        "Attempt ID,Row,Code,Detail\n4,4,names_from_url,\"2 names, \"\"3\"\" URLs\"\n"
    );
    assert_eq!(
        world.result("submissions_failed_migration.csv"),
        "\u{feff}Attempt ID,Surname,Error\n2x,Name 2,attempt_id_invalid: at 1\n"
    );
}

#[tokio::test]
async fn a_second_finalize_writes_the_same_bytes_and_needs_no_queue() {
    let world = World::new(30, 3);
    world.register(TRY_A);
    let outcomes: Vec<Outcome> = (1..=30)
        .map(|row| match row % 3 {
            0 => migrated(row, 1),
            1 => skipped(row, 1),
            _ => failed(row, 1, FailCode::NoFiles),
        })
        .collect();
    world.record(TRY_B, &outcomes[10..]).await;
    world.record(TRY_A, &outcomes[..20]).await;
    let first = world.finalize().await.unwrap();
    let results = world.results();
    let second = world.finalize().await.unwrap();
    let names: Vec<&str> = results.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 5, "the lists of the results, and the summary: {names:?}");
    assert_eq!(world.results(), results);
    assert_eq!(second.books, first.books);
}

#[tokio::test]
async fn the_failure_csv_keeps_every_cell_and_is_an_input_for_the_next_run() {
    let csv = "\"Sur,name\", Error ,Attempt ID,Extra,\n\
               \"O\"\"Brien\r\n, Jr\",old,1, kept ,=1+2\n\
               Żółć 😀,old,2,,\n\
               \"\",\"\",3,\"a\nb\",x\n";
    let world = World::of_csv(csv.into(), 3, 1);
    let odd = Fate::Failed { code: FailCode::FileUrlForeign, message: "a, \"b\"\nc".into() };
    world.record(TRY_A, &[migrated(2, 1), outcome(1, 1, odd), failed(3, 1, FailCode::NoFiles)]).await;
    world.finalize().await.unwrap();
    let text = world.result("submissions_failed_migration.csv");

    let mut next = CsvText::new(&text);
    assert_eq!(next.header(), ["Sur,name", " Error ", "Attempt ID", "Extra", ""]);
    let first = next.next().await.unwrap().unwrap();
    let texts = |row: InputRow| row.cells.into_iter().map(|cell| cell.text).collect::<Vec<_>>();
    assert_eq!(texts(first), ["O\"Brien\r\n, Jr", "file_url_foreign: a, \"b\"\nc", "1", " kept ", "=1+2"]);
    let second = next.next().await.unwrap().unwrap();
    assert_eq!(texts(second), ["", "no_files: at 1", "3", "a\nb", "x"]);
    assert_eq!(next.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_changed_input_is_refused_and_nothing_is_published_or_deleted() {
    for changed in [
        "Attempt ID,Surname,Error\n1,Other,\n2,Name 2,\n",
        "Attempt ID,Surname,Error\n1,Name 1,\n",
        "Attempt ID,Surname,Error\n2,Name 2,\n1,Name 1,\n",
        "Attempt ID,Surname,Error\n1,Name 1,\n2,Name 2,\n3,Name 3,\n",
    ] {
        let mut world = World::new(2, 1);
        world.register(TRY_A);
        world.files.insert("LTI_Uploads/aaaaaaaaaaaa/orphan", "x");
        world.record(TRY_A, &[failed(1, 1, FailCode::NoFiles), failed(2, 1, FailCode::NoFiles)]).await;
        world.csv = changed.into();
        let stop = world.finalize().await.unwrap_err();
        assert_eq!(stop.exit, Exit::Configuration);
        assert!(stop.message.starts_with("submission_files.csv changed since the run began"), "{stop}");
        assert!(world.results().is_empty());
        assert_eq!(world.files.names(), ["LTI_Uploads/aaaaaaaaaaaa/orphan"]);
    }
}

#[tokio::test]
async fn an_out_folder_that_cannot_be_written_is_named_with_where_the_results_are() {
    let mut world = World::new(1, 1);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    let file = world.out.path().join("file");
    std::fs::write(&file, "x").unwrap();
    world.set_out(file);
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(
        stop.message.contains("the run store holds it: memory://run/rogo/results/migrated.csv"),
        "{stop}"
    );
}

#[tokio::test]
async fn a_failed_row_is_quoted_as_it_came_since_that_tells_a_null_from_the_word() {
    let csv = "Attempt ID,Surname,Error\n1,NULL,\n2,\"NULL\",\n3,\"Name, 3\",\n".to_owned();
    let world = World::of_csv(csv, 3, 1);
    world.record(TRY_A, &[1, 2, 3].map(|row| failed(row, 1, FailCode::NoFiles))).await;
    world.finalize().await.unwrap();
    let text = world.result("submissions_failed_migration.csv");
    let rows = "\n1,NULL,no_files: at 1\n2,\"NULL\",no_files: at 1\n3,\"Name, 3\",no_files: at 1\n";
    assert!(text.ends_with(rows), "{text}");
}
