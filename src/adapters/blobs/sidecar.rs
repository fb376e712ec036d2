//! What a folder keeps of a blob beside its bytes: `.properties/<name>`, a JSON document that names the exact
//! file it belongs to, so that an old one is never taken for a new blob's.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::reader::md5_from_base64;
use crate::ports::{BlobInfo, PutOptions};

#[derive(Serialize, Deserialize)]
struct Sidecar {
    etag: String,
    md5: String,
    content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    metadata: Vec<(String, String)>,
}

/// Writes the properties of the file whose metadata is `file` to `draft`, to be put at its place once the file is at its
/// own: another one may be there first.
pub(super) fn write(
    mut draft: NamedTempFile,
    file: &fs::Metadata,
    md5: [u8; 16],
    options: &PutOptions,
) -> io::Result<NamedTempFile> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let sidecar = Sidecar {
        etag: etag(file),
        md5: BASE64_STANDARD.encode(md5),
        content_type: options.content_type.clone(),
        content_encoding: options.content_encoding.clone(),
        metadata: options
            .metadata
            .iter()
            .map(|(key, value)| (key.to_ascii_lowercase(), value.clone()))
            .collect(),
    };
    draft.write_all(&serde_json::to_vec(&sidecar)?)?;
    Ok(draft)
}

/// What is known of the blob: its file's metadata, and its properties if they are this file's.
pub(super) fn info(path: &Path, name: &str, file: &fs::Metadata) -> BlobInfo {
    let tag = etag(file);
    let sidecar = fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice::<Sidecar>(&text).ok())
        .filter(|sidecar| sidecar.etag == tag);
    let info =
        BlobInfo { name: name.to_owned(), size_bytes: file.len(), etag: Some(tag), ..BlobInfo::default() };
    match sidecar {
        Some(sidecar) => BlobInfo {
            md5: md5_from_base64(&sidecar.md5),
            content_type: Some(sidecar.content_type),
            content_encoding: sidecar.content_encoding,
            metadata: sidecar.metadata,
            ..info
        },
        None => info,
    }
}

/// What serves as a file's `ETag`: another file, or another time of change, is another.
pub(super) fn etag(file: &fs::Metadata) -> String {
    format!("{:x}-{:x}-{:x}-{:x}", file.ino(), file.mtime(), file.mtime_nsec(), file.len())
}
