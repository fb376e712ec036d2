//! A blob written to Azure part by part: blocks, each checked by its MD5 as it arrives, then one commit.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use azure_core::http::Body;
use azure_storage_blob::{
    BlockBlobClient,
    models::{BlockBlobClientCommitBlockListOptions, BlockBlobClientStageBlockOptions, BlockLookupList},
};
use bytes::Bytes;

use super::{account::Account, faults, md5_of};
use crate::ports::{Existing, Fault, PutOptions, Stored, Upload};

/// Blocks staged so far.
pub(super) struct AzureUpload {
    blob: BlockBlobClient,
    account: Arc<Account>,
    place: String,
    options: PutOptions,
    blocks: Vec<Vec<u8>>,
    size_bytes: u64,
}

impl AzureUpload {
    pub fn new(blob: BlockBlobClient, account: Arc<Account>, place: String, options: PutOptions) -> Self {
        Self { blob, account, place, options, blocks: Vec::new(), size_bytes: 0 }
    }
}

#[async_trait]
impl Upload for AzureUpload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let id = block_id(self.blocks.len());
        let length = bytes.len() as u64;
        let options = BlockBlobClientStageBlockOptions {
            transactional_content_md5: Some(md5_of(&bytes, self.account.service).await?.to_vec()),
            ..BlockBlobClientStageBlockOptions::default()
        };
        let staged = self.blob.stage_block(&id, length, Body::from(bytes).into(), Some(options)).await;
        staged.map_err(|error| self.account.fault(&error, &format!("writing a part of {}", self.place)))?;
        self.blocks.push(id);
        self.size_bytes += length;
        Ok(())
    }

    async fn finish(self: Box<Self>, md5: [u8; 16]) -> Result<Stored, Fault> {
        let doing = format!("writing {}", self.place);
        commit(&self.blob, &self.account, &doing, self.blocks, Some(md5), &self.options).await?;
        // Every part's MD5 was confirmed, and the parts are all there is.
        Ok(Stored { size_bytes: self.size_bytes, md5: Some(md5) })
    }
}

/// Ids of one blob must be of one length; they sort as they were written.
pub(super) fn block_id(number: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes()
}

/// Makes the staged blocks a blob.
pub(super) async fn commit(
    blob: &BlockBlobClient,
    account: &Account,
    doing: &str,
    blocks: Vec<Vec<u8>>,
    md5: Option<[u8; 16]>,
    options: &PutOptions,
) -> Result<(), Fault> {
    let list = BlockLookupList { latest: Some(blocks), ..BlockLookupList::default() };
    let commit = BlockBlobClientCommitBlockListOptions {
        blob_content_md5: md5.map(Vec::from),
        blob_content_type: Some(options.content_type.clone()),
        blob_content_encoding: options.content_encoding.clone(),
        if_none_match: (options.existing == Existing::Keep).then(|| "*".into()),
        metadata: Some(metadata(options)),
        ..BlockBlobClientCommitBlockListOptions::default()
    };
    let fault = |error: azure_core::Error| account.fault(&error, doing);
    let list = list.try_into().map_err(fault)?;
    let committed = blob.commit_block_list(list, Some(commit)).await;
    committed.map_err(|error| faults::keep_means_exists(fault(error), options.existing))?;
    Ok(())
}

/// Metadata as the official client takes it; header names do not keep their case.
fn metadata(options: &PutOptions) -> HashMap<String, String> {
    options.metadata.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.clone())).collect()
}
