//! File operations with a deadline: a network file system whose server is not reachable blocks without end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio_util::io::ReaderStream;

use super::{Fault, FaultKind, Service, on_thread};

/// For one file of ordinary size, or one part of a larger one.
pub const WORK: Duration = Duration::from_mins(2);

/// For a file of any size, or a whole folder.
pub const LARGE_WORK: Duration = Duration::from_mins(30);

/// For a caller that goes on without the answer.
const MOMENT: Duration = Duration::from_millis(100);

/// Runs blocking work on a blocking thread, and waits for it two minutes at most.
pub async fn blocking<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    blocking_for(WORK, service, work).await
}

/// As [`blocking`], with another deadline. The thread itself cannot be ended: it stays until the file system answers.
pub async fn blocking_for<T: Send + 'static>(
    most: Duration,
    service: Service,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    in_time(most, service, on_thread(work)).await?
}

/// As [`blocking`], for callers that are not asynchronous: what reads one small file before the work of the process begins.
pub fn blocking_here<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    within(WORK, service, work)
}

/// As [`blocking_here`], for callers that must not wait: `told` gets the answer, on another thread. That of a file system which
/// answers is there when this returns.
pub fn blocking_beside<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> T + Send + 'static,
    told: impl FnOnce(Result<T, Fault>) + Send + 'static,
) {
    let (sender, ended) = channel();
    thread::spawn(move || {
        told(within(WORK, service, work));
        // Fails if the caller has gone on.
        let _ = sender.send(());
    });
    let _ = ended.recv_timeout(MOMENT);
}

fn within<T: Send + 'static>(
    most: Duration,
    service: Service,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let (sender, answer) = channel();
    thread::spawn(move || {
        // Fails if the caller waits no longer.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    match answer.recv_timeout(most) {
        Ok(answer) => Ok(answer.unwrap_or_else(|panic| resume_unwind(panic))),
        Err(_elapsed) => Err(silent(most, service)),
    }
}

/// What the file system answers, waited for so long at most.
pub async fn in_time<T>(
    most: Duration,
    service: Service,
    answer: impl Future<Output = T>,
) -> Result<T, Fault> {
    tokio::time::timeout(most, answer).await.map_err(|_elapsed| silent(most, service))
}

fn silent(after: Duration, service: Service) -> Fault {
    let what = format!(
        "the file system did not answer for {} s; see whether its server (NFS?) can be reached",
        after.as_secs()
    );
    Fault::new(service, FaultKind::Unavailable, what)
}

/// How much of a file is read at a time.
pub const READ_BYTES: usize = 256 * 1024;

/// … and at least: some file systems say that a file is empty which is not.
const LEAST_BYTES: usize = 8 * 1024;

/// The contents of a file of so many bytes, with a buffer no larger than they need: hundreds of small files are read at once.
pub fn contents(
    file: std::fs::File,
    bytes: u64,
    service: Service,
    fault: impl Fn(std::io::Error) -> Fault + Send + 'static,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    let capacity = usize::try_from(bytes)
        .map_or(READ_BYTES, |bytes| bytes.saturating_add(1).clamp(LEAST_BYTES, READ_BYTES));
    let parts = ReaderStream::with_capacity(tokio::fs::File::from_std(file), capacity);
    with_deadline(parts.map_err(fault).boxed(), service)
}

/// The stream, each part of which comes within two minutes or is a fault.
pub fn with_deadline(
    body: BoxStream<'static, Result<Bytes, Fault>>,
    service: Service,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    stream::try_unfold(body, move |mut body| async move {
        let part = in_time(WORK, service, body.try_next()).await??;
        Ok(part.map(|bytes| (bytes, body)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_system_that_is_silent_is_a_fault_that_may_pass() {
        let silent = with_deadline(stream::pending().boxed(), Service::SourceBlobs);
        let fault = silent.collect::<Vec<_>>().await.remove(0).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert!(fault.to_string().contains("did not answer for 120 s"), "{fault}");
    }

    #[tokio::test]
    async fn work_that_does_not_end_is_waited_for_no_longer_than_its_deadline() {
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let work = move || {
            // Ends when the test drops the sender.
            let _ = never.recv();
            Ok(())
        };
        let fault = blocking_for(Duration::from_millis(20), Service::RunStore, work).await.unwrap_err();
        assert_eq!((fault.service, &fault.kind), (Service::RunStore, &FaultKind::Unavailable));
    }

    #[test]
    fn work_without_a_runtime_has_its_deadline_too() {
        assert_eq!(blocking_here(Service::Inputs, || 7).unwrap(), 7);
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let work = move || never.recv().is_ok();
        let fault = within(Duration::from_millis(20), Service::Inputs, work).unwrap_err();
        assert_eq!((fault.service, &fault.kind), (Service::Inputs, &FaultKind::Unavailable));
        let ended = catch_unwind(|| blocking_here::<()>(Service::Inputs, || panic!("planted")));
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"planted"), "a panic goes on in the caller");
    }
}
