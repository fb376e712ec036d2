//! What only Azure can do, or get wrong.

use std::{sync::Mutex, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::TryStreamExt;
use rogo_migrate::{
    adapters::blobs,
    ports::{FaultKind, PutOptions, Service},
    settings::{AccountSettings, Place, Secret},
};

use super::{account, bytes_of, md5, noise, open, source};
use crate::support::{
    azurite::Azurite,
    http_stub::{HttpStub, Response},
    port::Port,
};

/// A connection string for a stub.
fn stub_string(stub: &HttpStub) -> String {
    format!("AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={}/acc", stub.endpoint)
}

#[tokio::test]
async fn a_prefix_is_a_place_of_its_own() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let one = open(&azurite.connection_string(), &container, "runs/one/").unwrap();
    let two = open(&azurite.connection_string(), &container, "runs/onetwo").unwrap();
    one.put("a b", Bytes::from_static(b"1"), &PutOptions::create("text/plain")).await.unwrap();
    assert_eq!(azurite.read(&container, "runs/one/a b").await, b"1");
    assert_eq!(one.location(), format!("az://{container}/runs/one"));
    assert_eq!(one.url("a b"), format!("{}/{container}/runs/one/a%20b", azurite.endpoint()));
    assert_eq!(one.list("").map_ok(|info| info.name).try_collect::<Vec<_>>().await.unwrap(), ["a b"]);
    assert!(two.list("").try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_shared_access_signature_is_as_good_as_a_key() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let blobs = open(&azurite.sas_connection_string(), &container, "").unwrap();
    blobs.check().await.unwrap();
    blobs.put("a", Bytes::from_static(b"1"), &PutOptions::create("text/plain")).await.unwrap();
    assert_eq!(blobs.list("").map_ok(|info| info.name).try_collect::<Vec<_>>().await.unwrap(), ["a"]);
    assert!(!blobs.url("a").contains('?'));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_repeated() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let string = format!(
        "AccountName=devstoreaccount1;AccountKey=cGxhbnRlZC1zZWNyZXQ=;BlobEndpoint={}",
        azurite.endpoint()
    );
    let fault = open(&string, &container, "").unwrap().check().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unauthenticated);
    let said = fault.chain();
    assert!(said.contains("check the connection string") && said.contains(&container), "{said}");
    assert!(!said.contains("cGxhbnRlZC") && !said.contains("sig="), "{said}");
}

#[tokio::test]
async fn a_missing_container_is_not_a_missing_blob() {
    let azurite = Azurite::shared().await;
    let blobs = open(&azurite.connection_string(), "never-made", "").unwrap();
    let faults = [
        blobs.check().await.unwrap_err(),
        blobs.head("a").await.unwrap_err(),
        blobs.get("a").await.map(|_| ()).unwrap_err(),
        blobs.put("a", Bytes::new(), &PutOptions::create("text/plain")).await.unwrap_err(),
    ];
    for fault in faults {
        assert_eq!(fault.kind, FaultKind::ContainerGone);
        assert!(fault.to_string().contains("never-made"), "{fault}");
        assert!(fault.to_string().contains("no such container; create it"), "{fault}");
    }
}

#[tokio::test]
async fn an_unreachable_service_is_named_without_its_url() {
    let port = Port::hold();
    let closed = port.address();
    let string = format!("SharedAccessSignature=sv=1&sig=planted;BlobEndpoint=http://{closed}/acc");
    let fault = open(&string, "box", "").unwrap().check().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    let said = fault.chain();
    assert!(said.contains("az://box") && said.contains("refused"), "{said}");
    assert!(!said.contains("planted"), "{said}");
}

#[tokio::test]
async fn an_account_is_asked_for_where_none_is_given() {
    let place = Place::Azure { container: "box".into(), prefix: String::new() };
    let refused = |account: &AccountSettings| {
        blobs::open(&place, account, Service::RunStore).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(&AccountSettings::default()).contains("AZURE_STORAGE_CONNECTION_STRING"));
    let plain =
        AccountSettings { account_url: "http://acc.example".parse().ok(), ..AccountSettings::default() };
    assert!(refused(&plain).contains("https"));
    assert!(refused(&account("AccountName=a;AccountKey=planted!")).contains("not base64"));
}

#[tokio::test]
async fn a_key_that_was_replaced_in_its_file_is_taken_by_the_next_client() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection-string");
    let settings = AccountSettings { connection_string: Some(Secret::File(path.clone())), account_url: None };
    let place = Place::Azure { container, prefix: String::new() };
    let old = format!("AccountName=devstoreaccount1;AccountKey=b2xk;BlobEndpoint={}", azurite.endpoint());
    std::fs::write(&path, old).unwrap();
    let before = blobs::open(&place, &settings, Service::TargetBlobs).unwrap();
    assert_eq!(before.check().await.unwrap_err().kind, FaultKind::Unauthenticated);
    std::fs::write(&path, azurite.connection_string() + "\n").unwrap();
    blobs::open(&place, &settings, Service::TargetBlobs).unwrap().check().await.unwrap();
}

