//! Whole runs over storage as it may be: large files, and a server whose certificate has expired.

use md5::{Digest, Md5};

use crate::{
    crash::no_orphans_and_nothing_missing,
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
        blob_service::{Blob, BlobService, Habit, app_in, sample_in},
        tls::{Before, expired_server},
    },
};

fn digest(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// The MD5 of every source file.
fn digests(sample: &Sample) -> Vec<[u8; 16]> {
    sample.files().iter().map(|(path, _)| digest(&std::fs::read(sample.path(path)).unwrap())).collect()
}

#[tokio::test]
async fn files_beyond_one_request_go_in_parts_and_arrive_as_they_were() {
    let sample = Sample::with(2, 78, |options| {
        options.plain = true;
        options.file_bytes = "8500000-9000000".parse().unwrap();
    });
    let sample = sample.await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let outcomes = app.outcomes();
    assert!(outcomes.values().all(|(kind, _)| kind == "migrated") && outcomes.len() == 2, "{outcomes:?}");
    no_orphans_and_nothing_missing(&app).await;
    let azurite = Azurite::shared().await;
    let mut stored = Vec::new();
    for blob in app.blobs().await {
        let bytes = azurite.read(&app.container, &blob.name).await;
        assert!(bytes.len() > 8 * 1024 * 1024, "{} bytes", bytes.len());
        assert_eq!(blob.md5, Some(digest(&bytes)), "its stored MD5 is its bytes'");
        stored.push(digest(&bytes));
    }
    let mut files = digests(&sample);
    files.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored, files, "the bytes are the sources'");
}

#[tokio::test]
async fn a_service_that_copies_by_itself_is_asked_once_a_file_whatever_its_size() {
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, 3, 81, |options| {
        options.plain = true;
        options.file_bytes = "8500000-9000000".parse().unwrap();
    })
    .await;
    let mut files = digests(&sample);
    let app = app_in(&service, &sample).await;
    app.run(&["plan"]).await.expect(0);
    let before = service.requests().len();
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let asked = service.requests().split_off(before);
    app.run(&["finalize"]).await.expect(0);

    let of = |method: &str, place: &str| {
        let names = |(own, target): &&(String, String)| own == method && target.starts_with(place);
        asked.iter().filter(names).count()
    };
    let from = "/acc/source/";
    let copies = of("PUT", "/acc/files/LTI_Uploads/") + of("PUT", "/acc/files/Marker_files/");
    assert_eq!((of("GET", from), of("HEAD", from), copies), (0, 0, files.len()), "{asked:?}");
    let outcomes = app.outcomes();
    assert!(outcomes.values().all(|(kind, _)| kind == "migrated") && outcomes.len() == 3, "{outcomes:?}");
    let mut stored = Vec::new();
    for name in service.names("files") {
        let blob = service.blob("files", &name).unwrap();
        assert!(
            blob.bytes.len() > 8 * 1024 * 1024
                && blob.metadata.iter().any(|(name, _)| name == "x-ms-meta-writer")
        );
        stored.push(digest(&blob.bytes));
    }
    let named =
        app.database.number("select count(*) from submission_files where azure_blob_name like '%/%/%'");
    assert_eq!(named.await, i64::try_from(stored.len()).unwrap());
    files.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored, files, "the bytes are the sources'");
}

/// An app whose rows are moved to the container `files` of this service, but for the finalizer.
async fn moved<'s>(service: &BlobService, sample: &'s Sample) -> TestApp<'s> {
    moved_in(service, TestApp::without_cluster(sample).await).await
}

/// The same of an app whose plan may have several shards: those of the first.
async fn moved_in<'s>(service: &BlobService, mut app: TestApp<'s>) -> TestApp<'s> {
    app.set("ROGO_TARGET", "az://files");
    app.set("ROGO_RUN_STORE", format!("file://{}/runs", app.out.path().display()));
    app.set("AZURE_STORAGE_CONNECTION_STRING", service.connection_string());
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app
}

