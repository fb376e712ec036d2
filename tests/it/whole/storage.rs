//! Whole runs over storage as it may be: large files, and a server whose certificate has expired.

use md5::{Digest, Md5};

use crate::{
    crash::no_orphans_and_nothing_missing,
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
        blob_service::{Blob, BlobService, Habit},
        tls::{Before, expired_server},
    },
};

fn digest(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// The bytes of every source file.
fn sample_files(sample: &Sample) -> Vec<Vec<u8>> {
    let mut reader = csv::Reader::from_path(sample.path("files.csv")).unwrap();
    reader.records().map(|file| std::fs::read(sample.path(&file.unwrap()[0])).unwrap()).collect()
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
    let mut files: Vec<[u8; 16]> = sample_files(&sample).iter().map(|file| digest(file)).collect();
    files.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored, files, "the bytes are the sources'");
}

#[tokio::test]
async fn a_service_that_copies_by_itself_is_asked_once_a_file_whatever_its_size() {
    let service = BlobService::start(&[Habit::Copies]).await;
    let source = format!("{}/source", service.endpoint());
    let sample = Sample::in_folder(3, 81, |options| {
        options.plain = true;
        options.file_bytes = "8500000-9000000".parse().unwrap();
        options.source_url = Some(source.parse().unwrap());
    });
    let sample = sample.await;
    let mut files: Vec<[u8; 16]> = Vec::new();
    for file in csv::Reader::from_path(sample.path("files.csv")).unwrap().records() {
        let file = file.unwrap();
        let bytes = std::fs::read(sample.path(&file[0])).unwrap();
        files.push(digest(&bytes));
        let content_type = "application/octet-stream".to_owned();
        service.insert("source", &file[1], Blob { bytes, content_type, ..Blob::default() });
    }
    let mut app = TestApp::new(&sample).await;
    for (name, value) in [
        ("ROGO_SOURCE_ALLOW", source),
        ("ROGO_TARGET", "az://files".into()),
        ("ROGO_RUN_STORE", format!("file://{}/runs", app.out.path().display())),
        ("SOURCE_STORAGE_CONNECTION_STRING", service.connection_string()),
        ("AZURE_STORAGE_CONNECTION_STRING", service.connection_string()),
    ] {
        app.set(name, value);
    }
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

/// No retry of the finalizer could remove them, so that its Job would fail for a run that is complete.
#[tokio::test]
async fn blobs_that_a_policy_of_the_target_container_keeps_are_a_warning_of_a_complete_run() {
    let service = BlobService::start(&[Habit::IsImmutable]).await;
    let sample = Sample::with(2, 82, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let runs = app.out.path().join("runs");
    app.set("ROGO_TARGET", "az://files");
    app.set("ROGO_RUN_STORE", format!("file://{}", runs.display()));
    app.set("AZURE_STORAGE_CONNECTION_STRING", service.connection_string());
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    // As a killed process leaves them.
    let writers = std::fs::read_dir(runs.join("rogo/writers")).unwrap().map(|file| file.unwrap().path());
    let clean: Vec<_> =
        writers.filter(|path| path.extension().is_some_and(|extension| extension == "clean")).collect();
    let [clean] = clean.as_slice() else { panic!("{clean:?}") };
    let writer = clean.file_stem().unwrap().to_str().unwrap();
    std::fs::remove_file(clean).unwrap();
    service.insert("files", &format!("LTI_Uploads/{writer}/77_1_Ada_Quill.pdf"), Blob::default());

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

/// Azure Storage drops dots at the end of a name without a word: the blob of a committed row stands under another name.
#[tokio::test]
async fn a_sweep_leaves_the_blob_of_a_row_whose_name_the_service_stores_without_its_dots() {
    let service = BlobService::start(&[Habit::DropsDots]).await;
    let sample = Sample::with(3, 83, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let runs = app.out.path().join("runs");
    app.set("ROGO_TARGET", "az://files");
    app.set("ROGO_RUN_STORE", format!("file://{}", runs.display()));
    app.set("AZURE_STORAGE_CONNECTION_STRING", service.connection_string());
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let committed = service.names("files");
    let rows = "select count(*) from submission_files where azure_blob_name like '%/%/%'";
    assert_eq!(app.database.number(rows).await, i64::try_from(committed.len()).unwrap());
    let dotted = &committed[0];
    let sql = format!(
        "update submission_files set azure_blob_name = azure_blob_name || '..' where azure_blob_name = '{dotted}'"
    );
    app.database.run(&sql).await;

    // Its process was killed, and left a blob that no row names.
    let writer = dotted.split('/').nth(1).unwrap();
    std::fs::remove_file(runs.join(format!("rogo/writers/{writer}.clean"))).unwrap();
    service.insert("files", &format!("LTI_Uploads/{writer}/77_1_left.pdf"), Blob::default());
    let ended = app.run(&["finalize"]).await.expect(0);
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(
        (&summary["result"], &summary["orphans_removed"]),
        (&"COMPLETE".into(), &1.into()),
        "{ended:?}"
    );
    assert_eq!(service.names("files"), committed);
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
