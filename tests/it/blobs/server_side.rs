//! Copies by the storage service itself, on the wire: Azurite answers 501 to Put Blob From URL.

use std::sync::Arc;

use futures_util::TryStreamExt;
use rogo_migrate::ports::{Blobs, FaultKind, Service};
use rogo_migrate::shard::copy::Budget;
use url::Url;

use super::{
    copy::{copy, metadata, planned},
    open, source,
};
use crate::support::{
    azurite::Azurite,
    http_stub::{HttpStub, Request, Response},
};

const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";
const NAME: &str = "LTI_Uploads/t1/7_1_f.pdf";

/// A source of 3 bytes ("abc") that has an MD5 or not, and is so many bytes long.
async fn source_stub(size: u64, md5: Option<&'static str>) -> HttpStub {
    HttpStub::start(move |request, _| {
        let response = Response::new(200).header("etag", "\"e1\"");
        let response = match md5 {
            Some(md5) => response.header("content-md5", md5),
            None => response,
        };
        if request.method == "HEAD" {
            response.header("content-length", size.to_string())
        } else {
            response.body("abc")
        }
    })
    .await
}

fn source_url(stub: &HttpStub) -> Url {
    format!("{}/src/box/f%20g.pdf?sv=1&sig=planted", stub.endpoint).parse().unwrap()
}

fn target(stub: &HttpStub) -> Arc<dyn Blobs> {
    let string = format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}/acc", stub.endpoint);
    open(&string, "target", "").unwrap()
}

fn methods(stub: &HttpStub) -> Vec<String> {
    stub.requests().into_iter().map(|request| request.method).collect()
}

#[tokio::test]
async fn two_requests_copy_a_file_on_the_sources_etag_and_md5() {
    let from = source_stub(3, Some(MD5)).await;
    let to = HttpStub::start(|_, _| Response::new(201)).await;
    let url = source_url(&from);
    let done = copy(&target(&to), source(None), &url).await.unwrap();
    assert_eq!((done.size_bytes, done.md5_proven), (3, true));
    assert_eq!(done.url, format!("{}/acc/target/{NAME}", to.endpoint));
    assert_eq!(methods(&from), ["HEAD"]);
    let requests = to.requests();
    assert_eq!(requests.len(), 1);
    let sent = |name: &str| requests[0].header(name);
    assert_eq!(sent("x-ms-copy-source"), Some(url.as_str()));
    assert_eq!(sent("x-ms-source-if-match"), Some("\"e1\""));
    assert_eq!(sent("x-ms-source-content-md5"), Some(MD5));
    assert_eq!(sent("if-none-match"), Some("*"));
    assert_eq!(sent("x-ms-blob-type"), Some("BlockBlob"));
    assert_eq!(sent("x-ms-blob-content-type"), Some("application/pdf"));
    assert_eq!(sent("x-ms-meta-writer"), Some("t1"));
    assert_eq!(sent("x-ms-copy-source-authorization"), None);
    assert_eq!(requests[0].body_bytes, 0);
    assert!(sent("authorization").unwrap().starts_with("SharedKey acc:"));
}

#[tokio::test]
async fn a_token_travels_in_the_copy_source_authorization() {
    use rogo_migrate::ports::{BlobInfo, CopyGrant, PutOptions};
    let to = HttpStub::start(|request, _| copied(request, 3)).await;
    let url = "https://src.example/box/f".parse().unwrap();
    let grant = CopyGrant { url, authorization: Some("Bearer planted".into()) };
    let info = BlobInfo { size_bytes: 3, etag: Some("\"e1\"".into()), ..BlobInfo::default() };
    let stored = target(&to).copy_from(&grant, &info, "f", &PutOptions::create("text/plain")).await.unwrap();
    assert_eq!((stored.size_bytes, stored.md5), (3, None));
    let requests = to.requests();
    assert_eq!(requests[0].header("x-ms-copy-source-authorization"), Some("Bearer planted"));
    assert_eq!(requests[0].header("x-ms-source-content-md5"), None);
}

/// A target that copies, and then holds so many bytes. It tells the MD5 that it took over from the source.
fn copied(request: &Request, size: u64) -> Response {
    match request.method.as_str() {
        "HEAD" => Response::new(200).header("content-length", size.to_string()).header("content-md5", MD5),
        "DELETE" => Response::new(202),
        _ => Response::new(201).header("content-md5", MD5),
    }
}

#[tokio::test]
async fn without_a_stored_md5_only_the_length_is_proven_by_a_look_at_the_copy() {
    for (length, expected) in [(3, None), (2, Some(FaultKind::Corrupt))] {
        let from = source_stub(3, None).await;
        let to = HttpStub::start(move |request, _| copied(request, length)).await;
        match copy(&target(&to), source(None), &source_url(&from)).await {
            Ok(done) => assert!(expected.is_none() && !done.md5_proven && done.size_bytes == 3),
            Err(fault) => assert_eq!(Some(fault.kind), expected),
        }
        let deleted = if expected.is_some() { &["PUT", "HEAD", "DELETE"][..] } else { &["PUT", "HEAD"] };
        assert_eq!(methods(&to), deleted);
    }
}

