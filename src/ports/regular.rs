//! Local files that are files: a pipe, a device or a socket has no bytes of its own, and opening one may wait without end.

use std::{
    fs::{self, File, FileType, Metadata},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// What stands at a path, links followed.
#[derive(Debug)]
pub struct Standing {
    /// The open file; `None` if it was only looked at, or is none.
    pub file: Option<File>,
    /// Of the open file, if there is one.
    pub metadata: Metadata,
    /// Where it stands, without any link on the way.
    pub real: PathBuf,
}

/// What it is, with its article, if it is no regular file.
pub fn other_than_a_file(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_symlink() => Some("a link"),
        _ if kind.is_fifo() => Some("a named pipe"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// Looks at `path` without opening it.
pub fn look(path: &Path) -> io::Result<Standing> {
    Ok(Standing { file: None, metadata: fs::metadata(path)?, real: fs::canonicalize(path)? })
}

/// Opens the regular file at `path`. What is none is not opened: that may wait for another process, or act on a device.
pub fn open(path: &Path) -> io::Result<Standing> {
    if !fs::metadata(path)?.is_file() {
        return look(path);
    }
    // Nor is a pipe waited for that has taken the file's place meanwhile.
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_wait).open(path)?;
    let metadata = file.metadata()?;
    // The kernel knows which file it opened; without /proc the path says it.
    let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let real = match opened.ok().filter(|real| real.is_absolute()) {
        Some(real) => real,
        None => fs::canonicalize(path)?,
    };
    Ok(Standing { file: metadata.is_file().then_some(file), metadata, real })
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::symlink, net::UnixListener},
        process::Command,
    };

    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_none_of_the_rest_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let at = |name: &str| folder.join(name);
        fs::write(at("file"), "x").unwrap();
        symlink("file", at("link")).unwrap();
        for name in ["file", "link"] {
            let standing = open(&at(name)).unwrap();
            assert!(standing.file.is_some(), "{name}");
            assert_eq!(standing.real, at("file"), "{name}");
        }
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (name, kind) in [("pipe", "a named pipe"), ("socket", "a socket"), ("folder", "a folder")] {
            let standing = open(&at(name)).unwrap();
            assert!(standing.file.is_none(), "{name}");
            assert_eq!(other_than_a_file(standing.metadata.file_type()), Some(kind));
        }
        assert_eq!(open(&at("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
