//! Copies by the storage service of files that the plan has listed, on the wire.

use std::sync::Arc;

use azure_storage_blob::models::BlockBlobClientUploadOptions;
use futures_util::TryStreamExt;
use rogo_migrate::{
    domain::{ListedFile, PlannedFile},
    ports::{BlobInfo, Blobs, CopiedFile, Fault, FaultKind, Service, Source},
    report::events::Way,
    shard::copy::{Budget, Copier},
};
use url::Url;

use super::{
    copy::{copied, copier, metadata, planned},
    md5, open, source,
};
use crate::support::{
    azurite::Azurite,
    blob_service::{Blob, BlobService, Habit},
    http_stub::{HttpStub, Request, Response},
};

const NAME: &str = "LTI_Uploads/t1/7_1_f.pdf";

fn blob(bytes: &[u8]) -> Blob {
    Blob { bytes: bytes.to_vec(), content_type: "text/plain".into(), ..Blob::default() }
}

/// The file as a listing shows it now.
async fn listed(files: &Arc<dyn Source>, url: &Url) -> PlannedFile {
    let pages: Vec<Vec<BlobInfo>> = files.list(url, "").try_collect().await.unwrap();
    let name = url.path_segments().unwrap().next_back().unwrap();
    let info = pages.into_iter().flatten().find(|info| info.name == name).unwrap();
    let hint = ListedFile {
        order: 1,
        size_bytes: info.size_bytes,
        etag: info.etag.unwrap(),
        md5: info.md5,
        content_encoding: info.content_encoding,
    };
    PlannedFile { listed: Some(Box::new(hint)), ..planned(url.clone()) }
}

/// A service that copies, with one file, and a copier from it to its other container.
struct Scene {
    service: BlobService,
    target: Arc<dyn Blobs>,
    copier: Copier,
    file: PlannedFile,
}

impl Scene {
    async fn new(habits: &[Habit], file: Blob) -> Self {
        let service = BlobService::start(habits).await;
        service.insert("source", "f", file);
        let target = open(&service.connection_string(), "files", "").unwrap();
        let files = source(Some(&service.connection_string()));
        let file = listed(&files, &service.url("source", "f")).await;
        let copier = copier(target.clone(), files, Budget::new());
        Self { service, target, copier, file }
    }

    /// Copies the file; the method and container of each request of it.
    async fn copy(&self) -> (Result<CopiedFile, Fault>, Vec<String>) {
        let before = self.service.requests().len();
        let done = copied(&self.copier, &self.file, NAME, metadata("t1")).await;
        let requests = self.service.requests().split_off(before);
        let shown = |(method, target): (String, String)| {
            format!("{method} {}", target.split('/').nth(2).unwrap_or_default())
        };
        (done, requests.into_iter().map(shown).collect())
    }
}

#[tokio::test]
async fn one_request_copies_a_listed_file_on_its_etag_and_with_its_encoding() {
    let packed = Blob { content_encoding: Some("gzip".into()), ..blob(b"packed") };
    let scene = Scene::new(&[Habit::Copies], packed).await;
    let (done, requests) = scene.copy().await;
    let done = done.unwrap();
    assert_eq!(requests, ["PUT files"]);
    assert_eq!((done.size_bytes, done.md5, done.md5_proven), (6, Some(md5(b"packed")), true));
    let stands = scene.service.blob("files", NAME).unwrap();
    assert_eq!((stands.bytes.as_slice(), stands.content_encoding.as_deref()), (&b"packed"[..], Some("gzip")));
    let sent = scene.service.received().pop().unwrap();
    let condition = sent.header("x-ms-source-if-match").unwrap();
    assert!(condition.starts_with("\"0x") && condition.ends_with('"'), "{condition}");
    assert!(sent.header("x-ms-source-content-md5").is_some());
}

#[tokio::test]
async fn a_file_that_was_replaced_since_is_looked_at_once_and_copied_as_it_is_now() {
    let scene = Scene::new(&[Habit::Copies], blob(b"then")).await;
    let packed = Blob { content_encoding: Some("gzip".into()), ..blob(b"and now") };
    scene.service.insert("source", "f", packed);
    let (done, requests) = scene.copy().await;
    let done = done.unwrap();
    assert_eq!(requests, ["PUT files", "HEAD source", "PUT files"]);
    assert_eq!((done.size_bytes, done.md5, done.md5_proven), (7, Some(md5(b"and now")), true));
    let stands = scene.service.blob("files", NAME).unwrap();
    assert_eq!(
        (stands.bytes.as_slice(), stands.content_encoding.as_deref()),
        (&b"and now"[..], Some("gzip"))
    );
}

#[tokio::test]
async fn a_listed_file_that_is_gone_or_refused_is_said_so_by_a_look_and_its_container_is_not_streamed() {
    for refusal in [None, Some((403, "AuthorizationPermissionMismatch")), Some((409, "BlobArchived"))] {
        let scene = Scene::new(&[Habit::Copies], blob(b"x")).await;
        match refusal {
            None => scene.service.remove("source", "f"),
            Some(refusal) => scene.service.refuse_blob("source", "f", refusal),
        }
        let (done, requests) = scene.copy().await;
        let fault = done.unwrap_err();
        let (kind, expected): (_, &[&str]) = match refusal {
            None => (FaultKind::NotFound, &["PUT files", "HEAD source"]),
            // The second look is at a neighbour: whether the whole container is refused.
            Some((403, _)) => (FaultKind::Denied, &["PUT files", "HEAD source", "HEAD source"]),
            Some(_) => (FaultKind::Archived, &["PUT files"]),
        };
        assert_eq!((fault.service, &fault.kind), (Service::SourceBlobs, &kind), "{fault}");
        assert_eq!(requests, expected, "{refusal:?}");
        assert_eq!(scene.copier.way(&scene.file), Way::ServerSide, "{refusal:?}: others may be copied");
    }
}

