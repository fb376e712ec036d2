//! Source files on this machine, by `file:` URL.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use azure_core::http::Url;

use super::{NO_FILE, SERVICE, shown};
use crate::{
    adapters::blobs::{faults, sidecar},
    domain::text::{OTHER_FORM, differ_in_form},
    ports::{
        BlobInfo, BlobReader, Fault, FaultKind,
        deadline::{blocking, contents},
        regular::{self, Standing, other_than_a_file},
    },
};

/// Names of a folder that are compared with a missing one.
const LOOKED_AT: usize = 10_000;

pub(super) fn local(url: &Url) -> Result<Option<PathBuf>, Fault> {
    if url.scheme() != "file" {
        return Ok(None);
    }
    url.to_file_path().map(Some).map_err(|()| {
        let what = format!("{} names no file of this machine", shown(url));
        Fault::new(SERVICE, FaultKind::Misconfigured, what)
    })
}

/// Opens or looks at what is at `path`: a regular file, in an allowed folder wherever links lead. If it cannot
/// be reached, all of its source may be at fault: an allowed folder that is absent or empty, as the place of a mount is, or
/// that refuses this user every file. Then no file is to blame.
async fn at(
    path: PathBuf,
    allowed: &[PathBuf],
    doing: &str,
    look: fn(&Path) -> io::Result<Standing>,
) -> Result<Standing, Fault> {
    let folders = allowed.to_owned();
    let looked = blocking(SERVICE, move || {
        let above = |folder: &&PathBuf| **folder != path && path.starts_with(folder);
        Ok(match look(&path) {
            Ok(standing) => {
                let is_allowed = standing.real == path || is_in(&real_folders(&folders), &standing.real);
                Ok((standing, is_allowed))
            }
            Err(error) => {
                let whole = folders.iter().filter(above).find_map(|folder| of_all(folder, &error, look));
                let is_missing = error.kind() == io::ErrorKind::NotFound && whole.is_none();
                Err((error, whole, is_missing && is_there_in_another_form(&path)))
            }
        })
    });
    let (standing, is_allowed) = looked.await?.map_err(|(error, whole, in_another_form)| {
        let mut fault = faults::of_io(error, SERVICE, doing);
        if let Some(whole) = whole {
            fault.kind = FaultKind::ContainerGone;
            fault.what = format!("{}, and {whole}", fault.what);
        }
        if in_another_form {
            let why = format!("a name there {OTHER_FORM}; give it the form of the export");
            fault.what = format!("{}; {why}", fault.what);
            fault.of_file = Some(why.into());
        }
        fault
    })?;
    let refused = |kind, why: String| {
        let mut fault = Fault::new(SERVICE, kind, format!("{doing}: {why}"));
        fault.of_file = Some(why.into());
        Err(fault)
    };
    if !is_allowed {
        return refused(FaultKind::Denied, leads_out(&standing.real));
    }
    match other_than_a_file(standing.metadata.file_type()) {
        Some(kind) => refused(FaultKind::NotFound, format!("{kind} stands in its place")),
        None => Ok(standing),
    }
}

/// Whether a missing file, or the first missing folder above it, is there under the same name in another Unicode form. The
/// name itself may be a person's and is not said.
fn is_there_in_another_form(path: &Path) -> bool {
    if path.to_str().is_none_or(str::is_ascii) {
        return false;
    }
    let listed =
        |missing: &Path| Some((missing.file_name()?.to_owned(), fs::read_dir(missing.parent()?).ok()?));
    let Some((name, entries)) = path.ancestors().find_map(listed) else { return false };
    let Some(name) = name.to_str() else { return false };
    let mut names = entries.flatten().take(LOOKED_AT).map(|entry| entry.file_name());
    names.any(|other| other.to_str().is_some_and(|other| differ_in_form(name, other)))
}

/// The folders without links, which they may be themselves.
pub(in crate::adapters::blobs) fn real_folders(folders: &[PathBuf]) -> Vec<PathBuf> {
    folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect()
}

/// Whether the path is below one of the folders, all without links.
pub(in crate::adapters::blobs) fn is_in(folders: &[PathBuf], real: &Path) -> bool {
    folders.iter().any(|folder| real.starts_with(folder))
}

fn leads_out(real: &Path) -> String {
    let place = Url::from_file_path(real).map_or_else(|()| "another place".to_owned(), |url| shown(&url));
    format!(
        "its path is a link, or leads through one, to {place}, which is not below an allowed source; allow that folder too \
         (--source-allow), or put the file itself there"
    )
}

