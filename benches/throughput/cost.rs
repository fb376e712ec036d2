//! Time, CPU and memory of one process of ours, as the kernel counts them.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Child,
};

use super::support::app::Ended;

/// Time, CPU and memory used by a process.
pub struct Cost {
    pub elapsed: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Largest resident set.
    pub peak_bytes: u64,
}

/// Waits until a process ends; fails if its exit code is not 0.
pub async fn of(child: Child) -> Cost {
    of_several(vec![child]).await
}

/// Waits until all processes end; fails if one's exit code is not 0. The memory is that of the largest.
pub async fn of_several(children: Vec<Child>) -> Cost {
    let began = Instant::now();
    let each = futures_util::future::join_all(children.into_iter().map(used)).await;
    Cost {
        elapsed: began.elapsed(),
        cpu: each.iter().map(|used| used.cpu).sum(),
        peak_bytes: each.iter().map(|used| used.peak_bytes).max().unwrap_or_default(),
    }
}

/// What one process used.
#[derive(Default)]
struct Used {
    cpu: Duration,
    peak_bytes: u64,
}

/// What a process used until it ended. It is read before the process is waited for: other processes may end meanwhile, and
/// the kernel adds up those that were waited for.
async fn used(mut child: Child) -> Used {
    let process = PathBuf::from(format!("/proc/{}", child.id().unwrap()));
    let said =
        [tokio::spawn(read(child.stdout.take().unwrap())), tokio::spawn(read(child.stderr.take().unwrap()))];
    let mut used = Used::default();
    loop {
        let stat = fs::read_to_string(process.join("stat")).unwrap();
        let (state, cpu) = state_and_cpu(&stat);
        used.cpu = cpu;
        if state == "Z" {
            break;
        }
        let status = fs::read_to_string(process.join("status")).unwrap();
        used.peak_bytes = used.peak_bytes.max(high_water_mark(&status).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = child.wait().await.unwrap();
    let [stdout, stderr] = said;
    Ended::of(Output { status, stdout: stdout.await.unwrap(), stderr: stderr.await.unwrap() }).expect(0);
    used
}

async fn read(mut pipe: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// `VmHWM`; `None` once the process has ended.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Fields 3, and 14 and 15 of `/proc/<pid>/stat` in proc(5): user and system time in hundredths of a second.
pub fn state_and_cpu(stat: &str) -> (&str, Duration) {
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    (fields[0], Duration::from_millis(ticks * 10))
}
