//! What a container holds, page by page. Directories of an account with a hierarchical namespace are no blobs and are
//! left out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use azure_core::{http::Url, xml};
use azure_storage_blob::{
    BlobContainerClient, BlobContainerClientOptions,
    models::{BlobContainerClientListBlobsOptions, ListBlobsIncludeItem},
};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::{
    adapters::blobs::{
        account::Account,
        reader::{is_folder_mark, md5_from_base64},
    },
    ports::{BlobInfo, Fault, FaultKind, Service, gently, within},
};

/// How long the next page of a source is waited for: to begin the listing again would cost as many requests as it has taken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Blobs of the container whose names begin with `below` and `prefix`, a page at a time; `below` is taken off them. `place`
/// names the container for people.
pub(in crate::adapters::blobs) fn pages(
    account: Arc<Account>,
    container_url: Url,
    place: &str,
    below: &str,
    prefix: &str,
) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>> {
    let pages = Pages::new(account, container_url, place, format!("{below}{prefix}"), None);
    let below = below.to_owned();
    stream::try_unfold(pages, Pages::next)
        .map_ok(move |entries| entries.into_iter().filter_map(|entry| info_of(entry, &below)).collect())
        .boxed()
}

/// The names that stand directly below `below` and before a `/`.
pub(super) async fn folders(
    account: Arc<Account>,
    mut container_url: Url,
    place: &str,
    below: &str,
) -> Result<Vec<String>, Fault> {
    container_url.query_pairs_mut().append_pair("delimiter", "/");
    let pages = Pages::new(account, container_url, place, below.to_owned(), None);
    let pages: Vec<Vec<Entry>> = stream::try_unfold(pages, Pages::next).try_collect().await?;
    let folder = |entry| match entry {
        Entry::BlobPrefix { name } => {
            Some(name.decoded()?.strip_prefix(below)?.strip_suffix('/')?.to_owned())
        }
        Entry::Blob(_) => None,
    };
    let mut folders: Vec<String> = pages.into_iter().flatten().filter_map(folder).collect();
    // The service orders them by their names with the slash.
    folders.sort_unstable();
    Ok(folders)
}

/// Finds one blob below `below`; any name will do.
pub(super) async fn first(
    account: Arc<Account>,
    container_url: Url,
    container: &str,
    below: &str,
) -> Result<(), Fault> {
    let place = format!("az://{container}");
    let pages = Pages::new(account, container_url, &place, below.to_owned(), Some(1));
    gently(|| pages.page()).await.map(drop)
}

/// A listing, page by page.
struct Pages {
    account: Arc<Account>,
    container_url: Url,
    prefix: String,
    doing: String,
    /// Names a page; the service's own limit if `None`.
    most: Option<i32>,
    marker: Option<String>,
    ended: bool,
}

impl Pages {
    fn new(
        account: Arc<Account>,
        container_url: Url,
        place: &str,
        prefix: String,
        most: Option<i32>,
    ) -> Self {
        let doing = match account.service {
            // Folders of a source may be called after people.
            Service::SourceBlobs => format!("listing {place}"),
            _ => format!("listing {place}/{prefix}"),
        };
        Self { account, container_url, prefix, doing, most, marker: None, ended: false }
    }

    async fn next(mut self) -> Result<Option<(Vec<Entry>, Self)>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let page = match (&self.account.service, &self.marker) {
            (Service::SourceBlobs, Some(_)) => within(PATIENCE, || self.page()).await?,
            _ => gently(|| self.page()).await?,
        };
        self.marker = page.next_marker.filter(|marker| !marker.is_empty());
        self.ended = self.marker.is_none();
        Ok(Some((page.blobs.entries, self)))
    }

    /// Each page is requested by a new client, because the credential may have changed since the last page.
    async fn page(&self) -> Result<Page, Fault> {
        let fault = |error: azure_core::Error| {
            let mut fault = self.account.fault(&error, &self.doing);
            // A listing names no blob that could be refused.
            if fault.kind == FaultKind::NameRefused {
                fault.kind = FaultKind::Misconfigured;
            }
            fault
        };
        let client_options = self.account.options();
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        let url = self.account.authorised(&self.container_url)?;
        let container = BlobContainerClient::new(url, None, Some(options)).map_err(fault)?;
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty()),
            // Older directories are marked by their metadata alone.
            include: Some(vec![ListBlobsIncludeItem::Metadata]),
            marker: self.marker.clone(),
            maxresults: self.most,
            ..BlobContainerClientListBlobsOptions::default()
        };
        let mut pages = container.list_blobs(Some(options)).map_err(fault)?.into_pages();
        match pages.try_next().await.map_err(fault)? {
            Some(page) => xml::from_xml(page.into_body()).map_err(fault),
            None => Ok(Page::default()),
        }
    }
}

/// A page of a listing, as far as it is read. The official client's own model leaves out the resource type, which tells
/// a directory from a blob.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    blobs: Items,
    next_marker: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Items {
    #[serde(rename = "$value")]
    entries: Vec<Entry>,
}

/// Blobs and, if a delimiter is asked for, what several of their names begin with; both in one order, by name.
#[derive(Deserialize)]
enum Entry {
    Blob(Box<Item>),
    BlobPrefix {
        #[serde(rename = "Name")]
        name: Name,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Item {
    name: Name,
    properties: Properties,
    /// By name; beside the blob's own, the service notes there whether it is encrypted (`@Encrypted`).
    metadata: BTreeMap<String, String>,
}

/// Percent-encoded if XML cannot hold it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Name {
    #[serde(rename = "@Encoded")]
    encoded: bool,
    #[serde(rename = "$text")]
    text: String,
}

impl Name {
    fn decoded(self) -> Option<String> {
        if !self.encoded {
            return Some(self.text);
        }
        Some(percent_decode_str(&self.text).decode_utf8().ok()?.into_owned())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "Content-Length")]
    length: Option<u64>,
    #[serde(rename = "Content-MD5")]
    md5: Option<String>,
    #[serde(rename = "Content-Type")]
    content_type: Option<String>,
    #[serde(rename = "Content-Encoding")]
    content_encoding: Option<String>,
    #[serde(rename = "Etag")]
    etag: Option<String>,
    #[serde(rename = "ResourceType")]
    resource_type: Option<String>,
    #[serde(rename = "AccessTier")]
    access_tier: Option<String>,
}

fn info_of(entry: Entry, below: &str) -> Option<BlobInfo> {
    let Entry::Blob(item) = entry else { return None };
    let Item { name, properties, metadata } = *item;
    let is_directory = properties.resource_type.is_some_and(|kind| kind.eq_ignore_ascii_case("directory"))
        || metadata.iter().any(|(name, value)| is_folder_mark(name, value));
    if is_directory {
        return None;
    }
    let metadata = metadata.into_iter().filter(|(name, _)| !name.starts_with(['@', '$']));
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Some(BlobInfo {
        name: name.decoded()?.strip_prefix(below)?.to_owned(),
        size_bytes: properties.length.unwrap_or_default(),
        md5: properties.md5.as_deref().and_then(md5_from_base64),
        etag: filled(properties.etag).map(quoted),
        content_type: filled(properties.content_type),
        content_encoding: filled(properties.content_encoding),
        metadata: metadata.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        archived: properties.access_tier.is_some_and(|tier| tier.eq_ignore_ascii_case("archive")),
    })
}

/// A listing leaves out the quotation marks that an `ETag` has in a header, and in the condition that names it.
fn quoted(etag: String) -> String {
    if etag.ends_with('"') { etag } else { format!("\"{etag}\"") }
}
