//! Copies that the storage service makes by itself.

use super::{Copier, Known, ways::matters_to_every_way};
use crate::{
    domain::{ListedFile, PlannedFile, source_container},
    ports::{BlobInfo, CopiedFile, CopyGrant, Fault, FaultKind, PutOptions, Retry, Service},
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
        if let Some(listed) = &file.listed {
            match self.copy_known(&grant, &listed_info(listed, file), name, options).await? {
                Err(fault) if needs_a_look(&fault) => {
                    tracing::debug!(
                        reason = fault.what,
                        "the file is looked at: what the plan listed may be outdated"
                    );
                }
                copied => return self.settled(file, copied),
            }
        }
        let info = self.source.head(&file.source).await?;
        match self.copy_known(&grant, &info, name, options).await? {
            Err(fault) if fault.kind == FaultKind::Exists => {
                let known = Known::stored(info.md5);
                let mut earlier = self.own_earlier(fault, name, options, info.size_bytes, known).await?;
                // The MD5 that it stores is what the source claims. Whether its bytes were compared is not known now.
                earlier.md5_proven = false;
                Ok(Some(earlier))
            }
            copied => self.settled(file, copied),
        }
    }

    /// One try, on the condition that the source is still `info`; what the storage service says of it.
    async fn copy_known(
        &self,
        grant: &CopyGrant,
        info: &BlobInfo,
        name: &str,
        options: &PutOptions,
    ) -> Result<Result<CopiedFile, Fault>, Fault> {
        let options = &PutOptions { content_encoding: info.content_encoding.clone(), ..options.clone() };
        self.may_write().await?;
        let copying = self.target.copy_from(grant, info, name, options);
        match self.events.asked_of(Service::TargetBlobs, self.server.as_ref(), copying).await {
            Ok(stored) => self.prove(name, &stored, info, Known::stored(info.md5)).await.map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// What a try means: `None` if the file is to be streamed.
    fn settled(
        &self,
        file: &PlannedFile,
        copied: Result<CopiedFile, Fault>,
    ) -> Result<Option<CopiedFile>, Fault> {
        match copied {
            Ok(copied) => Ok(Some(copied)),
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

/// The properties that a look at the source would tell.
fn listed_info(listed: &ListedFile, file: &PlannedFile) -> BlobInfo {
    BlobInfo {
        name: format!("a file in {}", source_container(&file.source)),
        size_bytes: listed.size_bytes,
        md5: listed.md5,
        etag: Some(listed.etag.clone()),
        content_encoding: listed.content_encoding.clone(),
        ..BlobInfo::default()
    }
}

/// Whether a look at the source may lead to another end than a try by its listing: the file was replaced since, or the source
/// has something to say to this process (that it is gone, refused, a directory). A blob that is there already may be this
/// process's own copy of the file as it is now.
fn needs_a_look(fault: &Fault) -> bool {
    let of_the_source = fault.service == Service::SourceBlobs && fault.kind.retry() == Retry::Never;
    fault.kind == FaultKind::Exists
        || (of_the_source && !matches!(fault.kind, FaultKind::Corrupt | FaultKind::Archived))
}
