//! What a container holds, page by page.

use std::sync::Arc;

use azure_core::http::Url;
use azure_storage_blob::{
    BlobContainerClient, BlobContainerClientOptions,
    models::{BlobContainerClientListBlobsOptions, BlobItem, ListBlobsResponse},
};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use super::gently;
use crate::{
    adapters::blobs::{account::Account, faults},
    ports::{BlobInfo, Fault},
};

/// Blobs of the container whose names begin with `below` and `prefix`; `below` is taken off them.
pub(super) fn list(
    account: Arc<Account>,
    container_url: Url,
    container: &str,
    below: &str,
    prefix: &str,
) -> BoxStream<'static, Result<BlobInfo, Fault>> {
    let prefix = format!("{below}{prefix}");
    let doing = format!("listing az://{container}/{prefix}");
    let pages = Pages { account, container_url, prefix, doing, marker: None, ended: false };
    let below = below.to_owned();
    stream::try_unfold(pages, Pages::next)
        .map_ok(move |items| {
            let below = below.clone();
            stream::iter(items.into_iter().filter_map(move |item| info_of_item(item, &below)).map(Ok))
        })
        .try_flatten()
        .boxed()
}

/// A listing, page by page.
struct Pages {
    account: Arc<Account>,
    container_url: Url,
    prefix: String,
    doing: String,
    marker: Option<String>,
    ended: bool,
}

impl Pages {
    async fn next(mut self) -> Result<Option<(Vec<BlobItem>, Self)>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let page = gently(|| self.page()).await?;
        self.marker = page.next_marker.filter(|marker| !marker.is_empty());
        self.ended = self.marker.is_none();
        Ok(Some((page.blob_items, self)))
    }

    /// Each page by a client of its own: the credential may have changed since the last.
    async fn page(&self) -> Result<ListBlobsResponse, Fault> {
        let fault = |error: azure_core::Error| faults::of(&error, self.account.service, &self.doing);
        let client_options = self.account.options();
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        let url = self.account.authorised(&self.container_url)?;
        let container = BlobContainerClient::new(url, None, Some(options)).map_err(fault)?;
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty()),
            marker: self.marker.clone(),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let mut pages = container.list_blobs(Some(options)).map_err(fault)?.into_pages();
        match pages.try_next().await.map_err(fault)? {
            Some(page) => page.into_model().map_err(fault),
            None => Ok(ListBlobsResponse::default()),
        }
    }
}

fn info_of_item(item: BlobItem, below: &str) -> Option<BlobInfo> {
    let properties = item.properties.unwrap_or_default();
    Some(BlobInfo {
        name: item.name?.strip_prefix(below)?.to_owned(),
        size_bytes: properties.content_length.unwrap_or_default(),
        md5: properties.content_md5.and_then(|md5| md5.try_into().ok()),
        etag: properties.etag.map(|etag| etag.to_string()),
        ..BlobInfo::default()
    })
}