#[tokio::test]
async fn a_file_that_changes_again_after_the_look_has_changed() {
    let scene = Scene::new(&[Habit::Copies], blob(b"x")).await;
    let to =
        HttpStub::start(|_, _| Response::new(412).header("x-ms-error-code", "SourceConditionNotMet")).await;
    let target =
        open(&format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}", to.endpoint), "box", "");
    let files = source(Some(&scene.service.connection_string()));
    let copier = copier(target.unwrap(), files, Budget::new());
    let fault = copied(&copier, &scene.file, NAME, metadata("t1")).await.unwrap_err();
    assert_eq!((fault.service, &fault.kind), (Service::SourceBlobs, &FaultKind::Changed), "{fault}");
    assert_eq!(to.requests().len(), 2, "by the listing, and by the look");
}

#[tokio::test]
async fn a_service_that_does_not_copy_needs_no_look_at_a_listed_file() {
    let scene = Scene::new(&[], blob(b"streamed")).await;
    let (done, requests) = scene.copy().await;
    assert!(done.unwrap().md5_proven);
    assert_eq!(requests, ["PUT files", "GET source", "PUT files"]);
    assert_eq!(scene.copier.way(&scene.file), Way::Streamed);
}

#[tokio::test]
async fn a_copy_whose_answer_was_lost_is_known_by_the_file_as_it_is_now() {
    let scene = Scene::new(&[Habit::Copies], blob(b"then")).await;
    scene.service.insert("source", "f", blob(b"and now"));
    let own = vec![("x-ms-meta-writer".to_owned(), "t1".to_owned())];
    scene.service.insert("files", NAME, Blob { metadata: own, ..blob(b"and now") });
    let (done, _) = scene.copy().await;
    assert_eq!(
        (done.unwrap().size_bytes, scene.target.list("").try_collect::<Vec<_>>().await.unwrap().len()),
        (7, 1)
    );
}

#[tokio::test]
async fn a_large_file_is_copied_in_blocks_by_its_listing_and_again_if_it_changes_meanwhile() {
    const SIZE: u64 = 256 * 1024 * 1024 + 1;
    for changes in [false, true] {
        let from = HttpStub::start(|_, _| {
            Response::new(200).header("etag", "\"now\"").header("content-length", (SIZE + 1).to_string())
        })
        .await;
        let then = if changes { "\"then\"" } else { "\"now\"" };
        let size = if changes { SIZE + 1 } else { SIZE };
        let to = HttpStub::start(move |request: &Request, _| {
            let is_last =
                request.header("x-ms-source-range").is_some_and(|range| range.starts_with("bytes=268435456"));
            if is_last && request.header("x-ms-source-if-match") == Some("\"then\"") {
                return Response::new(412).header("x-ms-error-code", "SourceConditionNotMet");
            }
            match request.method.as_str() {
                "HEAD" => Response::new(200).header("content-length", size.to_string()),
                _ => Response::new(201),
            }
        })
        .await;
        let target =
            open(&format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}", to.endpoint), "box", "");
        let copier = copier(target.unwrap(), source(None), Budget::new());
        let hint =
            ListedFile { order: 1, size_bytes: SIZE, etag: then.into(), md5: None, content_encoding: None };
        let url = format!("{}/src/box/f", from.endpoint).parse().unwrap();
        let file = PlannedFile { listed: Some(Box::new(hint)), ..planned(url) };
        let done = copied(&copier, &file, NAME, metadata("t1")).await.unwrap();
        assert_eq!((done.size_bytes, done.md5_proven), (size, false));
        assert_eq!(from.requests().len(), usize::from(changes), "looks at the source");
        let requests = to.requests();
        let commits = requests.iter().filter(|request| request.target.contains("comp=blocklist")).count();
        assert_eq!(commits, 1, "nothing of the file as it was is committed");
        let last =
            requests.iter().rev().find(|request| request.header("x-ms-source-range").is_some()).unwrap();
        assert_eq!(last.header("x-ms-source-if-match"), Some("\"now\""));
    }
}

#[tokio::test]
async fn a_listing_tells_what_a_look_tells_of_all_that_a_copy_takes() {
    let azurite = Azurite::shared().await;
    let from = azurite.container().await;
    let options = BlockBlobClientUploadOptions {
        blob_content_encoding: Some("gzip".into()),
        ..BlockBlobClientUploadOptions::default()
    };
    azurite.put_with(&from, "packed & é.gz", b"packed".to_vec(), options).await;
    azurite.put(&from, "plain", b"plain".to_vec()).await;
    let service = BlobService::start(&[]).await;
    service.insert("source", "packed", Blob { content_encoding: Some("gzip".into()), ..blob(b"packed") });
    service.insert("source", "plain", blob(b"plain"));
    for (string, of) in [
        (azurite.connection_string(), azurite.url(&from, "plain")),
        (service.connection_string(), service.url("source", "plain")),
    ] {
        let files = source(Some(&string));
        let pages: Vec<Vec<BlobInfo>> = files.list(&of, "").try_collect().await.unwrap();
        let listed = pages.concat();
        assert_eq!(listed.len(), 2);
        for listed in listed {
            let mut url = of.clone();
            url.path_segments_mut().unwrap().pop().push(&listed.name);
            let seen = files.head(&url).await.unwrap();
            let taken =
                |info: BlobInfo| (info.size_bytes, info.md5, info.etag, info.content_encoding, info.archived);
            assert_eq!(taken(listed), taken(seen), "{url}");
        }
    }
}
