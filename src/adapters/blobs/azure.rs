//! Blobs in an Azure container, below a prefix.

pub(super) mod listing;
mod rights;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use azure_core::http::{Method, Url, headers::HeaderName};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{
    TryStreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use tokio::io::AsyncReadExt;

use super::{
    account::Account, describe::describe, faults, md5_of, names, reader, server_copy, upload::AzureUpload,
};
use crate::ports::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Fault, FaultKind, PutOptions, Service, Stored, Upload, gently,
};

/// Deletes of one call under way at a time.
const DELETES: usize = 16;

/// Name of the blob that checks of rights use; it is never created.
const PROBE: &str = "rogo-migrate-check";

/// A local file up to this is one PUT; above, it goes in parts of this.
const PART_BYTES: u64 = 8 * 1024 * 1024;

/// A container and a prefix.
pub(super) struct AzureBlobs {
    account: Arc<Account>,
    container_url: Url,
    container: String,
    /// With its trailing slash, or empty.
    prefix: String,
}

impl AzureBlobs {
    pub fn new((account, endpoint): (Account, Url), container: &str, prefix: &str) -> Result<Self, Fault> {
        names::check(container, account.service)?;
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() {
            names::check(prefix, account.service)?;
        }
        let base = endpoint.as_str().trim_end_matches('/');
        let container_url = Url::parse(&format!("{base}/{}", names::encode(container))).map_err(|error| {
            let what = "account and container make no URL";
            Fault::caused(account.service, FaultKind::Misconfigured, what, error)
        })?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { account: Arc::new(account), container_url, container: container.to_owned(), prefix })
    }

    fn service(&self) -> Service {
        self.account.service
    }

    fn blob_url(&self, name: &str) -> Result<Url, Fault> {
        names::check(name, self.service())?;
        let mut url = self.container_url.clone();
        url.set_path(&format!("{}/{}{}", url.path(), names::encode(&self.prefix), names::encode(name)));
        Ok(url)
    }

    /// Where the blob is, for people.
    fn place(&self, name: &str) -> String {
        format!("az://{}/{}{}", self.container, self.prefix, names::shown(name, self.service()))
    }

    fn fault(&self, error: &azure_core::Error, doing: &str, name: &str) -> Fault {
        self.account.fault(error, &format!("{doing} {}", self.place(name)))
    }

    /// Writes a block that no blob is made of, which the service forgets within a week, and deletes the blob that is
    /// not there: both need their right, and neither leaves a blob.
    async fn try_rights(&self) -> Result<(), Fault> {
        let mut upload = self.upload(PROBE, &PutOptions::create("text/plain")).await?;
        upload.part(Bytes::from_static(b"rogo-migrate checks its rights")).await?;
        self.delete(PROBE).await
    }

    /// Whether the service says so of the container; a right that is missing to ask it is no fault.
    async fn has_immutability_policy(&self) -> bool {
        let asked = async {
            let mut url = self.container_url.clone();
            url.query_pairs_mut().append_pair("restype", "container");
            let mut request = self.account.request(&url, Method::Head)?;
            self.account.send(&mut request).await.map_err(|error| self.fault(&error, "looking at", ""))
        };
        let Ok(answer) = asked.await else { return false };
        let says = |name| answer.headers().get_optional_str(&HeaderName::from_static(name)) == Some("true");
        says("x-ms-has-immutability-policy") || says("x-ms-has-legal-hold")
    }

    async fn delete(&self, name: &str) -> Result<(), Fault> {
        let url = &self.blob_url(name)?;
        let deleted = gently(|| async {
            let mut request = self.account.request(url, Method::Delete)?;
            let deleted = self.account.send(&mut request).await;
            deleted.map(|_| ()).map_err(|error| self.fault(&error, "deleting", name))
        });
        match deleted.await {
            // A name that the service cannot accept belongs to no existing blob.
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::NameRefused) => Ok(()),
            ended => ended,
        }
    }
}

#[async_trait]
impl Blobs for AzureBlobs {
    fn location(&self) -> String {
        format!("az://{}/{}", self.container, self.prefix).trim_end_matches('/').to_owned()
    }

    fn url(&self, name: &str) -> String {
        let prefix = names::encode(&self.prefix);
        format!("{}/{prefix}{}", self.container_url, names::encode(name))
    }

    async fn check(&self) -> Result<(), Fault> {
        self.answers().await?;
        let is_kept = match self.try_rights().await {
            Err(fault) if fault.kind == FaultKind::Immutable => true,
            Err(fault) => return Err(fault),
            Ok(()) => self.has_immutability_policy().await,
        };
        if is_kept {
            tracing::warn!(
                place = self.location(),
                "an immutability policy or a legal hold keeps the blobs of this container: files that killed processes \
                 or failed rows leave behind cannot be swept until it ends"
            );
        }
        Ok(())
    }

    async fn is_immutable(&self) -> Result<bool, Fault> {
        Ok(self.has_immutability_policy().await)
    }

