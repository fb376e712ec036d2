//! Named blobs: Azure Storage, or a folder. Two adapters behind one port, one contract suite against both.

mod account;
mod azure;
mod connection_string;
mod describe;
mod faults;
mod retry_after;
mod folder;
mod hosts;
mod names;
mod reader;
mod rights;
mod rotating;
mod server_copy;
mod shared_key;
mod sidecar;
mod source;
mod source_folder;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
pub use rights::{MayWrite, may_write};

use crate::{
    ports::{Blobs, Fault, Service, Source, deadline},
    settings::{AccountSettings, Place, SourceSettings},
};

/// Opens a place. Nothing is asked of it yet: [`Blobs::check`] does. Each call makes a client with
/// connections of its own.
pub fn open(place: &Place, account: &AccountSettings, service: Service) -> Result<Arc<dyn Blobs>, Fault> {
    Ok(match place {
        Place::Azure { container, prefix } => {
            let account = account::Account::open(account, service)?;
            Arc::new(azure::AzureBlobs::new(account, container, prefix)?)
        }
        Place::Folder(root) => Arc::new(folder::FolderBlobs::new(root, service)?),
    })
}

/// Opens the files' source: URLs of the allowed places, read by the connection string, Entra ID, their own
/// SAS or anonymously; `file://` URLs from the local disk. `target` serves files that lie in its account.
pub fn source(settings: &SourceSettings, target: &AccountSettings) -> Result<Arc<dyn Source>, Fault> {
    Ok(Arc::new(source::UrlSource::open(settings, target)?))
}

/// More than this is digested off the async threads.
const DIGEST_INLINE_BYTES: usize = 1024 * 1024;

async fn md5_of(bytes: &Bytes, service: Service) -> Result<[u8; 16], Fault> {
    if bytes.len() <= DIGEST_INLINE_BYTES {
        return Ok(Md5::digest(bytes).into());
    }
    let bytes = bytes.clone();
    deadline::blocking(service, move || Ok(Md5::digest(&bytes).into())).await
}
