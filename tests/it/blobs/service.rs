//! What Azure Storage does and Azurite does not, by a double that does it.

use bytes::Bytes;
use futures_util::TryStreamExt;
use rogo_migrate::{
    ports::{FaultKind, PutOptions},
    shard::copy::Budget,
};

use super::{
    bytes_of,
    copy::{copier, copy, metadata, planned},
    folder, open, source,
};
use crate::support::blob_service::{Blob, BlobService, Habit};

fn text(bytes: &[u8]) -> Blob {
    Blob { bytes: bytes.to_vec(), content_type: "text/plain".into(), ..Blob::default() }
}

#[tokio::test]
async fn directories_are_no_documents() {
    let service = BlobService::start(&[Habit::HasDirectories]).await;
    let store = open(&service.connection_string(), "runs", "store").unwrap();
    store
        .put("rogo/segments/0/a", Bytes::from_static(b"x"), &PutOptions::create("text/plain"))
        .await
        .unwrap();
    let names: Vec<String> = store.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    assert_eq!(names, ["rogo/segments/0/a"]);
    assert!(store.head("rogo/segments").await.unwrap().is_none());
    assert!(store.get("rogo/segments/0").await.unwrap().is_none());
    let fault = source(None).get(&service.url("runs", "store/rogo")).await.map(drop).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
}

#[tokio::test]
async fn a_name_that_the_service_refuses_is_told_apart_and_never_stands() {
    let service = BlobService::start(&[Habit::RefusesOddNames]).await;
    let target = open(&service.connection_string(), "files", "").unwrap();
    for name in ["a\u{fffd}", "a\u{e000}b", "\u{ffff}"] {
        let fault = target.put(name, Bytes::new(), &PutOptions::create("text/plain")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NameRefused, "{fault}");
        target.delete_many(&[name.to_owned()]).await.unwrap();
    }
    target.put("a b é", Bytes::new(), &PutOptions::create("text/plain")).await.unwrap();
}

#[tokio::test]
async fn a_check_leaves_nothing_in_a_container_that_keeps_everything() {
    let service = BlobService::start(&[Habit::IsImmutable]).await;
    let target = open(&service.connection_string(), "files", "").unwrap();
    for _ in 0..2 {
        target.check().await.unwrap();
    }
    assert_eq!(service.names("files"), [] as [&str; 0]);
    target.put("a", Bytes::new(), &PutOptions::create("text/plain")).await.unwrap();
    let fault = target.delete_many(&["a".to_owned()]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Immutable);
    assert!(fault.to_string().contains("an immutability policy or a legal hold keeps it"), "{fault}");
}

#[tokio::test]
async fn the_question_whether_it_answers_costs_one_name() {
    let service = BlobService::start(&[]).await;
    for name in ["a", "b", "c"] {
        service.insert("files", name, text(b"x"));
    }
    open(&service.connection_string(), "files", "").unwrap().answers().await.unwrap();
    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].1.contains("comp=list") && requests[0].1.contains("maxresults=1"), "{requests:?}");
}

