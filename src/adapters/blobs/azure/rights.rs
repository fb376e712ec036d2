//! Whether the credential may write to the container.

use azure_core::http::Method;
use bytes::Bytes;

use super::{AzureBlobs, PROBE};
use crate::{
    adapters::blobs::rights::MayWrite,
    ports::{Fault, gently},
};

/// An entity tag that no blob has.
const NO_TAG: &str = "\"0x0\"";

impl AzureBlobs {
    /// What the credential says of itself, else what the service says of it.
    pub async fn may_write(&self) -> Result<MayWrite, Fault> {
        if let Some(says) = self.account.says_of_writing()? {
            return Ok(says);
        }
        Ok(match gently(|| self.write_on_no_condition()).await {
            Err(fault) if fault.status == Some(403) => MayWrite::No,
            Ok(()) => MayWrite::Yes("the service let its storage credential write".to_owned()),
            // The condition, or a policy of the container, and no right is missing.
            Err(fault) if matches!(fault.status, Some(409 | 412)) => {
                MayWrite::Yes("the service would let its storage credential write".to_owned())
            }
            Err(fault) => MayWrite::Unknown(fault.chain()),
        })
    }

    /// Asks to write a blob on a condition that none meets: the service looks at rights before conditions, and writes nothing.
    async fn write_on_no_condition(&self) -> Result<(), Fault> {
        self.on_no_condition("asking for the right to write", &[]).await
    }

    /// Asks to copy a blob that is not there, on a condition that none meets.
    pub(super) async fn copy_on_no_condition(&self) -> Result<(), Fault> {
        let source = self.blob_url(PROBE)?;
        self.on_no_condition("asking whether it copies from URLs", &[("x-ms-copy-source", source.as_str())])
            .await
    }

    async fn on_no_condition(&self, doing: &str, headers: &[(&'static str, &str)]) -> Result<(), Fault> {
        let mut request = self.account.request(&self.blob_url(PROBE)?, Method::Put)?;
        request.insert_header("x-ms-blob-type", "BlockBlob");
        request.insert_header("if-match", NO_TAG);
        for (name, value) in headers {
            request.insert_header(*name, (*value).to_owned());
        }
        request.set_body(Bytes::new());
        let sent = self.account.send(&mut request).await;
        sent.map(|_| ()).map_err(|error| self.fault(&error, doing, PROBE))
    }
}
