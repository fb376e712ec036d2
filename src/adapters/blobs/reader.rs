//! One GET for a blob of any size. A stream that breaks goes on by Range where it stood, on the same `ETag`.
//! (The official client reads in ranges of its own and holds several of them in memory, outside our budget,
//! and reports the first range's length as the blob's.)

use std::sync::Arc;

use azure_core::http::{
    AsyncResponseBody, Method, Url,
    headers::{HeaderName, Headers},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::account::Account;
use crate::ports::{Backoff, BlobInfo, BlobReader, Fault, FaultKind, Patience, pause};

/// The metadata that marks a directory.
const IS_FOLDER: &str = "hdi_isfolder";

/// Times a stream is taken up again without a byte in between.
const RESUMES: u32 = 4;

/// Reads the blob at `url`. `name` is what faults and the info call it.
pub(super) async fn get(account: Arc<Account>, url: &Url, name: &str) -> Result<BlobReader, Fault> {
    let doing = format!("reading {name}");
    let mut request = account.request(url, Method::Get)?;
    let response = account.stream(&mut request).await.map_err(|error| account.fault(&error, &doing))?;
    let (status, headers, body) = response.deconstruct();
    let info = info_of(name, &headers);
    let Some(size_bytes) = total_length(&headers) else {
        let what = format!("{doing}: the answer does not say its length; only blob storage can be read");
        let mut fault = Fault::new(account.service, FaultKind::Misconfigured, what);
        fault.status = Some(status.into());
        return Err(fault);
    };
    let info = BlobInfo { size_bytes, ..info };
    let patience = Patience::new(Backoff::OPERATION);
    let state =
        Reading { account, url: url.clone(), doing, info: info.clone(), body: Some(body), at: 0, patience };
    let body = stream::try_unfold(state, Reading::next).boxed();
    Ok(BlobReader { info, body })
}

/// What the headers of a GET or HEAD say; the length is theirs too.
pub(super) fn info_of(name: &str, headers: &Headers) -> BlobInfo {
    let text = |name| headers.get_optional_str(&HeaderName::from_static(name));
    let metadata = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().strip_prefix("x-ms-meta-")?.to_owned(), value.as_str().to_owned()))
    });
    BlobInfo {
        name: name.to_owned(),
        size_bytes: total_length(headers).unwrap_or_default(),
        // The blob's own; beside a range, Content-MD5 is the range's.
        md5: text("x-ms-blob-content-md5").or_else(|| text("content-md5")).and_then(md5_from_base64),
        etag: text("etag").map(str::to_owned),
        content_type: text("content-type").map(str::to_owned),
        content_encoding: text("content-encoding").map(str::to_owned),
        metadata: metadata.collect(),
        archived: text("x-ms-access-tier").is_some_and(|tier| tier.eq_ignore_ascii_case("archive")),
    }
}

/// Whether it is a directory of an account with a hierarchical namespace, and no blob.
pub(super) fn is_directory(info: &BlobInfo) -> bool {
    info.metadata.iter().any(|(name, value)| is_folder_mark(name, value))
}

/// Whether this metadata marks a directory.
pub(super) fn is_folder_mark(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case(IS_FOLDER) && value.eq_ignore_ascii_case("true")
}

/// The MD5 that the text holds.
pub(super) fn md5_from_base64(text: &str) -> Option<[u8; 16]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// The whole blob's length, beside a range too.
fn total_length(headers: &Headers) -> Option<u64> {
    let text = |name| headers.get_optional_str(&HeaderName::from_static(name));
    match text("content-range") {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => text("content-length")?.parse().ok(),
    }
}

struct Reading {
    account: Arc<Account>,
    url: Url,
    doing: String,
    info: BlobInfo,
    /// `None` after it broke.
    body: Option<AsyncResponseBody>,
    at: u64,
    /// Since the last byte.
    patience: Patience,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Fault> {
        loop {
            let fault = match self.body.as_mut() {
                None => match self.resume().await {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
                Some(body) => match body.try_next().await {
                    Ok(Some(bytes)) if bytes.is_empty() => continue,
                    Ok(Some(bytes)) => {
                        self.at += bytes.len() as u64;
                        self.patience.answered();
                        if self.at > self.info.size_bytes {
                            return Err(self.fault(FaultKind::Corrupt, "more bytes came than it has"));
                        }
                        return Ok(Some((bytes, self)));
                    }
                    Ok(None) if self.at == self.info.size_bytes => return Ok(None),
                    Ok(None) => self.fault(FaultKind::Unavailable, "the stream ended too early"),
                    Err(error) => self.account.fault(&error, &self.doing),
                },
            };
            self.body = None;
            let hopeless = fault.kind != FaultKind::Unavailable || self.info.etag.is_none();
            match self.patience.failed_at_most(RESUMES) {
                Some(wait) if !hopeless => pause(wait).await,
                _ => return Err(fault),
            }
        }
    }

    /// Asks for the rest, on the condition that the blob is still the same.
    async fn resume(&mut self) -> Result<(), Fault> {
        let mut request = self.account.request(&self.url, Method::Get)?;
        request.insert_header("range", format!("bytes={}-", self.at));
        if let Some(etag) = &self.info.etag {
            request.insert_header("if-match", etag.clone());
        }
        let answer = self.account.stream(&mut request).await;
        let response = answer.map_err(|error| self.account.fault(&error, &self.doing))?;
        if u16::from(response.status()) != 206
            || total_length(response.headers()) != Some(self.info.size_bytes)
        {
            return Err(self.fault(FaultKind::Changed, "the rest of it is not what was asked for"));
        }
        self.body = Some(response.into_body());
        Ok(())
    }

    fn fault(&self, kind: FaultKind, what: &str) -> Fault {
        let Self { doing, at, info, .. } = self;
        let what = format!("{doing}: {what} ({at} of {} bytes)", info.size_bytes);
        Fault::new(self.account.service, kind, what)
    }
}