#[tokio::test]
async fn a_source_whose_bytes_have_not_its_md5_is_corrupt_and_not_streamed() {
    let from = source_stub(3, Some(MD5)).await;
    let to = HttpStub::start(|_, _| Response::new(400).header("x-ms-error-code", "Md5Mismatch")).await;
    let fault = copy(&target(&to), source(None), &source_url(&from)).await.unwrap_err();
    assert_eq!((fault.service, &fault.kind), (Service::SourceBlobs, &FaultKind::Corrupt), "{fault}");
    assert_eq!((methods(&from).len(), methods(&to).len()), (1, 1));
}

#[tokio::test]
async fn a_file_over_256_mib_is_copied_in_blocks() {
    const SIZE: u64 = 256 * 1024 * 1024 + 1;
    let from = HttpStub::start(|_, _| {
        let response = Response::new(200).header("etag", "\"e1\"").header("content-md5", MD5);
        response.header("content-encoding", "gzip").header("content-length", SIZE.to_string())
    })
    .await;
    let to = HttpStub::start(|request, _| copied(request, SIZE)).await;
    let done = copy(&target(&to), source(None), &source_url(&from)).await.unwrap();
    assert_eq!((done.size_bytes, done.md5_proven), (SIZE, false));
    let requests = to.requests();
    let (look, requests) = requests.split_last().unwrap();
    assert_eq!(look.method, "HEAD", "no digest runs over all blocks");
    let (commit, blocks) = requests.split_last().unwrap();
    let mut next = 0;
    for block in blocks {
        let range = block.header("x-ms-source-range").unwrap().strip_prefix("bytes=").unwrap();
        let (first, last) = range.split_once('-').unwrap();
        assert_eq!(first.parse::<u64>().unwrap(), next);
        next = last.parse::<u64>().unwrap() + 1;
        assert_eq!(block.header("x-ms-source-if-match"), Some("\"e1\""));
        assert_eq!(block.header("content-length"), Some("0"));
    }
    assert_eq!(next, SIZE);
    assert!(commit.target.contains("comp=blocklist"));
    assert_eq!(commit.header("if-none-match"), Some("*"));
    assert_eq!(commit.header("x-ms-meta-writer"), Some("t1"));
    assert_eq!(commit.header("x-ms-blob-content-md5"), Some(MD5));
    assert_eq!(commit.header("x-ms-blob-content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_service_that_cannot_is_asked_once_and_then_files_are_streamed() {
    for refusal in [
        (501, "NotImplemented", None),
        (403, "CannotVerifyCopySource", Some(("403", ""))),
        // A container that is private for the service, or not there for it: the reads of this process tell.
        (404, "CannotVerifyCopySource", Some(("404", "ResourceNotFound"))),
        (401, "CannotVerifyCopySource", Some(("401", "NoAuthenticationInformation"))),
        (409, "CannotVerifyCopySource", Some(("409", "PublicAccessNotPermitted"))),
        (400, "UnsupportedHeader", None),
    ] {
        let from = source_stub(3, Some(MD5)).await;
        let to = HttpStub::start(move |request, _| {
            let (status, code, of_source) = refusal;
            if request.header("x-ms-copy-source").is_none() {
                return Response::new(201).header("content-md5", MD5);
            }
            let response = Response::new(status).header("x-ms-error-code", code);
            match of_source {
                Some((status, code)) => response
                    .header("x-ms-copy-source-status-code", status)
                    .header("x-ms-copy-source-error-code", code),
                None => response,
            }
        })
        .await;
        let copier = super::copy::copier(target(&to), source(None), Budget::new());
        for name in ["one", "two"] {
            let file = planned(source_url(&from));
            let done = super::copy::copied(&copier, &file, name, metadata("t1")).await.unwrap();
            assert!(done.md5_proven, "{refusal:?}");
        }
        assert_eq!(methods(&from), ["HEAD", "GET", "GET"], "{refusal:?}");
        assert_eq!(to.requests().len(), 3, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_service_that_cannot_says_so_before_the_first_file_and_no_source_is_looked_at() {
    for (status, code, asked_with_files) in [
        (501, "NotImplemented", 0),
        (412, "ConditionNotMet", 2),
        (404, "CannotVerifyCopySource", 2),
        (403, "AuthorizationFailure", 2),
        (503, "ServerBusy", 2),
    ] {
        let from = source_stub(3, Some(MD5)).await;
        let to = HttpStub::start(move |request, _| {
            if request.header("if-match").is_some() {
                return Response::new(status).header("x-ms-error-code", code);
            }
            Response::new(201).header("content-md5", MD5)
        })
        .await;
        let copier = super::copy::copier(target(&to), source(None), Budget::new());
        copier.learn_ways().await;
        let asked = to.requests().pop().unwrap();
        assert!(asked.body.is_empty() && asked.header("x-ms-copy-source").is_some(), "{code}");
        let before = to.requests().len();
        for name in ["one", "two"] {
            super::copy::copied(&copier, &planned(source_url(&from)), name, metadata("t1")).await.unwrap();
        }
        let requests = to.requests();
        let by_url = |request: &&Request| request.header("x-ms-copy-source").is_some();
        assert_eq!(requests[before..].iter().filter(by_url).count(), asked_with_files, "{code}");
        assert_eq!(requests.len() - before, 2, "{code}");
        let heads = methods(&from).iter().filter(|method| *method == "HEAD").count();
        assert_eq!(heads, asked_with_files, "{code}");
    }
}

#[tokio::test]
async fn azurite_says_that_it_copies_nothing_by_itself_and_keeps_no_blob_of_the_question() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let blobs = open(&azurite.connection_string(), &container, "files").unwrap();
    let said = blobs.refuses_to_copy().await.unwrap();
    assert!(said.contains("501"), "{said}");
    assert!(blobs.list("").try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_false_conflict_is_settled_by_try_length_and_md5() {
    for (own_writer, length, settled) in [("t1", "3", true), ("t2", "3", false), ("t1", "4", false)] {
        let from = source_stub(3, Some(MD5)).await;
        let to = HttpStub::start(move |request: &Request, _| {
            if request.method == "HEAD" {
                Response::new(200)
                    .header("content-length", length)
                    .header("content-md5", MD5)
                    .header("x-ms-meta-writer", own_writer)
            } else {
                Response::new(409).header("x-ms-error-code", "BlobAlreadyExists")
            }
        })
        .await;
        let result = copy(&target(&to), source(None), &source_url(&from)).await;
        match result {
            Ok(done) => assert!(settled && !done.md5_proven && done.size_bytes == 3),
            Err(fault) => assert!(!settled && fault.kind == FaultKind::Exists, "{fault}"),
        }
    }
}

#[tokio::test]
async fn a_source_that_the_service_does_not_find_is_read_since_this_process_has_just_looked_at_it() {
    for (source_status, is_gone) in [(Some("404"), false), (None, false), (None, true)] {
        let from = HttpStub::start(move |request, _| match request.method.as_str() {
            "HEAD" => Response::new(200).header("etag", "\"e1\"").header("content-length", "3"),
            _ if is_gone => Response::new(404).header("x-ms-error-code", "BlobNotFound"),
            _ => Response::new(200).header("etag", "\"e1\"").body("abc"),
        })
        .await;
        let to = HttpStub::start(move |request, _| {
            if request.header("x-ms-copy-source").is_none() {
                return Response::new(201).header("content-md5", MD5);
            }
            let response = Response::new(404).header("x-ms-error-code", "CannotVerifyCopySource");
            match source_status {
                Some(status) => response.header("x-ms-copy-source-status-code", status),
                None => response,
            }
        })
        .await;
        match copy(&target(&to), source(None), &source_url(&from)).await {
            Ok(done) => assert!(!is_gone && done.size_bytes == 3),
            Err(fault) => {
                assert!(is_gone, "{fault}");
                assert_eq!(
                    (fault.service, &fault.kind),
                    (Service::SourceBlobs, &FaultKind::NotFound),
                    "{fault}"
                );
            }
        }
        assert_eq!(methods(&from), ["HEAD", "GET"]);
    }
}

#[tokio::test]
async fn a_name_that_reads_like_a_code_is_no_code() {
    let from = source_stub(3, Some(MD5)).await;
    let to = HttpStub::start(|_, _| Response::new(503).header("x-ms-error-code", "ServerBusy")).await;
    let copier = super::copy::copier(target(&to), source(None), Budget::new());
    let file = planned(source_url(&from));
    for name in ["Md5Mismatch.pdf", "CannotVerifyCopySource.pdf", "SourceCondition.pdf"] {
        let fault = super::copy::copied(&copier, &file, name, metadata("t1")).await.unwrap_err();
        assert_eq!(
            (fault.service, &fault.kind),
            (Service::TargetBlobs, &FaultKind::Throttled(None)),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_source_that_changed_or_must_wait_is_said_so_and_not_streamed() {
    for (status, code, expected) in
        [(412, "SourceConditionNotMet", FaultKind::Changed), (503, "ServerBusy", FaultKind::Throttled(None))]
    {
        let from = source_stub(3, Some(MD5)).await;
        let to = HttpStub::start(move |_, _| Response::new(status).header("x-ms-error-code", code)).await;
        let fault = copy(&target(&to), source(None), &source_url(&from)).await.unwrap_err();
        assert_eq!(fault.kind, expected, "{fault}");
        let blamed = if status == 503 { Service::TargetBlobs } else { Service::SourceBlobs };
        assert_eq!(fault.service, blamed, "{fault}");
        assert!(!fault.chain().contains("planted"), "{}", fault.chain());
        assert_eq!(methods(&from), ["HEAD"]);
    }
}