#[tokio::test]
async fn more_blobs_than_a_page_are_listed() {
    let page = |names: [&str; 2], next: &str| {
        let blobs: String = names
            .map(|name| {
                format!("<Blob><Name>{name}</Name><Properties><Content-Length>3</Content-Length></Properties></Blob>")
            })
            .concat();
        format!(
            "<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
        )
    };
    let stub = HttpStub::start(move |request, _| {
        let second = request.target.contains("marker=m1");
        Response::new(200).header("content-type", "application/xml").body(if second {
            page(["c", "d"], "")
        } else {
            page(["a", "b"], "m1")
        })
    })
    .await;
    let blobs = open(&stub_string(&stub), "box", "").unwrap();
    let names: Vec<String> = blobs.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn throttling_is_handed_up_at_once_with_its_time() {
    for (status, name, value) in [
        (503, "retry-after", "7"),
        (429, "retry-after", "7"),
        (503, "x-ms-retry-after-ms", "7000"),
        (429, "x-ms-retry-after-ms", "7000"),
    ] {
        let stub = HttpStub::start(move |_, _| Response::new(status).header(name, value)).await;
        let blobs = open(&stub_string(&stub), "box", "").unwrap();
        let fault = blobs.put("a", Bytes::new(), &PutOptions::create("text/plain")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Throttled(Some(Duration::from_secs(7))), "{status}: {fault}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_put_carries_what_the_service_needs_to_check_it() {
    let stub = HttpStub::start(|_, _| Response::new(201)).await;
    let blobs = open(&stub_string(&stub), "box", "").unwrap();
    let metadata = vec![("attemptId".into(), "7".into())];
    let options = PutOptions { metadata, ..PutOptions::create("application/pdf") };
    blobs.put("a", Bytes::from_static(b"abc"), &options).await.unwrap();
    let request = &stub.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/acc/box/a"));
    assert_eq!(request.header("content-md5"), Some("kAFQmDzST7DWlj99KOF/cg=="));
    assert_eq!(request.header("if-none-match"), Some("*"));
    assert_eq!(request.header("x-ms-blob-type"), Some("BlockBlob"));
    assert_eq!(request.header("x-ms-meta-attemptid"), Some("7"));
    assert_eq!(request.header("content-type"), Some("application/pdf"));
    assert_eq!((request.body_bytes, request.body_md5), (3, md5(b"abc")));
}

#[tokio::test]
async fn every_part_of_an_upload_carries_what_the_service_needs_to_check_it() {
    let stub = HttpStub::start(|_, _| Response::new(201)).await;
    let blobs = open(&stub_string(&stub), "box", "").unwrap();
    let mut upload = blobs.upload("a", &PutOptions::create("application/pdf")).await.unwrap();
    for part in [noise(1_000), noise(2_000)] {
        upload.part(part).await.unwrap();
    }
    upload.finish(md5(b"of all parts")).await.unwrap();
    let requests = stub.requests();
    let parts: Vec<_> = requests.iter().filter(|request| request.target.contains("blockid=")).collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert_eq!(part.header("content-md5"), Some(BASE64_STANDARD.encode(part.body_md5).as_str()));
    }
}

#[tokio::test]
async fn a_broken_read_goes_on_where_it_stood_on_the_same_etag() {
    let bytes = noise(300_000);
    let body = bytes.clone();
    let stub = HttpStub::start(move |request, _| {
        let Some(range) = request.header("range") else {
            return Response::new(200).header("etag", "\"e1\"").body(&body[..]).cut_at(123_456);
        };
        let from: usize = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
        Response::new(206)
            .header("etag", "\"e1\"")
            .header("content-range", format!("bytes {from}-299999/300000"))
            .body(&body[from..])
    })
    .await;
    let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
    let reader = source(None).get(&url).await.unwrap();
    assert_eq!(reader.info.size_bytes, 300_000);
    assert!(bytes_of(reader).await.unwrap() == bytes);
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn a_source_that_changed_during_a_broken_read_is_changed() {
    let stub = HttpStub::start(|_, number| match number {
        0 => Response::new(200).header("etag", "\"e1\"").body(vec![1; 300_000]).cut_at(1_000),
        _ => Response::new(412).header("x-ms-error-code", "ConditionNotMet"),
    })
    .await;
    let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
    let reader = source(None).get(&url).await.unwrap();
    assert_eq!(bytes_of(reader).await.unwrap_err().kind, FaultKind::Changed);
}

#[tokio::test]
async fn a_body_that_always_ends_too_early_is_a_fault_never_a_short_file() {
    let stub = HttpStub::start(|_, _| {
        Response::new(200).header("content-length", "300000").body(vec![1; 1_000]).cut_at(1_000)
    })
    .await;
    let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
    let reader = source(None).get(&url).await.unwrap();
    let fault = bytes_of(reader).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
}

#[tokio::test]
async fn each_source_answer_has_its_kind() {
    let codes = Mutex::new(vec![
        (404, "BlobNotFound", FaultKind::NotFound),
        (403, "AuthorizationFailure", FaultKind::Denied),
        // So Azure Storage answers a request without credentials for any blob of a private container.
        (404, "ResourceNotFound", FaultKind::ContainerGone),
        (401, "NoAuthenticationInformation", FaultKind::ContainerGone),
        (409, "PublicAccessNotPermitted", FaultKind::ContainerGone),
        (429, "", FaultKind::Throttled(None)),
        (500, "InternalError", FaultKind::Unavailable),
        (408, "", FaultKind::Unavailable),
        (400, "Md5Mismatch", FaultKind::Unavailable),
        (400, "Crc64Mismatch", FaultKind::Unavailable),
        (409, "BlobArchived", FaultKind::Archived),
        (409, "BlobBeingRehydrated", FaultKind::Archived),
        (409, "ContainerBeingDeleted", FaultKind::ContainerGone),
        (404, "FilesystemNotFound", FaultKind::ContainerGone),
        (412, "ConditionNotMet", FaultKind::Changed),
        (416, "InvalidRange", FaultKind::Changed),
        (400, "OutOfRangeInput", FaultKind::NameRefused),
        (405, "", FaultKind::Unsupported),
        (302, "", FaultKind::Misconfigured),
    ]);
    let expected: Vec<FaultKind> = codes.lock().unwrap().iter().map(|(_, _, kind)| kind.clone()).collect();
    let stub = HttpStub::start(move |_, _| {
        let (status, code, _) = codes.lock().unwrap().remove(0);
        Response::new(status).header("x-ms-error-code", code)
    })
    .await;
    let url = format!("{}/box/f?x=planted", stub.endpoint).parse().unwrap();
    let source = source(None);
    for kind in expected {
        let fault = source.get(&url).await.map(|_| ()).unwrap_err();
        assert_eq!((fault.service, &fault.kind), (Service::SourceBlobs, &kind), "{fault}");
        assert!(fault.chain().contains("/box/f") && !fault.chain().contains("planted"), "{}", fault.chain());
    }
}

#[tokio::test]
async fn a_refusal_of_our_own_credentials_is_no_files_matter() {
    for (status, code, ours, theirs) in [
        (401, "", FaultKind::Unauthenticated, FaultKind::Denied),
        (403, "AuthenticationFailed", FaultKind::Unauthenticated, FaultKind::Denied),
        // The neighbour of the file is refused too.
        (403, "AuthorizationPermissionMismatch", FaultKind::Unauthenticated, FaultKind::Denied),
        (409, "BlobArchived", FaultKind::Archived, FaultKind::Archived),
        (404, "ContainerNotFound", FaultKind::ContainerGone, FaultKind::ContainerGone),
    ] {
        let stub = HttpStub::start(move |_, _| Response::new(status).header("x-ms-error-code", code)).await;
        let string = format!("AccountName=a;AccountKey=b2xk;BlobEndpoint={}", stub.endpoint);
        let source = source(Some(&string));
        for (query, expected) in [("", ours), ("?sv=1&sig=planted", theirs)] {
            let url = format!("{}/box/f{query}", stub.endpoint).parse().unwrap();
            let (read, looked) = (source.get(&url).await.map(|_| ()), source.head(&url).await);
            assert_eq!(read.unwrap_err().kind, expected, "{status} {code} {query}");
            assert_eq!(looked.unwrap_err().kind, expected, "{status} {code} {query}");
        }
    }
}

#[tokio::test]
async fn a_minted_grant_reads_its_one_blob() {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    azurite.put(&container, "a b/é.pdf", &b"mine"[..]).await;
    azurite.put(&container, "other", &b"not mine"[..]).await;
    let url = azurite.url(&container, "a b/é.pdf");
    let grant = source(Some(&azurite.connection_string())).grant(&url).await.unwrap().unwrap();
    assert!(grant.authorization.is_none());
    // Read by someone who has nothing but the grant.
    let anyone = source(None);
    assert_eq!(bytes_of(anyone.get(&grant.url).await.unwrap()).await.unwrap(), b"mine");
    let mut other = azurite.url(&container, "other");
    other.set_query(grant.url.query());
    assert_eq!(anyone.get(&other).await.map(|_| ()).unwrap_err().kind, FaultKind::Denied);
}
