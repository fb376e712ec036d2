//! Time, CPU and memory of one process of ours, as the kernel counts them.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::process::Child;

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
    let before = cpu_of_children();
    let peaks = futures_util::future::join_all(children.into_iter().map(peak)).await;
    let (elapsed, cpu) = (began.elapsed(), cpu_of_children().saturating_sub(before));
    Cost { elapsed, cpu, peak_bytes: peaks.into_iter().max().unwrap_or_default() }
}

/// The largest resident set of a process, once it has ended.
async fn peak(child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut peak_bytes = 0;
    let ending = child.wait_with_output();
    tokio::pin!(ending);
    let output = loop {
        tokio::select! {
            output = &mut ending => break output.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                peak_bytes = peak_bytes.max(high_water_mark(&status).unwrap_or(0));
            }
        }
    };
    Ended::of(output).expect(0);
    peak_bytes
}

/// `VmHWM`; `None` once the process has ended.
fn high_water_mark(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// User and system time of all children that have ended: fields 16 and 17 of proc(5), in hundredths of a second.
fn cpu_of_children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks: u64 =
        fields.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
