//! What every store promises, asked of each.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;
use rogo_migrate::ports::{BlobInfo, Blobs, FaultKind, PutOptions, Stored};

use super::{bytes_of, md5, noise};

macro_rules! both_stores_promise {
    ($($promise:ident)*) => {
        mod folder {
            $(#[tokio::test]
            async fn $promise() {
                let folder = tempfile::tempdir().unwrap();
                super::$promise(super::super::folder(folder.path())).await;
            })*
        }
        mod azure {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::super::azure().await).await;
            })*
        }
    };
}

both_stores_promise! {
    what_is_put_is_what_is_read
    create_only_keeps_what_is_there
    of_many_creators_of_one_name_one_wins
    replace_takes_the_place
    what_is_not_there_is_none
    a_list_is_by_name_and_by_prefix
    folders_are_told_without_what_is_below_them
    a_listing_in_full_tells_what_a_look_at_each_blob_tells
    delete_is_done_twice_without_complaint
    an_upload_stands_only_when_finished
    a_local_file_of_any_size_is_stored
    odd_names_come_back_as_they_went
    bad_names_are_refused_before_anything_happens
    the_check_leaves_nothing
    a_place_that_is_empty_answers
    an_empty_blob_is_a_blob
}

fn with_metadata() -> PutOptions {
    let metadata = vec![("attemptId".into(), "987".into()), ("writer".into(), "0123456789ab".into())];
    PutOptions { metadata, ..PutOptions::create("application/pdf") }
}

async fn read(blobs: &Arc<dyn Blobs>, name: &str) -> Vec<u8> {
    bytes_of(blobs.get(name).await.unwrap().unwrap()).await.unwrap()
}

async fn names(blobs: &Arc<dyn Blobs>, prefix: &str) -> Vec<String> {
    blobs.list(prefix).map_ok(|info| info.name).try_collect().await.unwrap()
}

async fn what_is_put_is_what_is_read(blobs: Arc<dyn Blobs>) {
    let bytes = noise(100_000);
    let stored = blobs.put("a/b.pdf", bytes.clone(), &with_metadata()).await.unwrap();
    assert_eq!(stored, Stored { size_bytes: 100_000, md5: Some(md5(&bytes)) });
    let reader = blobs.get("a/b.pdf").await.unwrap().unwrap();
    assert_eq!((reader.info.name.as_str(), reader.info.size_bytes), ("a/b.pdf", 100_000));
    assert_eq!(bytes_of(reader).await.unwrap(), bytes);
    let info = blobs.head("a/b.pdf").await.unwrap().unwrap();
    assert_eq!((info.name.as_str(), info.size_bytes, info.md5), ("a/b.pdf", 100_000, Some(md5(&bytes))));
    assert_eq!(info.content_type.as_deref(), Some("application/pdf"));
    let mut metadata: Vec<_> =
        info.metadata.into_iter().map(|(key, value)| (key.to_lowercase(), value)).collect();
    metadata.sort();
    assert_eq!(metadata, [("attemptid".into(), "987".into()), ("writer".into(), "0123456789ab".into())]);
}

async fn create_only_keeps_what_is_there(blobs: Arc<dyn Blobs>) {
    let create = PutOptions::create("text/plain");
    blobs.put("a", Bytes::from_static(b"first"), &create).await.unwrap();
    let fault = blobs.put("a", Bytes::from_static(b"second"), &create).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Exists, "{fault}");
    let mut upload = blobs.upload("a", &create).await.unwrap();
    upload.part(Bytes::from_static(b"third")).await.unwrap();
    assert_eq!(upload.finish(md5(b"third")).await.unwrap_err().kind, FaultKind::Exists);
    assert_eq!(read(&blobs, "a").await, b"first");
}

async fn of_many_creators_of_one_name_one_wins(blobs: Arc<dyn Blobs>) {
    let create = PutOptions::create("text/plain");
    let puts = (0..8_u8).map(|own| {
        let (blobs, create) = (blobs.clone(), create.clone());
        async move { (own, blobs.put("plan.json", Bytes::from(vec![own; 3]), &create).await) }
    });
    let results = futures_util::future::join_all(puts).await;
    let (winners, losers): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(winners.len(), 1);
    assert_eq!(read(&blobs, "plan.json").await, [winners[0].0; 3]);
    for (_, result) in losers {
        assert_eq!(result.unwrap_err().kind, FaultKind::Exists);
    }
}

