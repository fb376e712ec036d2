//! The place of a folder, and of a file in it: both are there as a whole or not at all.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use tempfile::NamedTempFile;

use super::{FolderBlobs, PARTIAL, PROPERTIES, faults, is_absent, sidecar, unfinished};
use crate::{
    ports::{Existing, Fault, FaultKind, PutOptions, Service, Stored},
    run::private,
};

/// EPERM: how Linux says that a file system has no hard links.
const OPERATION_NOT_PERMITTED: i32 = 1;

impl FolderBlobs {
    /// Makes the folder of a target, with the one inside by which it is known later; whether it was not there.
    pub(super) fn make_root(&self) -> Result<bool, Fault> {
        if self.service != Service::TargetBlobs {
            return Ok(false);
        }
        let properties = self.root.join(PROPERTIES);
        let doing = || format!("making {}", properties.display());
        let is_new = fs::symlink_metadata(&properties).is_err_and(|error| is_absent(&error));
        fs::create_dir_all(&properties).map_err(|error| faults::of_io(error, self.service, &doing()))?;
        Ok(is_new)
    }

    /// Refuses a target's folder that is not the one that was made for a plan: where a mount is gone, its place is empty,
    /// and what is written there is not in the target. (A run store is known by its documents.)
    pub(super) fn stands(&self) -> Result<(), Fault> {
        if self.service != Service::TargetBlobs {
            return Ok(());
        }
        let properties = self.root.join(PROPERTIES);
        let what = match fs::symlink_metadata(&properties) {
            Ok(_) => return Ok(()),
            Err(error) if is_absent(&error) => format!(
                "{} is not the folder that a plan prepared, or is not mounted: it holds no {PROPERTIES}; mount it. If it \
                 was deleted for good, create {}",
                self.root.display(),
                properties.display()
            ),
            Err(error) => {
                let doing = format!("looking at {}", properties.display());
                return Err(faults::of_io(error, self.service, &doing));
            }
        };
        Err(Fault::new(self.service, FaultKind::ContainerGone, what))
    }

    /// Creates a temporary file, which becomes the blob. Documents of a run may hold rows as they came, so only their
    /// owner may read them (0600); for a target's files the umask decides, because the application reads them.
    pub(super) fn begin(&self, name: &str) -> Result<NamedTempFile, Fault> {
        self.stands()?;
        let fault = |error| self.fault(error, "writing", name);
        let partial = self.root.join(PARTIAL);
        self.make_folder(&partial).map_err(fault)?;
        let mode = if self.service == Service::RunStore { 0o600 } else { 0o666 };
        let permissions = fs::Permissions::from_mode(mode);
        tempfile::Builder::new()
            .prefix(&unfinished::prefix(name))
            .permissions(permissions)
            .tempfile_in(partial)
            .map_err(fault)
    }

    /// Creates a missing folder and its missing parents: those of a run for their owner only (0700), as its documents are.
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        if self.service == Service::RunStore {
            private::create_folder(path)
        } else {
            fs::create_dir_all(path)
        }
    }

    /// Renames a complete file to its final name and syncs it. The properties are written first: if the disk is full,
    /// neither file exists, and no file exists without the properties that name its writer.
    pub(super) fn place(
        &self,
        name: &str,
        file: NamedTempFile,
        md5: [u8; 16],
        options: &PutOptions,
    ) -> Result<Stored, Fault> {
        let path = self.path(name)?;
        let fault = |error| self.fault(error, "writing", name);
        file.as_file().sync_all().map_err(fault)?;
        let parent = path.parent().unwrap_or(&self.root);
        self.make_folder(parent).map_err(fault)?;
        // A file keeps its inode, time and length on its way.
        let metadata = file.as_file().metadata().map_err(fault)?;
        let beside = self.sidecar(name);
        self.make_folder(beside.parent().unwrap_or(&self.root)).map_err(fault)?;
        let draft = tempfile::Builder::new()
            .prefix(&unfinished::prefix(name))
            .tempfile_in(self.root.join(PARTIAL))
            .map_err(fault)?;
        let properties = sidecar::write(draft, &metadata, md5, options).map_err(fault)?;
        match options.existing {
            // A rename that refuses to replace, else a hard link: one of several at a time wins.
            Existing::Keep => {
                file.persist_noclobber(&path).map_err(|error| self.no_links(error.error, name))?
            }
            Existing::Replace => file.persist(&path).map_err(|error| fault(error.error))?,
        };
        let synced = fs::File::open(parent).and_then(|folder| folder.sync_all());
        let settled = synced.and_then(|()| properties.persist(beside).map(drop).map_err(|error| error.error));
        if let Err(error) = settled {
            // The next try would meet a blob whose writer is not known.
            if options.existing == Existing::Keep {
                drop(fs::remove_file(&path));
            }
            return Err(fault(error));
        }
        Ok(Stored { size_bytes: metadata.len(), md5: Some(md5) })
    }

    pub(super) fn no_links(&self, error: io::Error, name: &str) -> Fault {
        let unsupported = matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput);
        if !unsupported && error.raw_os_error() != Some(OPERATION_NOT_PERMITTED) {
            return self.fault(error, "writing", name);
        }
        let what = format!(
            "{} cannot hold create-only files: its file system has no hard links (an SMB share?); \
             use a local disk, NFS or an az:// place",
            self.root.display()
        );
        Fault::caused(self.service, FaultKind::Misconfigured, what, error)
    }

    /// One entry of the root; of a run store the first document makes it.
    pub(super) fn look_at_root(&self) -> Result<(), Fault> {
        self.stands()?;
        match fs::read_dir(&self.root).map(|mut entries| entries.next().transpose()) {
            Ok(Ok(_)) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Ok(Err(error)) | Err(error) => {
                let doing = format!("listing {}", self.root.display());
                Err(faults::of_io(error, self.service, &doing))
            }
        }
    }
}
