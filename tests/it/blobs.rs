//! Promises of the blob stores, the files' source and the copy stage.

mod azure;
mod contract;
mod copy;
mod documents;
mod fenced;
mod growing;
mod listed;
mod resumed;
mod server_side;
mod service;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;
use rogo_migrate::{
    adapters::blobs,
    ports::{BlobReader, Blobs, Fault, Service, Source},
    settings::{AccountSettings, Place, Secret, SourceAuth, SourceSettings},
};

use crate::support::azurite::Azurite;

fn account(connection_string: &str) -> AccountSettings {
    AccountSettings {
        connection_string: Some(Secret::Value(connection_string.to_owned())),
        account_url: None,
    }
}

fn open(connection_string: &str, container: &str, prefix: &str) -> Result<Arc<dyn Blobs>, Fault> {
    let place = Place::Azure { container: container.to_owned(), prefix: prefix.to_owned() };
    blobs::open(&place, &account(connection_string), Service::TargetBlobs)
}

/// An empty container of the shared Azurite.
async fn azure() -> Arc<dyn Blobs> {
    let azurite = Azurite::shared().await;
    open(&azurite.connection_string(), &azurite.container().await, "").unwrap()
}

fn folder(path: &Path) -> Arc<dyn Blobs> {
    // As a plan prepares it.
    std::fs::create_dir_all(path.join(".properties")).unwrap();
    blobs::open(&Place::Folder(path.to_owned()), &AccountSettings::default(), Service::TargetBlobs).unwrap()
}

fn source(connection_string: Option<&str>) -> Arc<dyn Source> {
    let settings = SourceSettings {
        allow: Vec::new(),
        auth: if connection_string.is_some() { SourceAuth::Auto } else { SourceAuth::Anonymous },
        connection_string: connection_string.map(|text| Secret::Value(text.to_owned())),
    };
    blobs::source(&settings, &AccountSettings::default()).unwrap()
}

async fn bytes_of(reader: BlobReader) -> Result<Vec<u8>, Fault> {
    Ok(reader.body.try_collect::<Vec<Bytes>>().await?.concat())
}

/// Bytes without a pattern that a bug could repeat.
fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}
