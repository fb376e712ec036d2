//! Copies that the storage service makes by itself.

use super::{Copier, Known, ways::matters_to_every_way};
use crate::{
    domain::{PlannedFile, source_container},
    ports::{CopiedFile, Fault, FaultKind, PutOptions, Service},
};

impl Copier {
    /// The storage service copies; `None` if it does not. That it cannot is remembered for the source's container; that
    /// it refuses this one file is not.
    pub(super) async fn copy_server_side(
        &self,
        file: &PlannedFile,
        name: &str,
        options: &PutOptions,
    ) -> Result<Option<CopiedFile>, Fault> {
        let Some(grant) = self.source.grant(&file.source).await? else {
            self.ways.only_stream(&file.source);
            return Ok(None);
        };
        let info = self.source.head(&file.source).await?;
        let options = &PutOptions { content_encoding: info.content_encoding.clone(), ..options.clone() };
        self.may_write().await?;
        let copying = self.target.copy_from(&grant, &info, name, options);
        match self.events.asked(Service::TargetBlobs, copying).await {
            Ok(stored) => self.prove(name, &stored, &info, Known::stored(info.md5)).await.map(Some),
            Err(fault) if fault.kind == FaultKind::Exists => {
                let known = Known::stored(info.md5);
                let mut earlier = self.own_earlier(fault, name, options, info.size_bytes, known).await?;
                // The MD5 that it stores is what the source claims. Whether its bytes were compared is not known now.
                earlier.md5_proven = false;
                Ok(Some(earlier))
            }
            Err(fault) if matters_to_every_way(&fault) => Err(fault),
            // The service cannot copy, or has no access to a source that this process can read.
            Err(fault) if fault.kind == FaultKind::Unsupported => {
                if self.ways.only_stream(&file.source) {
                    let source = source_container(&file.source);
                    tracing::info!(source, reason = fault.what, "files of this source are streamed");
                }
                Ok(None)
            }
            Err(fault) => {
                tracing::debug!(reason = fault.what, "this file is streamed");
                Ok(None)
            }
        }
    }
}
