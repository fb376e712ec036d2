//! The target's blobs and the run store's documents as they stand, on Azurite or in a folder.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures_util::TryStreamExt;
use md5::{Digest, Md5};
use rogo_migrate::{
    adapters::blobs,
    ports::{Blobs, Service},
    settings::{AccountSettings, Place, Secret},
};

use super::oracle::Blob;
use crate::support::{app::TestApp, azurite::Azurite, results};

/// The store behind `az://container[/prefix]` or `file:///dir`, and the container or folder.
fn open(app: &TestApp, location: &str) -> (Arc<dyn Blobs>, String) {
    let (place, root) = if let Some(rest) = location.strip_prefix("az://") {
        let container = rest.split('/').next().unwrap().to_owned();
        (Place::Azure { container: container.clone(), prefix: String::new() }, container)
    } else {
        let folder = location.strip_prefix("file://").unwrap();
        (Place::Folder(folder.into()), folder.to_owned())
    };
    let account = AccountSettings {
        connection_string: Some(Secret::Value(app.variable("AZURE_STORAGE_CONNECTION_STRING").into())),
        account_url: None,
    };
    (blobs::open(&place, &account, Service::TargetBlobs).unwrap(), root)
}

/// Every blob of the target, its bytes read past the program.
pub async fn blobs(app: &TestApp<'_>) -> BTreeMap<String, Blob> {
    let location = app.variable("ROGO_TARGET");
    let (store, root) = open(app, location);
    let names: Vec<String> = store.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    let mut found = BTreeMap::new();
    for name in names {
        let info = store.head(&name).await.unwrap().unwrap();
        let bytes = if location.starts_with("az:") {
            let bytes = Azurite::shared().await.read(&root, &name).await;
            assert_eq!(info.md5, Some(Md5::digest(&bytes).into()), "{name}: the stored MD5");
            bytes
        } else {
            std::fs::read(Path::new(&root).join(&name)).unwrap()
        };
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let metadata = info.metadata.into_iter().map(lower).collect();
        let content_type = info.content_type.unwrap_or_default();
        found.insert(name, Blob { bytes, content_type, metadata });
    }
    found
}

/// Every document of the run's folder in the run store, by its name there.
pub async fn documents(app: &TestApp<'_>, run: &str) -> BTreeMap<String, Vec<u8>> {
    let location = app.variable("ROGO_RUN_STORE");
    let (store, _) = open(app, location);
    let names: Vec<String> = store.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    let mut found = BTreeMap::new();
    for name in names {
        let bytes = results::read(&*store, &name).await;
        let folder = format!("{run}/");
        let short = name.split_once(&folder).map_or(&*name, |(_, short)| short).to_owned();
        found.insert(short, bytes);
    }
    found
}

/// The one process's writer.
pub fn only_writer(documents: &BTreeMap<String, Vec<u8>>) -> String {
    let writers: Vec<&str> =
        documents.keys().filter_map(|name| name.strip_prefix("writers/")?.strip_suffix(".json")).collect();
    let [one] = writers.as_slice() else { panic!("{writers:?}") };
    assert!(one.len() == 12 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    (*one).to_owned()
}
