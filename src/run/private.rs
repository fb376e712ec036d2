//! Files that may hold personal data: their owner's alone, always new, never reached through a link.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Creates a file for writing that only its owner may read and write (0600). What stood under its name is removed,
/// a link too; a link that is made meanwhile is refused.
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Creates a missing folder and its missing parents, for their owner only (0700). An existing folder is not changed.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Copies a file into a folder, which is created if it is missing. A reader sees the earlier file of that name or this
/// one, never half of it.
pub fn copy_whole(file: &Path, folder: &Path, name: &str) -> io::Result<()> {
    create_folder(folder)?;
    let part = folder.join(format!(".{name}.part"));
    let mut copy = create(&part)?;
    io::copy(&mut File::open(file)?, &mut copy)?;
    copy.sync_all()?;
    fs::rename(part, folder.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_its_owners_alone_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "untouched").unwrap();
        symlink(path("victim"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::write(path("open"), "before").unwrap();
        for name in ["new", "link", "dangling", "open"] {
            create(&path(name)).unwrap();
            assert!(fs::symlink_metadata(path(name)).unwrap().is_file(), "{name}");
            assert_eq!(mode(&path(name)), 0o600, "{name}");
            assert_eq!(fs::read(path(name)).unwrap(), b"", "{name}");
        }
        assert_eq!(fs::read_to_string(path("victim")).unwrap(), "untouched");
        assert!(!path("nowhere").exists());
    }

    #[test]
    fn a_new_folder_is_its_owners_alone_and_one_that_stands_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let stands = folder.path().join("stands");
        fs::create_dir(&stands).unwrap();
        let before = mode(&stands);
        create_folder(&stands).unwrap();
        assert_eq!(mode(&stands), before);
        create_folder(&stands.join("deep/er")).unwrap();
        assert_eq!((mode(&stands.join("deep")), mode(&stands.join("deep/er"))), (0o700, 0o700));
    }
}
