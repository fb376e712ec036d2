//! What the copy stage promises when bytes are streamed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use azure_storage_blob::models::BlockBlobClientUploadOptions;
use bytes::Bytes;
use futures_util::future::join_all;
use rogo_migrate::{
    domain::{FileKind, PlannedFile},
    ports::{Blobs, CopiedFile, Fault, FaultKind, PutOptions, Source},
    report::events::Way,
    shard::copy::{Budget, Copier},
};
use url::Url;

use super::{azure, bytes_of, folder, md5, noise, open, source};
use crate::support::{
    azurite::Azurite,
    fakes::{InMemoryTarget, Journal},
    http_stub::{HttpStub, Response},
};

pub fn planned(source: Url) -> PlannedFile {
    PlannedFile {
        kind: FileKind::Learner,
        upload_order: 1,
        source,
        name: "f.pdf".into(),
        file_type: "pdf".into(),
        file_mime_type: "application/pdf",
        content_type: "application/pdf".into(),
        uploaded_by: None,
        listed: None,
    }
}

/// A copier whose process is never retired.
pub fn copier(target: Arc<dyn Blobs>, source: Arc<dyn Source>, budget: Budget) -> Copier {
    Copier::new(target, source, budget, Arc::new(InMemoryTarget::new(Journal::default())))
}

pub fn metadata(own: &str) -> Vec<(String, String)> {
    vec![("attemptId".into(), "7".into()), ("writer".into(), own.into())]
}

pub async fn copy(target: &Arc<dyn Blobs>, source: Arc<dyn Source>, url: &Url) -> Result<CopiedFile, Fault> {
    let copier = self::copier(target.clone(), source, Budget::new());
    copied(&copier, &planned(url.clone()), "LTI_Uploads/t1/7_1_f.pdf", metadata("t1")).await
}

/// As a worker copies: by the storage service if it may be able to, else streamed.
pub async fn copied(
    copier: &Copier,
    file: &PlannedFile,
    name: &str,
    metadata: Vec<(String, String)>,
) -> Result<CopiedFile, Fault> {
    if copier.way(file) == Way::ServerSide
        && let Some(copied) = copier.copy(Way::ServerSide, file, name, metadata.clone()).await?
    {
        return Ok(copied);
    }
    Ok(copier.copy(Way::Streamed, file, name, metadata).await?.expect("a streamed file is copied or fails"))
}

#[tokio::test]
async fn files_of_every_size_arrive_whole_and_proven() {
    let azurite = Azurite::shared().await;
    let from = azurite.container().await;
    let target = azure().await;
    let copier = self::copier(target.clone(), source(Some(&azurite.connection_string())), Budget::new());
    for length in [0, 1, 100_000, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_000] {
        let bytes = noise(length);
        let name = format!("file-{length}");
        azurite.put(&from, &name, bytes.clone()).await;
        let file = planned(azurite.url(&from, &name));
        let done = copied(&copier, &file, &name, metadata("t1")).await.unwrap();
        assert_eq!((done.size_bytes, done.md5_proven), (length as u64, true), "{length}");
        assert_eq!((done.url, done.blob_name), (target.url(&name), name.clone()));
        let reader = target.get(&name).await.unwrap().unwrap();
        assert!(bytes_of(reader).await.unwrap() == bytes, "{length}");
        let info = target.head(&name).await.unwrap().unwrap();
        assert_eq!((info.md5, info.content_type.as_deref()), (Some(md5(&bytes)), Some("application/pdf")));
        assert_eq!(info.metadata.len(), 2);
    }
}

#[tokio::test]
async fn a_blob_that_is_compressed_is_copied_byte_for_byte() {
    let azurite = Azurite::shared().await;
    let from = azurite.container().await;
    // A gzip stream of "hello".
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0,
        0, 0,
    ];
    // The other one goes in parts.
    for (name, bytes) in [("small", Bytes::copy_from_slice(&gzip)), ("large", noise(9 * 1024 * 1024))] {
        let options = BlockBlobClientUploadOptions {
            blob_content_encoding: Some("gzip".into()),
            ..BlockBlobClientUploadOptions::default()
        };
        azurite.put_with(&from, name, bytes.clone(), options).await;
        let target = azure().await;
        let source = source(Some(&azurite.connection_string()));
        let done = copy(&target, source, &azurite.url(&from, name)).await.unwrap();
        let reader = target.get(&done.blob_name).await.unwrap().unwrap();
        assert_eq!(reader.info.content_encoding.as_deref(), Some("gzip"), "{name}");
        assert!(bytes_of(reader).await.unwrap() == bytes, "{name}");
    }
}

