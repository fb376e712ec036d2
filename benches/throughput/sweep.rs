//! How long a finalize sweeps the blobs of a killed writer beside a large `submission_files`.

use std::{fs, path::Path, process::Command, time::Instant};

use super::{
    MEMORY, cost, folders,
    goals::{Goal, Goals},
    support::app::{Sample, TestApp},
};

/// The killed writer: registered, and without a clean end.
const WRITER: &str = "ffffffffffff";

/// What the sweep may take, seconds. Judged in print only, with `--cold` too: it is a time of this machine, most of it of its disk,
/// and no ratio of it is free of that (beside it stands the time of removing as many files by hand). Demanded are the memory, and
/// that the right blobs stay.
const GOAL: Goal = Goal::AtMost(60.0);

/// Of this many blobs of the killed writer one is named by a row, under an id that is not derived from its attempt:
/// only a scan of the whole table finds it, and it must stay.
const BLOBS_PER_NAMED: u64 = 100;

/// Runs a finalize twice, without and with the killed writer's blobs: the difference is the sweep. The time of removing as
/// many files by hand is a part that depends on the disk alone. `is_cold`: what the kernel had read of the disk is dropped before
/// each, so that the table is read from there.
pub async fn sweep(goals: &mut Goals, file_rows: u64, blobs: u64, is_cold: bool) {
    println!(
        "a sweep of {blobs} blobs of a killed writer in a folder, beside {file_rows} rows of submission_files"
    );
    let sample = Sample::in_folder(20, 3, |sample| {
        sample.plain = true;
        sample.file_bytes = "100".parse().unwrap();
    })
    .await;
    let app = folders(&sample).await;
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    fill(&app, file_rows, blobs).await;
    drop_read(is_cold);
    let without = cost::of(app.start(&["finalize"])).await;

    let target = sample.folder.path().join("target");
    leave_blobs(&sample.folder.path().join("runs"), &target, blobs);
    drop_read(is_cold);
    let with = cost::of(app.start(&["finalize"])).await;
    let left = fs::read_dir(target.join("LTI_Uploads").join(WRITER)).unwrap().count() as u64;
    assert_eq!(left, blobs.div_ceil(BLOBS_PER_NAMED), "blobs that a row names stay, the others go");

    let sweep = with.elapsed.saturating_sub(without.elapsed);
    let folder = sample.folder.path().join("as-many-files");
    leave_files(&folder, blobs);
    let began = Instant::now();
    fs::remove_dir_all(&folder).unwrap();
    let by_hand = began.elapsed();

    Goals::figure("finalize without orphans", without.elapsed.as_secs_f64(), "s");
    Goals::figure("finalize with the sweep", with.elapsed.as_secs_f64(), "s");
    Goals::figure("removing as many files by hand", by_hand.as_secs_f64(), "s");
    Goals::figure("blobs per second", super::per_second(blobs, sweep), "");
    Goals::compare("the sweep", sweep.as_secs_f64(), "s", GOAL);
    goals.demand("peak memory", with.peak_bytes as f64 / 1e6, "MB", MEMORY);
}

fn drop_read(is_cold: bool) {
    if is_cold {
        assert!(Command::new("sync").status().unwrap().success());
        fs::write("/proc/sys/vm/drop_caches", "3")
            .expect("--cold needs root: the kernel's copy of the disk is dropped");
    }
}

/// Fills `submission_files` as other runs of many writers would have, and names one of [`BLOBS_PER_NAMED`] blobs.
async fn fill(app: &TestApp<'_>, rows: u64, blobs: u64) {
    let insert =
        "insert into submission_files (file_name, original_file_name, file_size, file_type, file_mime_type,
            file_url, azure_blob_url, azure_container_name, azure_blob_name, upload_order)
        select name, name, '0.25 MB', 'pdf', 'application/pdf', url || blob, url || blob, 'target', blob, 1";
    let url = "'https://account.blob.core.windows.net/target/' as url, 'essay of a learner.pdf' as name";
    // An index that is built at the end takes a fraction of the time.
    app.database.run("alter table submission_files drop constraint submission_files_pkey").await;
    // In parts, so that the log of one transaction does not hold the whole table.
    let part = 1_000_000;
    for first in (0..rows).step_by(part) {
        let last = rows.min(first + part as u64) - 1;
        let blob = "'LTI_Uploads/' || lpad(to_hex(n / 10000), 12, '0') || '/' || (10000000 + n / 3) || '_' || (n % 3 + 1)
            || '_essay of a learner.pdf' as blob";
        app.database
            .run(&format!(
                "{insert} from (select {url}, {blob} from generate_series({first}, {last}) n) file"
            ))
            .await;
    }
    let blob = format!("'LTI_Uploads/{WRITER}/' || n || '_1_essay.pdf' as blob");
    app.database
        .run(&format!(
            "{insert} from (select {url}, {blob} from generate_series(1, {blobs}, {BLOBS_PER_NAMED}) n) file"
        ))
        .await;
    app.database.run("alter table submission_files add primary key (id)").await;
    app.database.run("vacuum (analyze) submission_files").await;
    app.database.run("checkpoint").await;
    let bytes = app.database.number("select pg_table_size('submission_files')").await;
    println!("  the table holds                  {:8.0} MB", bytes as f64 / 1e6);
}

/// As a process leaves them that was killed.
fn leave_blobs(runs: &Path, target: &Path, blobs: u64) {
    let record = serde_json::json!({
        "id": WRITER, "shard": 0, "started_at": "2026-01-01T00:00:00Z", "host": "a machine that is gone"
    });
    fs::write(runs.join(format!("rogo/writers/{WRITER}.json")), record.to_string()).unwrap();
    leave_files(&target.join("LTI_Uploads").join(WRITER), blobs);
}

fn leave_files(folder: &Path, number: u64) {
    fs::create_dir_all(folder).unwrap();
    for attempt in 1..=number {
        fs::write(folder.join(format!("{attempt}_1_essay.pdf")), "a file of a killed writer").unwrap();
    }
    // What was never written to the disk costs nothing to remove.
    assert!(Command::new("sync").status().unwrap().success());
}