async fn replace_takes_the_place(blobs: Arc<dyn Blobs>) {
    let replace = PutOptions::replace("text/plain");
    for text in ["one", "twelve", ""] {
        blobs.put("a", Bytes::from(text), &replace).await.unwrap();
        assert_eq!(read(&blobs, "a").await, text.as_bytes());
        assert_eq!(blobs.head("a").await.unwrap().unwrap().md5, Some(md5(text.as_bytes())));
    }
}

async fn what_is_not_there_is_none(blobs: Arc<dyn Blobs>) {
    assert!(blobs.get("nothing").await.unwrap().is_none());
    assert!(blobs.head("no/thing").await.unwrap().is_none());
    assert!(names(&blobs, "no/").await.is_empty());
}

async fn a_list_is_by_name_and_by_prefix(blobs: Arc<dyn Blobs>) {
    for name in ["b", "a/2", "a/10", "ab", "a/x/1"] {
        blobs.put(name, Bytes::from_static(b"12345"), &PutOptions::create("text/plain")).await.unwrap();
    }
    assert_eq!(names(&blobs, "").await, ["a/10", "a/2", "a/x/1", "ab", "b"]);
    assert_eq!(names(&blobs, "a").await, ["a/10", "a/2", "a/x/1", "ab"]);
    assert_eq!(names(&blobs, "a/").await, ["a/10", "a/2", "a/x/1"]);
    assert_eq!(names(&blobs, "a/1").await, ["a/10"]);
    let info = blobs.list("b").try_next().await.unwrap().unwrap();
    assert_eq!((info.size_bytes, info.md5), (5, Some(md5(b"12345"))));
}

async fn folders_are_told_without_what_is_below_them(blobs: Arc<dyn Blobs>) {
    assert!(blobs.folders().await.unwrap().is_empty());
    for name in ["b", "may/plan.json", "a-2/x/1", "may/queues/1", "a/1", "a/x/2", "ab"] {
        blobs.put(name, Bytes::from_static(b"12345"), &PutOptions::create("text/plain")).await.unwrap();
    }
    assert_eq!(blobs.folders().await.unwrap(), ["a", "a-2", "may"]);
}

async fn a_listing_in_full_tells_what_a_look_at_each_blob_tells(blobs: Arc<dyn Blobs>) {
    let compressed = PutOptions { content_encoding: Some("gzip".into()), ..with_metadata() };
    blobs.put("a/1", Bytes::from_static(b"12345"), &compressed).await.unwrap();
    blobs.put("a/2", Bytes::from_static(b""), &PutOptions::create("text/plain")).await.unwrap();
    let listed: Vec<Vec<BlobInfo>> = blobs.list_in_full("a/").try_collect().await.unwrap();
    let looked = |info: BlobInfo| BlobInfo {
        etag: None,
        metadata: info.metadata.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        ..info
    };
    let mut expected = Vec::new();
    for name in ["a/1", "a/2"] {
        expected.push(looked(blobs.head(name).await.unwrap().unwrap()));
    }
    assert_eq!(listed.into_iter().flatten().map(looked).collect::<Vec<_>>(), expected);
}

async fn delete_is_done_twice_without_complaint(blobs: Arc<dyn Blobs>) {
    blobs.put("a", Bytes::from_static(b"x"), &PutOptions::create("text/plain")).await.unwrap();
    blobs.put("b", Bytes::from_static(b"x"), &PutOptions::create("text/plain")).await.unwrap();
    let doomed = ["a".to_owned(), "never/there".to_owned()];
    blobs.delete_many(&doomed).await.unwrap();
    blobs.delete_many(&doomed).await.unwrap();
    assert_eq!(names(&blobs, "").await, ["b"]);
}