/// What is wrong with the whole folder, if that explains the error of one file in it. If the user has no right, a neighbour
/// at the root of the folder is asked for in the same way: a folder below may have rights of its own.
fn of_all(folder: &Path, error: &io::Error, look: fn(&Path) -> io::Result<Standing>) -> Option<String> {
    let shown = folder.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            is_gone(folder).then(|| format!("all of {shown} is gone; mount it"))
        }
        io::ErrorKind::PermissionDenied => {
            let neighbour = look(&folder.join(NO_FILE)).err()?;
            (neighbour.kind() == io::ErrorKind::PermissionDenied)
                .then(|| format!("so is every file of {shown} refused; give this user the right to enter it"))
        }
        _ => None,
    }
}

fn is_gone(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

pub(super) async fn read_local(url: &Url, path: PathBuf, allowed: &[PathBuf]) -> Result<BlobReader, Fault> {
    let doing = format!("reading {}", shown(url));
    let standing = at(path, allowed, &doing, regular::open).await?;
    let Some(file) = standing.file else {
        return Err(Fault::new(SERVICE, FaultKind::NotFound, format!("{doing}: it is not a file any more")));
    };
    let info = info_of_local(url, &standing.metadata);
    let fault = move |error| faults::of_io(error, SERVICE, &doing);
    Ok(BlobReader { info, body: contents(file, standing.metadata.len(), SERVICE, fault) })
}

pub(super) async fn head_local(url: &Url, path: PathBuf, allowed: &[PathBuf]) -> Result<BlobInfo, Fault> {
    let doing = format!("looking at {}", shown(url));
    Ok(info_of_local(url, &at(path, allowed, &doing, regular::look).await?.metadata))
}

fn info_of_local(url: &Url, metadata: &std::fs::Metadata) -> BlobInfo {
    BlobInfo {
        name: shown(url),
        size_bytes: metadata.len(),
        etag: Some(sidecar::etag(metadata)),
        ..BlobInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind of the fault of `name`, which is met in this way, in a folder that holds another file.
    async fn kind(name: &str, look: fn(&Path) -> io::Result<Standing>) -> (FaultKind, String) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("other"), "x").unwrap();
        let allowed = [folder.path().to_owned()];
        let fault = at(folder.path().join(name), &allowed, "reading", look).await.unwrap_err();
        (fault.kind, fault.what)
    }

    #[tokio::test]
    async fn a_folder_that_refuses_this_user_every_file_is_to_blame_and_not_its_files() {
        let refuse: fn(&Path) -> io::Result<Standing> = |_| Err(io::ErrorKind::PermissionDenied.into());
        let (whole, what) = kind("a", refuse).await;
        assert_eq!(whole, FaultKind::ContainerGone, "{what}");
        assert!(what.contains("so is every file of ") && what.contains("right to enter it"), "{what}");
        let one: fn(&Path) -> io::Result<Standing> = |path| {
            let is_refused = path.ends_with("a");
            Err(if is_refused { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotFound }.into())
        };
        assert_eq!(kind("a", one).await.0, FaultKind::Denied, "others are let through");
        assert_eq!(kind("b", one).await.0, FaultKind::NotFound);
    }

    #[tokio::test]
    async fn a_missing_file_that_is_there_in_another_unicode_form_says_so_without_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("Zoe\u{308}")).unwrap();
        fs::write(folder.path().join("Zoe\u{308}/Caf\u{e9}.docx"), "x").unwrap();
        let allowed = [folder.path().to_owned()];
        for (name, is_said) in [
            ("Zoe\u{308}/Cafe\u{301}.docx", true),
            ("Zo\u{eb}/Caf\u{e9}.docx", true),
            ("Zoe\u{308}/Cafe.docx", false),
            ("Zoe\u{308}/caf\u{e9}.docx", false),
            ("Zoe/Caf\u{e9}.docx", false),
        ] {
            let fault = at(folder.path().join(name), &allowed, "reading", regular::look).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::NotFound, "{name}: {fault}");
            let why = fault.of_file.as_deref().unwrap_or_default();
            assert_eq!(why.contains("a name there looks the same"), is_said, "{name}: {why}");
            assert!(fault.what.contains(why));
            assert!(!fault.chain().contains("Caf") && !fault.chain().contains("Zo"), "{}", fault.chain());
        }
    }

    #[tokio::test]
    async fn what_a_file_system_says_beyond_that_may_pass_and_blames_no_file_at_once() {
        // EIO, ESTALE and ENOTCONN: a disk, a mount of a network, a mount in user space.
        for code in [5, 116, 107] {
            let fault = faults::of_io(io::Error::from_raw_os_error(code), SERVICE, "reading");
            assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
        }
        let odd: fn(&Path) -> io::Result<Standing> = |_| Err(io::Error::other("odd"));
        assert_eq!(kind("a", odd).await.0, FaultKind::Unavailable);
    }
}