#[tokio::test]
async fn a_local_file_is_copied_and_a_missing_one_told_without_its_name() {
    let sources = tempfile::tempdir().unwrap();
    std::fs::write(sources.path().join("a b.pdf"), b"local").unwrap();
    let place = tempfile::tempdir().unwrap();
    let target = folder(place.path());
    let url = Url::from_file_path(sources.path().join("a b.pdf")).unwrap();
    let done = copy(&target, source(None), &url).await.unwrap();
    assert_eq!((done.size_bytes, done.md5_proven), (5, true));
    assert_eq!(std::fs::read(place.path().join(&done.blob_name)).unwrap(), b"local");
    let url = Url::from_file_path(sources.path().join("gone.pdf")).unwrap();
    let fault = copy(&target, source(None), &url).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    let said = fault.chain();
    assert!(said.contains("a file in file://") && said.contains("no such file"), "{said}");
    assert!(!said.contains("gone.pdf"), "a file's name may be a learner's: {said}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_settled_by_the_blob_itself() {
    let azurite = Azurite::shared().await;
    let from = azurite.container().await;
    for length in [100_usize, 9 * 1024 * 1024] {
        let target = azure().await;
        let name = length.to_string();
        azurite.put(&from, &name, noise(length)).await;
        let url = azurite.url(&from, &name);
        let source = source(Some(&azurite.connection_string()));
        let first = copy(&target, source.clone(), &url).await.unwrap();
        let again = copy(&target, source.clone(), &url).await.unwrap();
        assert_eq!(first, again);
        let copier = self::copier(target.clone(), source, Budget::new());
        let stranger = copied(&copier, &planned(url), &first.blob_name, metadata("t2")).await;
        assert_eq!(stranger.unwrap_err().kind, FaultKind::Exists);
    }
}

#[tokio::test]
async fn our_own_blob_with_other_bytes_is_not_taken_for_the_copy() {
    let sources = tempfile::tempdir().unwrap();
    let path = sources.path().join("f");
    let url = Url::from_file_path(&path).unwrap();
    let target = azure().await;
    std::fs::write(&path, b"one").unwrap();
    copy(&target, source(None), &url).await.unwrap();
    std::fs::write(&path, b"two").unwrap();
    assert_eq!(copy(&target, source(None), &url).await.unwrap_err().kind, FaultKind::Exists);
}

#[tokio::test]
async fn a_wrong_md5_of_the_source_leaves_no_copy() {
    for length in [10, 9 * 1024 * 1024] {
        let stub_md5 = "AAAAAAAAAAAAAAAAAAAAAA==";
        let stub = HttpStub::start(move |_, _| {
            Response::new(200).header("etag", "e").header("content-md5", stub_md5).zeros(length)
        })
        .await;
        let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
        let place = tempfile::tempdir().unwrap();
        for target in [azure().await, folder(place.path())] {
            let fault = copy(&target, source(None), &url).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Corrupt, "{fault}");
            assert!(fault.to_string().contains("/box/f should have the MD5"), "{fault}");
            assert!(target.head("LTI_Uploads/t1/7_1_f.pdf").await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn a_target_that_has_another_md5_than_was_sent_keeps_no_copy() {
    const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
    let sources = tempfile::tempdir().unwrap();
    std::fs::write(sources.path().join("f"), b"abc").unwrap();
    let to = HttpStub::start(|request, _| match request.method.as_str() {
        "DELETE" => Response::new(202),
        _ => Response::new(201).header("content-md5", OTHER),
    })
    .await;
    let string = format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}", to.endpoint);
    let target = open(&string, "box", "").unwrap();
    let url = Url::from_file_path(sources.path().join("f")).unwrap();
    let fault = copy(&target, source(None), &url).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Corrupt, "{fault}");
    let methods: Vec<String> = to.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["PUT", "DELETE"]);
}

#[tokio::test]
async fn a_body_shorter_than_it_says_is_never_stored() {
    let stub = HttpStub::start(|_, _| {
        Response::new(200).header("content-length", "50").body(vec![1; 20]).cut_at(20)
    })
    .await;
    let target = azure().await;
    let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
    let fault = copy(&target, source(None), &url).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    assert!(target.head("LTI_Uploads/t1/7_1_f.pdf").await.unwrap().is_none());
}

#[tokio::test]
async fn undo_removes_exactly_the_receipts_blobs() {
    let target = azure().await;
    target.put("other", Bytes::from_static(b"x"), &PutOptions::create("text/plain")).await.unwrap();
    let sources = tempfile::tempdir().unwrap();
    let path = sources.path().join("f");
    std::fs::write(&path, b"one").unwrap();
    let file = planned(Url::from_file_path(&path).unwrap());
    let copier = self::copier(target.clone(), source(None), Budget::new());
    let done = copier.begin(["t/1", "t/2", "t/3"].map(str::to_owned).to_vec());
    copied(&copier, &file, "t/1", metadata("t")).await.unwrap();
    copied(&copier, &file, "t/2", metadata("t")).await.unwrap();
    done.undo().await.unwrap();
    assert!(target.head("t/1").await.unwrap().is_none() && target.head("t/2").await.unwrap().is_none());
    assert!(target.head("other").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_is_copied_in_bounded_memory() {
    const SIZE: u64 = 1024 * 1024 * 1024;
    let budget = Budget::new();
    let all = budget.free_bytes();
    let lowest = Arc::new(AtomicUsize::new(all));
    let from = HttpStub::start(|_, _| Response::new(200).header("etag", "e").zeros(SIZE)).await;
    let (watched, seen) = (budget.clone(), lowest.clone());
    let to = HttpStub::start(move |request, _| {
        seen.fetch_min(watched.free_bytes(), Ordering::Relaxed);
        Response::new(if request.header("x-ms-copy-source").is_some() { 501 } else { 201 })
    })
    .await;
    let string = format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}", to.endpoint);
    let target = open(&string, "box", "").unwrap();
    let copier = self::copier(target, source(None), budget.clone());
    let file = planned(format!("{}/box/f", from.endpoint).parse().unwrap());
    let done = copied(&copier, &file, "f", metadata("t")).await.unwrap();
    assert_eq!((done.size_bytes, done.md5_proven), (SIZE, true));
    assert_eq!(all - lowest.load(Ordering::Relaxed), 8 * 1024 * 1024, "one part at a time");
    assert_eq!(budget.free_bytes(), all);
    let requests = to.requests();
    let parts: Vec<_> = requests
        .iter()
        .filter(|request| request.target.contains("blockid=") && request.body_bytes > 0)
        .collect();
    assert_eq!(parts.len(), 128);
    assert!(parts.iter().all(|part| part.body_bytes == 8 * 1024 * 1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copies_of_all_workers_hold_no_more_than_the_budget_of_the_process() {
    const SIZE: u64 = 16 * 1024 * 1024;
    let from = HttpStub::start(|_, _| Response::new(200).header("etag", "e").zeros(SIZE)).await;
    // So slow that every part that may be read waits for its answer.
    let to = HttpStub::start(|request, _| match request.header("x-ms-copy-source") {
        Some(_) => Response::new(501),
        None => Response::new(201).after(Duration::from_millis(500)),
    })
    .await;
    let string = format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}", to.endpoint);
    let target = open(&string, "box", "").unwrap();
    let file = planned(format!("{}/box/f", from.endpoint).parse().unwrap());
    let first = copier(target.clone(), source(None), Budget::new());
    let fence = Arc::new(InMemoryTarget::new(Journal::default()));
    let second = first.another(target, source(None), fence);
    let copies = (0..12).map(|n| {
        let (copier, file) = (if n % 2 == 0 { &first } else { &second }, &file);
        async move { copied(copier, file, &format!("f{n}"), metadata("t")).await.unwrap().size_bytes }
    });
    assert_eq!(join_all(copies).await, [SIZE; 12]);
    let most = to.most_body_bytes();
    // All of the budget, and no part more; the lists of parts are some bytes.
    assert_eq!(most / (1024 * 1024), 64, "{most} bytes were held at one time");
}
