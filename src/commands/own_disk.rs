//! The disk that a pod may use. Kubernetes evicts a pod that exceeds it without a condition that its Job could count, so that a
//! pod that ends in order is started again without end. The program says by its exit code what ended it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, OnceLock},
};

use crate::{
    exit::{Exit, Stop},
    report::grid::bytes,
    settings::{OwnDisk, own_disk},
};

/// The part of the disk that is left for the pod's log, which counts too.
const LOG_SHARE: u64 = 16;
/// Size of a block, of which a file says how many it has.
const BLOCK_BYTES: u64 = 512;

/// The disk that the pod may use, in bytes, if the files of this process filled it when it was told to stop. Those that it
/// deletes while it ends are no longer there afterwards.
#[derive(Debug, Clone, Default)]
pub struct DiskAtStop(Arc<OnceLock<u64>>);

impl DiskAtStop {
    /// Looks at the files: to be called before anything is told to stop.
    pub fn note(&self) {
        if let Some(disk) = own_disk().filter(is_full) {
            self.0.get_or_init(|| disk.limit_bytes);
        }
    }

    /// The end of a process that was told to stop. With a full disk it is no end in order: one that costs a retry.
    pub fn told(&self, stop: Stop) -> Stop {
        let Some(limit_bytes) = self.0.get().filter(|_| stop.exit == Exit::Stopped) else { return stop };
        let message = format!(
            "{}; its files fill the disk that the pod may use ({}): if it was evicted for that, raise resources.ephemeralStorage \
             of its Job",
            stop.message,
            bytes(*limit_bytes)
        );
        Stop::new(Exit::Temporary, message)
    }
}

fn is_full(disk: &OwnDisk) -> bool {
    let used: u64 = disk.folders.iter().map(|folder| used_bytes(folder)).sum();
    used >= disk.limit_bytes - disk.limit_bytes / LOG_SHARE
}

/// What the files below a folder take, as Kubernetes counts it: those that have a name.
fn used_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let used = entries.filter_map(|entry| {
        let of_entry = entry.metadata().ok()?;
        let below = if of_entry.is_dir() { used_bytes(&entry.path()) } else { 0 };
        Some(of_entry.blocks() * BLOCK_BYTES + below)
    });
    used.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_all_folders_count_with_those_below_them_and_leave_a_share_for_the_log() {
        let [tmp, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        fs::create_dir(tmp.path().join("below")).unwrap();
        for file in [tmp.path().join("below/a"), out.path().join("b")] {
            fs::write(file, vec![1; 480 << 10]).unwrap();
        }
        let folders = vec![tmp.path().to_owned(), out.path().to_owned()];
        let is_full = |limit_bytes| is_full(&OwnDisk { limit_bytes, folders: folders.clone() });
        assert!(is_full(1 << 20), "960 of 1,024 KiB");
        assert!(!is_full(2 << 20));
    }
}
