//! The receipt of a run: one root, whichever processes moved the rows; another one if anything that was moved is another.

use rogo_migrate::run::{Summary, receipts::Receipts};

use crate::{
    crash::submissions,
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
        process::until,
    },
};

pub(crate) fn receipts(app: &TestApp<'_>) -> Receipts {
    serde_json::from_str::<Summary>(&app.result("summary.json")).unwrap().receipts.unwrap()
}

/// A second target that the rows cannot tell from the first one.
pub(crate) async fn beside<'sample>(app: &TestApp<'sample>) -> TestApp<'sample> {
    let mut other = TestApp::new(app.sample).await;
    other.set("ROGO_TARGET", app.variable("ROGO_TARGET"));
    other
}

#[tokio::test]
async fn the_root_is_the_same_in_one_process_and_in_eight_shards_after_kills() {
    let sample = Sample::with(120, 41, |options| options.file_bytes = "100-2000".parse().unwrap()).await;
    let one = TestApp::new(&sample).await;
    one.run(&["run"]).await.expect(0);
    let expected = receipts(&one);
    assert_eq!((expected.count, expected.shards.len(), expected.version), (120, 1, 1));

    let mut eight = beside(&one).await;
    eight.set("KUBECONFIG", "/nonexistent");
    let arguments = ["run", "--shards", "8", "--parallelism", "4"];
    for rows in [5, 25] {
        let mut process = eight.start(&arguments);
        until("rows stand", || async { submissions(&eight).await > rows }).await;
        process.kill().await.unwrap();
    }
    eight.run(&arguments).await.expect(0);
    let found = receipts(&eight);
    assert_eq!(found.shards.len(), 8);
    assert_eq!(Receipts { shards: Vec::new(), ..found }, Receipts { shards: Vec::new(), ..expected.clone() });

    let again = eight.run(&["finalize"]).await.expect(0);
    assert!(again.stdout.contains(&expected.root.to_string()), "{}", again.stdout);

    // A row that the database lost is moved again by another process, and is the same row.
    let whole = receipts(&eight);
    let migrated = eight.migrated();
    for lost in [0, 7, migrated.len() - 1] {
        eight.lose(&migrated[lost]).await;
    }
    eight.run(&["finalize"]).await.expect(69);
    assert_ne!(receipts(&eight).root, whole.root, "the rows are lost");
    eight.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    assert_eq!(receipts(&eight), whole);
}

#[tokio::test]
async fn a_changed_cell_file_byte_failed_row_or_setting_changes_the_root() {
    let small = |options: &mut rogo_migrate::sample::SampleOptions| {
        options.plain = true;
        options.file_bytes = "10".parse().unwrap();
    };
    let sample = Sample::with(6, 42, small).await;
    let base = TestApp::new(&sample).await;
    base.run(&["run"]).await.expect(0);
    let expected = receipts(&base);

    // Nothing but the rows enters a shard's digest.
    let attempt = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap().records().nth(2);
    let attempt = attempt.unwrap().unwrap()[4].to_owned();
    let edited = |file: &str, column: &str, value: &str| {
        let mut reader = csv::Reader::from_path(sample.path(file)).unwrap();
        let header = reader.headers().unwrap().clone();
        let place = header.iter().position(|name| name == column).unwrap();
        let copy = sample.path(&format!("changed-{file}"));
        let mut writer = csv::Writer::from_path(&copy).unwrap();
        writer.write_record(&header).unwrap();
        for record in reader.records().map(Result::unwrap) {
            let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
            if cells.contains(&attempt) {
                value.clone_into(&mut cells[place]);
            }
            writer.write_record(cells).unwrap();
        }
        writer.flush().unwrap();
        copy.display().to_string()
    };
    let cell = edited("submission_files.csv", "Course Title", "Another Course");
    let mapping = edited("attempt_number_mapping.csv", "Unit Code Version", "");
    for (name, value) in [
        ("ROGO_SUBMISSIONS", cell),
        ("ROGO_MAPPING", mapping),
        ("ROGO_ASSIGNMENT_TITLE", "Another Area".to_owned()),
        ("ROGO_CONSUMER_KEY", "another-key".to_owned()),
    ] {
        let mut app = beside(&base).await;
        app.set(name, value);
        app.run(&["run"]).await.expect(0);
        let found = receipts(&app);
        assert_eq!(found.count, expected.count, "{name}");
        assert_ne!(found.root, expected.root, "{name}");
        assert_ne!(found.shards, expected.shards, "{name}");
    }

    spoil_one_byte(&base).await;
    let app = beside(&base).await;
    app.run(&["run"]).await.expect(0);
    let found = receipts(&app);
    assert_ne!(found.root, expected.root, "one byte of one file");
    assert_ne!(found.shards, expected.shards, "one byte of one file");
    assert_eq!(
        (found.submissions, found.mapping, found.settings, found.program),
        (expected.submissions, expected.mapping, expected.settings, expected.program)
    );
}

/// Changes one byte of one source file of the sample, whose length stays.
async fn spoil_one_byte(app: &TestApp<'_>) {
    let (container, azurite) = (&app.sample.source, Azurite::shared().await);
    let (_, name) = app.sample.files().swap_remove(0);
    let mut bytes = azurite.read(container, &name).await;
    bytes[0] ^= 1;
    azurite.put(container, &name, bytes).await;
}