    async fn answers(&self) -> Result<(), Fault> {
        listing::first(self.account.clone(), self.container_url.clone(), &self.container, &self.prefix).await
    }

    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault> {
        let size_bytes = bytes.len() as u64;
        let md5 = match options.md5 {
            Some(md5) => md5,
            None => md5_of(&bytes, self.service()).await?,
        };
        let mut request = self.account.request(&self.blob_url(name)?, Method::Put)?;
        describe(&mut request, options);
        request.insert_header("content-type", options.content_type.clone());
        // The service compares this with what arrives; the official client's upload cannot send it.
        request.insert_header("content-md5", BASE64_STANDARD.encode(md5));
        request.set_body(bytes);
        let response = self.account.send(&mut request).await.map_err(|error| {
            faults::keep_means_exists(self.fault(&error, "writing", name), options.existing)
        })?;
        let confirmed = response.headers().get_optional_str(&HeaderName::from_static("content-md5"));
        Ok(Stored { size_bytes, md5: confirmed.map_or(Some(md5), reader::md5_from_base64) })
    }

    async fn upload(&self, name: &str, options: &PutOptions) -> Result<Box<dyn Upload>, Fault> {
        let blob = self.account.blob(&self.blob_url(name)?)?.block_blob_client();
        Ok(Box::new(AzureUpload::new(blob, self.account.clone(), self.place(name), options.clone())))
    }

    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        let unreadable =
            |error| faults::of_io(error, self.service(), &format!("reading {} to store it", path.display()));
        let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let size = file.metadata().await.map_err(unreadable)?.len();
        if size <= PART_BYTES {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.read_to_end(&mut bytes).await.map_err(unreadable)?;
            return self.put(name, bytes.into(), options).await;
        }
        let mut upload = self.upload(name, options).await?;
        let mut whole = Md5::new();
        loop {
            let mut part = Vec::new();
            (&mut file).take(PART_BYTES).read_to_end(&mut part).await.map_err(unreadable)?;
            if part.is_empty() {
                return upload.finish(whole.finalize().into()).await;
            }
            whole.update(&part);
            upload.part(part.into()).await?;
        }
    }

    fn may_copy_from_urls(&self) -> bool {
        true
    }

    async fn refuses_to_copy(&self) -> Option<String> {
        match self.copy_on_no_condition().await {
            Err(fault) if fault.kind == FaultKind::Unsupported => Some(fault.what),
            _ => None,
        }
    }

    async fn copy_from(
        &self,
        grant: &CopyGrant,
        info: &BlobInfo,
        name: &str,
        options: &PutOptions,
    ) -> Result<Stored, Fault> {
        let url = self.blob_url(name)?;
        let doing = format!("copying into {}", self.place(name));
        let md5 = server_copy::copy(&self.account, &url, &doing, grant, info, options).await?;
        if md5.is_some() {
            return Ok(Stored { size_bytes: info.size_bytes, md5 });
        }
        // The service has not compared the bytes: their number at least is looked at.
        let stands = self.head(name).await?.ok_or_else(|| {
            let what = format!("{doing}: the copy was gone when it was looked at");
            Fault::new(self.service(), FaultKind::Unavailable, what)
        })?;
        Ok(Stored { size_bytes: stands.size_bytes, md5: None })
    }

    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        let url = self.blob_url(name)?;
        let place = self.place(name);
        match gently(|| reader::get(self.account.clone(), &url, &place)).await {
            Ok(reader) if reader::is_directory(&reader.info) => Ok(None),
            Ok(mut reader) => {
                name.clone_into(&mut reader.info.name);
                Ok(Some(reader))
            }
            Err(fault) => none_if_missing(fault),
        }
    }

    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        let url = self.blob_url(name)?;
        let place = self.place(name);
        match gently(|| head(&self.account, &url, &place)).await {
            Ok(info) if reader::is_directory(&info) => Ok(None),
            Ok(info) => Ok(Some(BlobInfo { name: name.to_owned(), ..info })),
            Err(fault) => none_if_missing(fault),
        }
    }

    async fn folders(&self) -> Result<Vec<String>, Fault> {
        let place = format!("az://{}", self.container);
        listing::folders(self.account.clone(), self.container_url.clone(), &place, &self.prefix).await
    }

    fn list_in_full(&self, prefix: &str) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>> {
        let place = format!("az://{}", self.container);
        listing::pages(self.account.clone(), self.container_url.clone(), &place, &self.prefix, prefix)
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Fault> {
        stream::iter(names.iter().map(Ok)).try_for_each_concurrent(DELETES, |name| self.delete(name)).await
    }
}

/// What is known of the blob at `url`.
pub(super) async fn head(account: &Account, url: &Url, name: &str) -> Result<BlobInfo, Fault> {
    let mut request = account.request(url, Method::Head)?;
    let response = account
        .send(&mut request)
        .await
        .map_err(|error| account.fault(&error, &format!("looking at {name}")))?;
    Ok(reader::info_of(name, response.headers()))
}

/// A missing blob is an answer (`None`); a missing container is a fault.
fn none_if_missing<T>(fault: Fault) -> Result<Option<T>, Fault> {
    if fault.kind == FaultKind::NotFound { Ok(None) } else { Err(fault) }
}