#[tokio::test]
async fn both_ways_of_copying_keep_the_content_encoding_and_no_other_property() {
    const NAME: &str = "LTI_Uploads/t1/7_1_f.pdf";
    let packed = Blob {
        content_encoding: Some("gzip".into()),
        content_disposition: Some("attachment".into()),
        ..text(b"packed")
    };
    for habits in [&[][..], &[Habit::Copies]] {
        let service = BlobService::start(habits).await;
        service.insert("source", "a.txt", packed.clone());
        let target = open(&service.connection_string(), "files", "").unwrap();
        let done = copy(&target, source(None), &service.url("source", "a.txt")).await.unwrap();
        assert!(done.md5_proven);
        let stands = service.blob("files", NAME).unwrap();
        assert_eq!(stands.bytes, packed.bytes, "{habits:?}");
        assert_eq!(stands.content_encoding.as_deref(), Some("gzip"), "{habits:?}");
        assert_eq!(stands.content_disposition, None, "{habits:?}");
        assert_eq!(stands.content_type, "application/pdf", "{habits:?}");
        let told = target.head(NAME).await.unwrap().unwrap();
        assert_eq!(told.content_encoding.as_deref(), Some("gzip"));

        let place = tempfile::tempdir().unwrap();
        let target = folder(place.path());
        copy(&target, source(None), &service.url("source", "a.txt")).await.unwrap();
        let reader = target.get(NAME).await.unwrap().unwrap();
        assert_eq!(reader.info.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(bytes_of(reader).await.unwrap(), packed.bytes);
    }
}

#[tokio::test]
async fn a_refused_file_is_its_own_fault_and_a_refused_container_is_not() {
    let service = BlobService::start(&[]).await;
    for name in ["one", "deep/two", "archived"] {
        service.insert("source", name, text(b"x"));
    }
    service.refuse_blob("source", "one", (403, "AuthorizationPermissionMismatch"));
    service.refuse_blob("source", "archived", (409, "BlobArchived"));
    let kind = async |name: &str| {
        // A source of its own: what one found out of a container holds for some seconds.
        let files = source(Some(&service.connection_string()));
        files.get(&service.url("source", name)).await.map(drop).unwrap_err().kind
    };
    assert_eq!(kind("one").await, FaultKind::Denied);
    assert_eq!(kind("archived").await, FaultKind::Archived);
    assert_eq!(kind("nothing").await, FaultKind::NotFound);
    for (refusal, expected) in [
        ((403, "AuthorizationPermissionMismatch"), FaultKind::Unauthenticated),
        ((404, "ContainerNotFound"), FaultKind::ContainerGone),
        ((409, "ContainerBeingDeleted"), FaultKind::ContainerGone),
    ] {
        service.refuse_container("source", Some(refusal));
        assert_eq!(kind("deep/two").await, expected, "{refusal:?}");
        let target = open(&service.connection_string(), "source", "").unwrap();
        let fault = target.head("deep/two").await.unwrap_err();
        let own = if refusal.0 == 403 { FaultKind::Denied } else { expected };
        assert_eq!(fault.kind, own, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_refused_file_whose_neighbour_does_not_answer_is_not_blamed_and_the_neighbour_is_asked_again() {
    let service = BlobService::start(&[]).await;
    let refusal = (403, "AuthorizationPermissionMismatch");
    service.refuse_blob("source", "one", refusal);
    // Of one source: what is found out of a container holds for some seconds.
    let files = source(Some(&service.connection_string()));
    let kind = async || files.get(&service.url("source", "one")).await.map(drop).unwrap_err();
    for (answer, expected) in [
        ((503, "ServerBusy"), FaultKind::Throttled(None)),
        ((500, "InternalError"), FaultKind::Unavailable),
        ((403, "AuthenticationFailed"), FaultKind::Unauthenticated),
        ((404, "ContainerNotFound"), FaultKind::ContainerGone),
        (refusal, FaultKind::Unauthenticated),
    ] {
        service.refuse_blob("source", "rogo-migrate-check", answer);
        let fault = kind().await;
        assert_eq!(fault.kind, expected, "{answer:?}: {fault}");
        assert!(fault.what.contains("every other file in that container"), "{fault}");
    }
}

#[tokio::test]
async fn one_refused_file_does_not_end_server_side_copies_of_its_container() {
    let service = BlobService::start(&[Habit::Copies, Habit::RefusesOddNames]).await;
    for name in ["good", "archived", "other"] {
        service.insert("source", name, text(b"x"));
    }
    let target = open(&service.connection_string(), "files", "").unwrap();
    let copier = copier(target, source(None), Budget::new());
    service.refuse_blob("source", "archived", (409, "BlobArchived"));
    let one = async |file: &str, to: &str| {
        super::copy::copied(&copier, &planned(service.url("source", file)), to, metadata("t1")).await
    };
    assert_eq!(one("archived", "a").await.unwrap_err().kind, FaultKind::Archived);
    assert_eq!(one("good", "b\u{fffd}").await.unwrap_err().kind, FaultKind::NameRefused);
    one("good", "c").await.unwrap();
    one("other", "d").await.unwrap();
    let streamed = service.requests().into_iter().filter(|(method, _)| method == "GET").count();
    assert_eq!(streamed, 0, "{:?}", service.requests());
}