async fn an_upload_stands_only_when_finished(blobs: Arc<dyn Blobs>) {
    let bytes = noise(300_000);
    let mut upload = blobs.upload("large", &with_metadata()).await.unwrap();
    for part in bytes.chunks(100_000) {
        upload.part(Bytes::copy_from_slice(part)).await.unwrap();
        assert!(blobs.head("large").await.unwrap().is_none());
    }
    assert!(names(&blobs, "").await.is_empty());
    let stored = upload.finish(md5(&bytes)).await.unwrap();
    assert_eq!(stored, Stored { size_bytes: 300_000, md5: Some(md5(&bytes)) });
    assert_eq!(read(&blobs, "large").await, bytes);
    let info = blobs.head("large").await.unwrap().unwrap();
    assert_eq!(info.content_type.as_deref(), Some("application/pdf"));
    assert_eq!((info.md5, info.metadata.len()), (Some(md5(&bytes)), 2));
}

async fn a_local_file_of_any_size_is_stored(blobs: Arc<dyn Blobs>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segment");
    for length in [0, 1_000, 9 * 1024 * 1024] {
        let bytes = noise(length);
        std::fs::write(&path, &bytes).unwrap();
        let stored = blobs.put_file("f", &path, &PutOptions::replace("text/csv")).await.unwrap();
        assert_eq!(stored, Stored { size_bytes: length as u64, md5: Some(md5(&bytes)) });
        assert!(read(&blobs, "f").await == bytes);
    }
    let missing = folder.path().join("missing");
    let fault = blobs.put_file("f", &missing, &PutOptions::replace("text/csv")).await.unwrap_err();
    assert!(fault.to_string().contains("missing"), "{fault}");
}

async fn odd_names_come_back_as_they_went(blobs: Arc<dyn Blobs>) {
    let odd = ["a b/100% + (1).pdf", "é😀/#?&=;,'\"", "%2e%2e/%41", "..a/b..", "a:b@c~d[e]|f"];
    for name in odd {
        blobs.put(name, Bytes::from(name), &PutOptions::create("text/plain")).await.unwrap();
        assert_eq!(read(&blobs, name).await, name.as_bytes());
        let url = url::Url::parse(&blobs.url(name)).unwrap();
        assert_eq!((url.query(), url.fragment()), (None, None));
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
        assert!(path.ends_with(name), "{path}");
    }
    let mut expected = odd.to_vec();
    expected.sort_unstable();
    assert_eq!(names(&blobs, "").await, expected);
    blobs.delete_many(&odd.map(str::to_owned)).await.unwrap();
    assert!(names(&blobs, "").await.is_empty());
}

async fn bad_names_are_refused_before_anything_happens(blobs: Arc<dyn Blobs>) {
    for name in ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/", "a\0b"] {
        let put = blobs.put(name, Bytes::new(), &PutOptions::replace("text/plain")).await;
        let upload = blobs.upload(name, &PutOptions::replace("text/plain")).await.map(|_| ());
        let delete = blobs.delete_many(&[name.to_owned()]).await;
        let get = blobs.get(name).await.map(|_| ());
        for fault in [put.unwrap_err(), upload.unwrap_err(), delete.unwrap_err(), get.unwrap_err()] {
            assert_eq!(fault.kind, FaultKind::NameRefused, "{name:?}: {fault}");
        }
    }
    assert!(names(&blobs, "").await.is_empty());
}

async fn the_check_leaves_nothing(blobs: Arc<dyn Blobs>) {
    blobs.check().await.unwrap();
    assert!(names(&blobs, "").await.is_empty());
}

async fn a_place_that_is_empty_answers(blobs: Arc<dyn Blobs>) {
    blobs.answers().await.unwrap();
}

async fn an_empty_blob_is_a_blob(blobs: Arc<dyn Blobs>) {
    let stored = blobs.put("empty", Bytes::new(), &PutOptions::create("text/plain")).await.unwrap();
    assert_eq!(stored, Stored { size_bytes: 0, md5: Some(md5(b"")) });
    assert!(read(&blobs, "empty").await.is_empty());
    let upload = blobs.upload("none", &PutOptions::create("text/plain")).await.unwrap();
    upload.finish(md5(b"")).await.unwrap();
    assert!(read(&blobs, "none").await.is_empty());
}
