//! Source files on this machine, by `file:` URL.

use std::path::PathBuf;

use azure_core::http::Url;
use futures_util::{StreamExt, TryStreamExt};
use tokio_util::io::ReaderStream;

use super::{SERVICE, shown};
use crate::{
    adapters::blobs::{
        deadline::{blocking, with_deadline},
        faults, sidecar,
    },
    ports::{BlobInfo, BlobReader, Fault, FaultKind},
};

/// How much of a local file is read at a time.
const READ_BYTES: usize = 256 * 1024;

pub(super) fn local(url: &Url) -> Result<Option<PathBuf>, Fault> {
    if url.scheme() != "file" {
        return Ok(None);
    }
    url.to_file_path().map(Some).map_err(|()| {
        let what = format!("{} names no file of this machine", shown(url));
        Fault::new(SERVICE, FaultKind::Misconfigured, what)
    })
}

pub(super) async fn read_local(url: &Url, path: PathBuf) -> Result<BlobReader, Fault> {
    let doing = format!("reading {}", shown(url));
    let unreadable = |error| faults::of_io(error, SERVICE, &doing);
    let opened = blocking(SERVICE, move || {
        Ok(std::fs::File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))))
    });
    let (file, metadata) = opened.await?.map_err(unreadable)?;
    if !metadata.is_file() {
        let what = format!("{doing}: it is not a file");
        return Err(Fault::new(SERVICE, FaultKind::NotFound, what));
    }
    let info = info_of_local(url, &metadata);
    let body = ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES)
        .map_err(move |error| faults::of_io(error, SERVICE, &doing));
    Ok(BlobReader { info, body: with_deadline(body.boxed(), SERVICE) })
}

pub(super) fn info_of_local(url: &Url, metadata: &std::fs::Metadata) -> BlobInfo {
    BlobInfo {
        name: shown(url),
        size_bytes: metadata.len(),
        etag: Some(sidecar::etag(metadata)),
        ..BlobInfo::default()
    }
}
