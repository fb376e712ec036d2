//! Lists source files of the local disk, a page at a time, without holding a folder's names in memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    faults,
    source::{is_in, real_folders},
};
use crate::ports::{
    BlobInfo, Fault, Service,
    deadline::{LARGE_WORK, in_time},
    joined, on_thread,
};

/// Files of a page, as many as Azure gives at most.
const PAGE: usize = 5_000;

type Page = Result<Vec<BlobInfo>, Fault>;

/// The files whose paths begin with `prefix`, which is absolute. Links to folders are not followed, since they may lead
/// in a circle; a file that is reached through one is looked at by its own path. So is one that a link outside of the
/// allowed folders leads to.
pub(super) fn list(prefix: &str, allowed: &[PathBuf]) -> BoxStream<'static, Page> {
    let (sender, receiver) = mpsc::channel(2);
    let (prefix, allowed) = (prefix.to_owned(), allowed.to_owned());
    // Ends by itself once the receiver is gone.
    let walking = tokio::spawn(on_thread(move || {
        if let Err(error) = walk(&prefix, &allowed, &sender) {
            let fault = faults::of_io(error, Service::SourceBlobs, "listing the folder of source files");
            // No receiver: the caller has seen enough.
            let _ = sender.blocking_send(Err(fault));
        }
    }));
    told(receiver, walking)
}

/// What the walk tells; a folder that is silent for half an hour is a fault. The end of the walk is asked for too, lest a walk that
/// panicked is taken for one that saw everything.
fn told(pages: mpsc::Receiver<Page>, walking: JoinHandle<()>) -> BoxStream<'static, Page> {
    stream::try_unfold((pages, walking), |(mut pages, walking)| async move {
        if let Some(page) = in_time(LARGE_WORK, Service::SourceBlobs, pages.recv()).await? {
            return Ok(Some((page?, (pages, walking))));
        }
        joined(walking).await;
        Ok(None)
    })
    .boxed()
}

fn walk(prefix: &str, allowed: &[PathBuf], pages: &mpsc::Sender<Page>) -> io::Result<()> {
    let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let start = PathBuf::from(format!("{start}/"));
    let (real, mut page) = (fs::canonicalize(&start)?, Vec::new());
    let allowed = real_folders(allowed);
    let mut folders = if real == start || is_in(&allowed, &real) { vec![start] } else { Vec::new() };
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if leads_on(&path, prefix) {
                    folders.push(path);
                }
                continue;
            }
            let Some(name) = path.to_str().filter(|name| name.starts_with(prefix)) else { continue };
            // The file that a link names; one that leads nowhere is no file.
            let file = match fs::metadata(&path) {
                Err(error) if leads_nowhere(&error) => continue,
                file => file?,
            };
            if entry.file_type()?.is_symlink() && !is_in(&allowed, &fs::canonicalize(&path)?) {
                continue;
            }
            if file.is_file() {
                page.push(BlobInfo { name: name.into(), size_bytes: file.len(), ..BlobInfo::default() });
            }
            if page.len() == PAGE && pages.blocking_send(Ok(std::mem::take(&mut page))).is_err() {
                return Ok(());
            }
        }
    }
    let _ = pages.blocking_send(Ok(page));
    Ok(())
}

/// Whether a path names nothing, and never will while its links stand as they do.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Whether paths below the folder may begin with `prefix`.
fn leads_on(folder: &Path, prefix: &str) -> bool {
    let Some(folder) = folder.to_str() else { return false };
    folder.starts_with(prefix) || prefix.starts_with(&format!("{folder}/"))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::ports::FaultKind;

    async fn names(prefix: &str) -> Result<Vec<String>, Fault> {
        let pages: Vec<Vec<BlobInfo>> = list(prefix, &[std::env::temp_dir()]).try_collect().await?;
        let mut names: Vec<String> = pages.into_iter().flatten().map(|info| info.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_is_silent_is_a_fault_that_may_pass() {
        let (_silent, pages) = mpsc::channel(1);
        let told: Vec<Page> = told(pages, tokio::spawn(std::future::pending())).collect().await;
        let [Err(fault)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(fault.kind, FaultKind::Unavailable);
    }

    #[tokio::test]
    #[should_panic(expected = "planted")]
    async fn a_walk_that_panics_is_not_taken_for_one_that_ended() {
        let (sender, pages) = mpsc::channel(1);
        let walking = tokio::spawn(on_thread(move || {
            drop(sender);
            panic!("planted");
        }));
        told(pages, walking).collect::<Vec<Page>>().await;
    }

    #[tokio::test]
    async fn files_below_the_prefix_are_listed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for file in ["a/1", "a/b/2", "ab", "c"] {
            fs::write(folder.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("c"), folder.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/circle")).unwrap();
        let expected = |files: &[&str]| files.iter().map(|file| format!("{root}/{file}")).collect::<Vec<_>>();
        assert_eq!(names(&format!("{root}/a/")).await.unwrap(), expected(&["a/1", "a/b/2", "a/link"]));
        assert_eq!(names(&format!("{root}/a")).await.unwrap(), expected(&["a/1", "a/b/2", "a/link", "ab"]));
        let fault = names(&format!("{root}/none/")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotFound);

        // A link that leads nowhere is no file.
        for (link, to) in [("3", "nothing"), ("4", "4"), ("5", "2/nothing")] {
            std::os::unix::fs::symlink(to, folder.path().join("a/b").join(link)).unwrap();
        }
        assert_eq!(names(&format!("{root}/a/b/")).await.unwrap(), expected(&["a/b/2"]));
        // A file of which that is not known is not left out.
        let not_known = io::Error::from_raw_os_error(rustix::io::Errno::STALE.raw_os_error());
        assert!(!leads_nowhere(&not_known));
    }
}
