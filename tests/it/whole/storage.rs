//! Whole runs over storage as it may be: large files, and a server whose certificate has expired.

use md5::{Digest, Md5};

use crate::{
    crash::no_orphans_and_nothing_missing,
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
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