/// Makes its process one that was killed and left a blob of this name, which no row names; the writer.
fn killed(service: &BlobService, app: &TestApp<'_>, left: &str) -> String {
    let names = service.names("files");
    let writer = names.iter().find_map(|name| name.strip_prefix("LTI_Uploads/")?.split('/').next());
    let writer = writer.unwrap().to_owned();
    let writers = app.out.path().join("runs/rogo/writers");
    let of_writers = std::fs::read_dir(&writers).unwrap().map(|file| file.unwrap().file_name());
    let clean: Vec<_> = of_writers.filter(|name| name.to_string_lossy().ends_with(".clean")).collect();
    assert_eq!(clean, [format!("{writer}.clean").as_str()], "one process wrote, and ended in order");
    std::fs::remove_file(writers.join(&clean[0])).unwrap();
    service.insert("files", &format!("LTI_Uploads/{writer}/{left}"), Blob::default());
    writer
}

/// No retry of the finalizer could remove them, so that its Job would fail for a run that is complete.
#[tokio::test]
async fn blobs_that_a_policy_of_the_target_container_keeps_are_a_warning_of_a_complete_run() {
    let service = BlobService::start(&[Habit::IsImmutable]).await;
    let sample = Sample::with(2, 82, |options| options.plain = true).await;
    let app = moved(&service, &sample).await;
    let writer = killed(&service, &app, "77_1_Ada_Quill.pdf");

    for _ in 0..2 {
        let ended = app.run(&["finalize"]).await.expect(0);
        let warning = "1 blobs of killed processes, which no row names, stay in the target container: ";
        assert!(ended.stdout.contains(warning), "{}", ended.stdout);
        assert!(!ended.stdout.contains("Quill") && !ended.stderr.contains("Quill"));
        let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
        assert_eq!((&summary["result"], &summary["orphans_removed"]), (&"COMPLETE".into(), &0.into()));
        assert_eq!(summary["warnings"][0]["code"], "orphans_kept");
        assert_eq!(summary["orphans_kept"], serde_json::json!([format!("LTI_Uploads/{writer}/77_1_…")]));
    }
}

/// The application has put a path in front of every name: no blob can be told from an orphan.
async fn rename(app: &TestApp<'_>) {
    let names = "update submission_files set azure_blob_name = 'uploads/' || azure_blob_name where azure_blob_name not like \
                 'uploads/%'";
    app.database.run(names).await;
}

