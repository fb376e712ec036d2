//! A full disk below the run store: outcomes cannot be recorded, and yet no row is lost, doubled or blamed. A disk that is too
//! small for the facts of a warehouse is refused before they are read.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Day, plain_sample, through_bash};
use crate::support::{
    app::{Sample, TestApp, assert_same},
    machine,
    process::{self, output},
    tds::{Options, TdsServer, data::Data},
};

#[tokio::test]
async fn a_full_disk_below_the_run_store_costs_no_row() {
    let sample = plain_sample(40).await;
    let mut app = TestApp::new(&sample).await;
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else {
        // Not root: a limit on the size of files is what refuses to write more.
        machine::skipped("no right to mount a small file system: only a limit on the size of files is tried");
        app.set("ROGO_RUN_STORE", format!("file://{}", folder.path().display()));
        let limited = through_bash(&app, "trap '' XFSZ; ulimit -f 4; exec \"$0\" plan");
        let ended = output(limited).await.expect(78);
        assert!(ended.stderr.contains("`ulimit -f`"), "{}", ended.stderr);
        return;
    };
    app.set("ROGO_RUN_STORE", format!("file://{}", folder.path().display()));
    app.run(&["plan"]).await.expect(0);
    let says = ["run store: ", "the disk is full; free some space, then run again"];
    let shard = &["shard", "--shard", "0", "--give-up-after", "2s"];
    disk.fill(0);
    // Each command says that it passes: in a cluster any other code but 75 would end the whole Job.
    Day::new("a full disk", shard, 75).says(says).ends(&app).await;
    Day::new("a full disk at the plan", &["plan", "--run", "new"], 75).says(says).ends(&app).await;
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
    disk.fill(0);
    Day::new("a full disk at the merge", &["finalize"], 75).says(says).ends(&app).await;
    disk.free();
    app.run(&["finalize"]).await.expect(0);
    disk.fill(0);
    Day::new("a full disk at the verification", &["verify"], 75).says(says).ends(&app).await;
    disk.free();
    app.run(&["verify"]).await.expect(0);
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
}

/// Both tables have so many rows, as the server counts them, and no index.
async fn without_an_index(sample: &Sample, rows: i64) -> TdsServer {
    let options = Options { has_index: false, claimed_rows: Some(rows), ..Options::default() };
    TdsServer::start(Data::load(&sample.path("warehouse")).unwrap(), options).await.unwrap()
}

#[tokio::test]
async fn a_plan_that_reads_the_whole_warehouse_says_what_it_needs_and_refuses_a_disk_that_has_less() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let variable = "DATA_WAREHOUSE_CONNECTION_STRING";
    let server = without_an_index(&sample, 600_000).await;
    // It is said before the rows are read, which are not as many as the server said.
    let told = Day::new("room enough", &["plan", "--dry-run"], 75).set(variable, server.connection_string());
    let says = ["the warehouse is read once, and its rows are kept in TMPDIR", "1.2 GiB"];
    told.says(says).ends(&app).await;

    let server = without_an_index(&sample, i64::MAX).await;
    let refused = Day::new("no such disk", &["plan"], 78).set(variable, server.connection_string());
    let says = [
        "the plan keeps about 16383.9 PiB of the warehouse's rows in TMPDIR (",
        "more are needed; make room, set TMPDIR to a larger disk, or add an index that leads on AttemptId",
    ];
    refused.says(says).is_refused(&app).await;
}

/// A file system of its own, of 1 MiB.
struct Disk<'path>(&'path Path);

impl<'path> Disk<'path> {
    fn mount(path: &'path Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted = process::blocking(mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(path));
        mounted.status.success().then_some(Self(path))
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
        process::blocking(Command::new("umount").arg(self.0));
    }
}
