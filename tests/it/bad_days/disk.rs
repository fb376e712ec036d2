//! A full disk below the run store: outcomes cannot be recorded, and yet no row is lost, doubled or blamed.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Day, plain_sample, through_bash};
use crate::support::{
    app::{TestApp, assert_same},
    process::output,
};

#[tokio::test]
async fn a_full_disk_below_the_run_store_costs_no_row() {
    let sample = plain_sample(40).await;
    let mut app = TestApp::new(&sample).await;
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else {
        // Not root: a limit on the size of files is what refuses to write more.
        app.set("ROGO_RUN_STORE", format!("file://{}", folder.path().display()));
        let limited = through_bash(&app, "trap '' XFSZ; ulimit -f 4; exec \"$0\" plan");
        let ended = output(limited).await.expect(78);
        assert!(ended.stderr.contains("disk is full"), "{}", ended.stderr);
        return;
    };
    app.set("ROGO_RUN_STORE", format!("file://{}", folder.path().display()));
    app.run(&["plan"]).await.expect(0);
    let says = ["run store: ", "the disk is full; free some space, then run again"];
    let shard = &["shard", "--shard", "0", "--give-up-after", "2s"];
    disk.fill(0);
    Day::new("a full disk", shard, 78).says(says).ends(&app).await;
    let new = Day::new("a full disk at the plan", &["plan", "--run", "new"], 78)
        .says(["run store: ", "the disk is full"]);
    new.ends(&app).await;
    // Room to begin, but not for the outcomes: the rows are moved, and found again.
    disk.fill(12 * 1024);
    let fills = Day::new("a disk that fills", shard, 75).says(says).says(["No row was blamed"]);
    fills.ends(&app).await;
    assert!(
        app.database.number("select count(*) from lti_launch_sessions where launch_id like 'rogo_%'").await
            > 0
    );
    disk.free();
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
}

/// A file system of its own, of 1 MiB.
struct Disk<'path>(&'path Path);

impl<'path> Disk<'path> {
    fn mount(path: &'path Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(path)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(path))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves `free` bytes.
    fn fill(&self, free: u64) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length - free).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}
