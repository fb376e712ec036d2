//! Source files on this machine, by `file:` URL.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

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

/// Opens or looks at the file at `path`. If it is not there, its whole source may be gone: an allowed folder that is absent
/// or empty, as the place of a mount is. Then no file is to blame.
pub(super) async fn at<T: Send + 'static>(
    path: PathBuf,
    allowed: &[PathBuf],
    doing: &str,
    look: fn(&Path) -> io::Result<T>,
) -> Result<T, Fault> {
    let allowed: Vec<PathBuf> = allowed.iter().filter(|folder| path.starts_with(folder)).cloned().collect();
    let looked = blocking(SERVICE, move || {
        let gone = || allowed.into_iter().find(|folder| *folder != path && is_gone(folder));
        Ok(look(&path).map_err(|error| (error, gone())))
    });
    looked.await?.map_err(|(error, gone)| {
        let mut fault = faults::of_io(error, SERVICE, doing);
        if let Some(folder) = gone.filter(|_| fault.kind == FaultKind::NotFound) {
            fault.kind = FaultKind::ContainerGone;
            fault.what = format!("{}, and all of {} is gone; mount it", fault.what, folder.display());
        }
        fault
    })
}

fn is_gone(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

pub(super) async fn read_local(url: &Url, path: PathBuf, allowed: &[PathBuf]) -> Result<BlobReader, Fault> {
    let doing = format!("reading {}", shown(url));
    let open =
        |path: &Path| fs::File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = at(path, allowed, &doing, open).await?;
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
