//! Whether this process could write to a place, as far as that can be known without writing there.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    io::Errno,
    process::geteuid,
};

use super::{account::Account, azure::AzureBlobs};
use crate::{
    ports::{Fault, Service, deadline::blocking},
    settings::{AccountSettings, Place},
};

/// Whether this process could write to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayWrite {
    /// It could not.
    No,
    /// It could; what lets it.
    Yes(String),
    /// That is not known; why.
    Unknown(String),
}

/// Asks the storage credential, or owner and rights of the folder and of what lies `within`. A credential that does not say what
/// it may do is shown to the service, which writes nothing either.
pub async fn may_write(
    place: &Place,
    account: &AccountSettings,
    service: Service,
    within: Vec<PathBuf>,
) -> Result<MayWrite, Fault> {
    match place {
        Place::Azure { container, prefix } => {
            AzureBlobs::new(Account::open(account, service)?, container, prefix)?.may_write().await
        }
        Place::Folder(root) => {
            let root = root.clone();
            blocking(service, move || Ok(of_folder(&root, &within))).await
        }
    }
}

fn of_folder(root: &Path, within: &[PathBuf]) -> MayWrite {
    let mut paths = std::iter::once(root.to_owned()).chain(within.iter().map(|path| root.join(path)));
    match paths.find(|path| is_writable(path)) {
        Some(path) => {
            MayWrite::Yes(format!("the user of this process has the right to write {}", path.display()))
        }
        None => MayWrite::No,
    }
}

/// The owner may give itself the right, unless the file system is mounted to be read only. What is not there is made in its
/// folder, which is asked too.
fn is_writable(path: &Path) -> bool {
    match access(path, Access::WRITE_OK) {
        Ok(()) => true,
        Err(Errno::ROFS) => false,
        Err(_) => fs::metadata(path).is_ok_and(|found| found.uid() == geteuid().as_raw()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_owner_of_a_folder_or_of_what_lies_in_it_may_write_whatever_its_rights_say_now() {
        let folder = tempfile::tempdir().unwrap();
        let (root, below) = (folder.path(), [PathBuf::from("a/b")]);
        fs::create_dir_all(root.join("a/b")).unwrap();
        for path in [root.join("a/b"), root.to_owned()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
        }
        let says = format!("the user of this process has the right to write {}", root.display());
        assert_eq!(of_folder(root, &below), MayWrite::Yes(says));
        assert_eq!(of_folder(&root.join("gone"), &below), MayWrite::No);
        let within = of_folder(&root.join("gone"), &[root.join("a/b")]);
        assert!(matches!(&within, MayWrite::Yes(why) if why.ends_with("a/b")), "{within:?}");
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
