//! Copies that the storage service makes itself: one request, or blocks above its limit.

use azure_core::{
    error::Error,
    http::{Method, Url},
};
use azure_storage_blob::models::{BlockBlobClientStageBlockFromUrlOptions, HttpRange};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    account::Account,
    describe::describe,
    faults::{self, Codes, NOT_WITHOUT_CREDENTIALS, keep_means_exists},
    upload::{block_id, commit},
};
use crate::ports::{BlobInfo, CopyGrant, Existing, Fault, FaultKind, PutOptions, Service};

/// The most that is copied in one request. Put Blob From URL takes 5,000 MiB, but answers when it has copied them all:
/// beyond this that may take longer than any client waits for an answer.
const ONE_REQUEST_BYTES: u64 = 256 * 1024 * 1024;

/// Length of a block; 50,000 of them make 3 TiB.
const BLOCK_BYTES: u64 = 64 * 1024 * 1024;

/// Copies `info`, read by `grant`, to the new blob at `url`, on the condition that it is still the same and that its bytes have its stored MD5,
/// if it has one. What that proves: the MD5, or nothing (the one that the answer tells is the source's, copied with
/// its other properties).
pub(super) async fn copy(
    account: &Account,
    url: &Url,
    doing: &str,
    grant: &CopyGrant,
    info: &BlobInfo,
    options: &PutOptions,
) -> Result<Option<[u8; 16]>, Fault> {
    let Some(etag) = info.etag.clone() else {
        return Err(Fault::new(
            account.service,
            FaultKind::Unsupported,
            format!("{doing}: the source has no ETag"),
        ));
    };
    if info.size_bytes > ONE_REQUEST_BYTES {
        return copy_in_blocks(account, url, doing, grant, &etag, info, options).await;
    }
    let mut request = account.request(url, Method::Put)?;
    describe(&mut request, options);
    request.insert_header("x-ms-blob-content-type", options.content_type.clone());
    // The blob has the properties that a streamed copy has, and no others of its source.
    request.insert_header("x-ms-copy-source-blob-properties", "false");
    request.insert_header("x-ms-copy-source", grant.url.to_string());
    if let Some(authorization) = &grant.authorization {
        request.insert_header("x-ms-copy-source-authorization", authorization.clone());
    }
    request.insert_header("x-ms-source-if-match", etag);
    if let Some(md5) = info.md5.map(|md5| BASE64_STANDARD.encode(md5)) {
        request.insert_header("x-ms-blob-content-md5", md5.clone());
        request.insert_header("x-ms-source-content-md5", md5);
    }
    request.insert_header("content-length", "0");
    let copied = account.send(&mut request).await;
    copied.map_err(|error| copy_fault(&error, account, doing, options.existing))?;
    Ok(info.md5)
}

async fn copy_in_blocks(
    account: &Account,
    url: &Url,
    doing: &str,
    grant: &CopyGrant,
    etag: &str,
    info: &BlobInfo,
    options: &PutOptions,
) -> Result<Option<[u8; 16]>, Fault> {
    let blob = account.blob(url)?.block_blob_client();
    let mut blocks = Vec::new();
    let mut offset = 0;
    while offset < info.size_bytes {
        let length = BLOCK_BYTES.min(info.size_bytes - offset);
        let stage = BlockBlobClientStageBlockFromUrlOptions {
            copy_source_authorization: grant.authorization.clone(),
            source_if_match: Some(etag.into()),
            source_range: Some(HttpRange::new(offset, length)),
            ..BlockBlobClientStageBlockFromUrlOptions::default()
        };
        let id = block_id(blocks.len());
        // The request has no body: its content length is 0, not the block's.
        let staged = blob.stage_block_from_url(&id, 0, grant.url.to_string(), Some(stage)).await;
        staged.map_err(|error| copy_fault(&error, account, doing, Existing::Replace))?;
        blocks.push(id);
        offset += length;
    }
    commit(&blob, account, doing, blocks, info.md5, options).await?;
    // No digest runs over all blocks.
    Ok(None)
}

/// A failed condition is the source's, unless the service says it is the target's; so is an MD5 that its bytes do
/// not have.
fn copy_fault(error: &Error, account: &Account, doing: &str, existing: Existing) -> Fault {
    let mut fault = account.fault(error, doing);
    let Codes { own, of_source } = faults::codes(error);
    let is_of_source = fault.service == Service::SourceBlobs || own == "CannotVerifyCopySource";
    let kind = if [own, of_source].contains(&"Md5Mismatch") {
        FaultKind::Corrupt
    } else if is_of_source && NOT_WITHOUT_CREDENTIALS.contains(&of_source) {
        // The source refuses the service; it may yet answer to us.
        FaultKind::Unsupported
    } else if is_of_source {
        match fault.kind {
            FaultKind::Denied
            | FaultKind::Unauthenticated
            | FaultKind::NoRole
            | FaultKind::NameRefused
            | FaultKind::Misconfigured => FaultKind::Unsupported,
            ref other => other.clone(),
        }
    } else if own.starts_with("SourceCondition") || fault.kind == FaultKind::Archived {
        fault.kind.clone()
    } else {
        return keep_means_exists(fault, existing);
    };
    (fault.service, fault.kind) = (Service::SourceBlobs, kind);
    fault
}