#[tokio::test]
async fn a_sweep_that_fails_is_told_by_the_log_the_summary_the_exit_code_and_status_until_one_succeeds() {
    let service = BlobService::start(&[]).await;
    let sample = Sample::with(4, 84, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_SHARDS", "2");
    let app = moved_in(&service, app).await;
    let writer = killed(&service, &app, "77_1_Ada_Quill.pdf");
    let orphan = format!("LTI_Uploads/{writer}/77_1_Ada_Quill.pdf");
    rename(&app).await;
    let cause = "not one names a blob of this run";
    let warned = || {
        let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
        let warning = summary["warnings"][0].clone();
        assert_eq!(warning["code"], "sweep_failed", "{summary}");
        assert!(warning["detail"].as_str().unwrap().contains(cause), "{warning}");
        summary["result"].as_str().unwrap().to_owned()
    };

    // Beside rows without an outcome.
    let incomplete = app.run(&["finalize"]).await.expect(69);
    let says =
        "blobs that killed processes left could not be removed either: target database: of 2 looked-up rows";
    assert!(incomplete.stderr.contains(says), "{}", incomplete.stderr);
    assert!(
        incomplete.stderr.contains("WARN") && incomplete.stderr.contains("the results stand"),
        "{}",
        incomplete.stderr
    );
    assert_eq!(warned(), "INCOMPLETE");
    let status = app.run(&["status"]).await.expect(69);
    assert!(status.stdout.contains("blobs that killed processes left may still be in"), "{}", status.stdout);

    // Every row has an outcome.
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    rename(&app).await;
    for _ in 0..2 {
        let ended = app.run(&["finalize"]).await.expect(75);
        assert!(ended.stderr.contains(cause) && ended.stderr.contains("to try again: "), "{}", ended.stderr);
        assert_eq!(warned(), "COMPLETE");
        assert!(service.blob("files", &orphan).is_some());
        let status = app.run(&["status"]).await.expect(75);
        assert!(
            status.stdout.contains("blobs that killed processes left may still be in"),
            "{}",
            status.stdout
        );
        let next = status.stdout.lines().last().unwrap();
        assert!(next.starts_with("next: rogo-migrate finalize --run rogo "), "{next}");
        let page = app.result("report.html");
        assert!(page.contains("Warning sweep_failed: ") && !page.contains("Quill"));
    }

    app.database.run("update submission_files set azure_blob_name = substr(azure_blob_name, 9)").await;
    app.run(&["finalize"]).await.expect(0);
    assert!(service.blob("files", &orphan).is_none());
    assert!(!app.result("summary.json").contains("sweep_failed"));
    let status = app.run(&["status"]).await.expect(0);
    assert!(!status.stdout.contains("killed processes"), "{}", status.stdout);
}

/// Azure Storage drops dots at the end of a name without a word: the blob of a committed row stands under another name.
#[tokio::test]
async fn a_sweep_leaves_the_blob_of_a_row_whose_name_the_service_stores_without_its_dots() {
    let service = BlobService::start(&[Habit::DropsDots]).await;
    let sample = Sample::with(3, 83, |options| options.plain = true).await;
    let app = moved(&service, &sample).await;
    let committed = service.names("files");
    let rows = "select count(*) from submission_files where azure_blob_name like '%/%/%'";
    assert_eq!(app.database.number(rows).await, i64::try_from(committed.len()).unwrap());
    let dotted = &committed[0];
    let sql = format!(
        "update submission_files set azure_blob_name = azure_blob_name || '..' where azure_blob_name = '{dotted}'"
    );
    app.database.run(&sql).await;

    killed(&service, &app, "77_1_left.pdf");
    let ended = app.run(&["finalize"]).await.expect(0);
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(
        (&summary["result"], &summary["orphans_removed"]),
        (&"COMPLETE".into(), &1.into()),
        "{ended:?}"
    );
    assert_eq!(service.names("files"), committed);
}

/// Data Lake Storage: a listing names directories too, and these stay when their blobs are gone.
#[tokio::test]
async fn a_run_is_kept_on_a_hierarchical_namespace_from_its_plan_to_its_purge() {
    let service = BlobService::start(&[Habit::HasDirectories]).await;
    let sample = sample_in(&service, 6, 84, |options| options.plain = true).await;
    let mut app = app_in(&service, &sample).await;
    app.set("ROGO_RUN_STORE", "az://runs/store");
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let outcomes = app.outcomes();
    assert!(outcomes.values().all(|(kind, _)| kind == "migrated") && outcomes.len() == 6, "{outcomes:?}");
    app.run(&["finalize"]).await.expect(0);
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
    app.run(&["verify", "--recheck", "0s", "--level", "blobs"]).await.expect(0);

    let held = |folder: &str| {
        let names = service.names("runs");
        names.iter().filter(|name| name.starts_with(&format!("store/rogo/{folder}/"))).count()
    };
    assert!(held("queues") > 0 && held("segments") > 0, "{:?}", service.names("runs"));
    app.run(&["purge", "--yes", "--reason", "retention"]).await.expect(0);
    assert_eq!(held("queues"), 0, "{:?}", service.names("runs"));
    assert!(service.names("runs").contains(&"store/rogo/purged.json".to_owned()));
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
}

#[tokio::test]
async fn storage_whose_certificate_has_expired_is_refused_before_the_first_row() {
    let sample = Sample::with(2, 79, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let (address, pem) = expired_server(app.out.path(), Before::Nothing).await;
    let azurite = Azurite::shared().await;
    let expired = azurite
        .connection_string()
        .replace(&format!("http://{}", azurite.address()), &format!("https://{address}"));
    app.set("AZURE_STORAGE_CONNECTION_STRING", expired);
    app.set("SSL_CERT_FILE", pem);
    app.set("ROGO_GIVE_UP_AFTER", "2s");
    let ended = app.run(&["run"]).await;
    assert!(matches!(ended.code, Some(75 | 78)), "{ended:?}");
    assert!(ended.stderr.contains("certificate") && ended.stderr.contains("xpired"), "{}", ended.stderr);
    assert_eq!(
        app.database.number("select count(*) from lti_session_records where launch_id like 'rogo\\_%'").await,
        0
    );
}
