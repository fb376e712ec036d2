//! Files that may hold personal data: their owner's alone, always new, never reached through a link.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::NamedTempFile;

use crate::ports::regular::other_than_a_file;

/// What the name of a file ends with that is not whole yet.
const PART: &str = ".part";

/// A part that was not written to for so long is left by a process that was killed.
const LEFT: Duration = Duration::from_hours(24);

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

/// What stands at the place of a file that is going to be written, if that would destroy what is no file. A link is none of
/// these: it is replaced, never followed.
pub fn in_the_way(place: &Path) -> Option<&'static str> {
    let kind = fs::symlink_metadata(place).ok()?.file_type();
    if kind.is_symlink() { None } else { other_than_a_file(kind) }
}

/// A file that is written whole or not at all: a reader sees the earlier file of that name or this one, never half of it, and
/// one that was not finished leaves nothing behind.
///
/// It grows beside its place as `.<name>.<random>.part`, so that two processes that write one file do not meet.
pub struct Whole {
    part: NamedTempFile,
    place: PathBuf,
}

impl Whole {
    /// Begins the file in its folder, which is created if it is missing. What stands there stays until it is finished.
    pub fn begin(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        if let Some(kind) = in_the_way(place) {
            return Err(io::Error::other(format!("it is {kind}, not a file")));
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.map_or(Ok(()), create_folder)?;
        let folder = folder.unwrap_or(Path::new("."));
        let before = format!(".{}.", name.to_string_lossy());
        remove_left(folder, &before);
        // Always new, and its owner's alone (0600).
        let part = tempfile::Builder::new().prefix(&before).suffix(PART).tempfile_in(folder)?;
        Ok(Self { part, place: place.to_owned() })
    }

    /// A handle to write it with.
    pub fn handle(&self) -> io::Result<File> {
        self.part.as_file().try_clone()
    }

    /// Puts it on disk and gives it its name.
    pub fn finish(self) -> io::Result<()> {
        self.part.as_file().sync_all()?;
        self.part.persist(&self.place).map(drop).map_err(|kept| kept.error)
    }
}

/// Removes the parts that killed processes left of a file: those that were not written to for a day. One that cannot be
/// removed stays, and its name says what it is.
fn remove_left(folder: &Path, before: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(before)?.strip_suffix(PART));
        if random.is_none_or(str::is_empty) {
            continue;
        }
        let written = entry.metadata().and_then(|found| found.modified());
        if written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Copies a file into a folder under this name, whole.
pub fn copy_whole(file: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let whole = Whole::begin(&folder.join(name))?;
    io::copy(&mut File::open(file)?, &mut whole.handle()?)?;
    whole.finish()
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
    fn what_is_no_file_is_left_as_it_is_and_what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        for (name, kind) in [("pipe", "a named pipe"), ("socket", "a socket"), ("folder", "a folder")] {
            let before = fs::symlink_metadata(path(name)).unwrap().file_type();
            let refused = Whole::begin(&path(name)).err().unwrap();
            assert!(refused.to_string().contains(kind), "{refused}");
            assert_eq!(fs::symlink_metadata(path(name)).unwrap().file_type(), before);
        }
        fs::write(path("file"), "before").unwrap();
        drop(Whole::begin(&path("file")).unwrap());
        assert_eq!(fs::read(path("file")).unwrap(), b"before");
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
    }

    #[test]
    fn of_two_that_write_one_file_each_puts_its_own_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        let (first, second) = (Whole::begin(&place).unwrap(), Whole::begin(&place).unwrap());
        io::Write::write_all(&mut first.handle().unwrap(), b"the first").unwrap();
        io::Write::write_all(&mut second.handle().unwrap(), b"half of the").unwrap();
        first.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"the first");
        assert_eq!(mode(&place), 0o600);
        io::Write::write_all(&mut second.handle().unwrap(), b" second").unwrap();
        second.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"half of the second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
    }

    #[test]
    fn what_killed_processes_left_of_a_file_is_removed_after_a_day_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let day = std::time::SystemTime::now() - Duration::from_hours(25);
        let old = [".file.aB3.part", ".file.part", ".other.aB3.part", "file.aB3.part", ".file.aB3.csv"];
        for name in old {
            File::create(path(name)).unwrap().set_modified(day).unwrap();
        }
        fs::write(path(".file.new.part"), "of another process").unwrap();
        drop(Whole::begin(&path("file")).unwrap());
        assert!(!path(".file.aB3.part").exists());
        assert!(old[1..].iter().chain([&".file.new.part"]).all(|name| path(name).exists()));
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
