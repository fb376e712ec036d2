//! SIGTERM and SIGINT: the first asks for a clean end, the second ends at once. SIGUSR1 asks how far the process is.

use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{last_word::last_word, own_disk::DiskAtStop};
use crate::{
    exit::{Exit, Stop},
    report::tell_wait,
};

/// A token that the first signal cancels, and what the disk was like then. The handlers are installed when this returns.
pub fn stop_token(runtime: &Runtime) -> Result<(CancellationToken, DiskAtStop), Stop> {
    let _entered = runtime.enter();
    let cannot =
        |error: std::io::Error| Stop::new(Exit::Temporary, format!("cannot listen for SIGTERM: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    // Once it is listened for, it ends no process: a plan or a finalize ignores it.
    drop(signal(SignalKind::user_defined1()).map_err(cannot)?);
    let token = CancellationToken::new();
    let (stop, disk) = (token.clone(), DiskAtStop::default());
    let at_stop = disk.clone();
    // Ends with the runtime.
    runtime.spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if count == 2 {
                last_word(Exit::Stopped, "stopped at once by a second signal: what was under way may not be recorded; run again to continue");
                std::process::exit(i32::from(Exit::Stopped as u8));
            }
            tell_wait("stopping: rows under way are finished and recorded; a second signal ends at once");
            at_stop.note();
            stop.cancel();
        }
    });
    Ok((token, disk))
}

/// Does this at each SIGUSR1.
pub async fn each_usr1(mut show: impl FnMut()) {
    // Without a handler it ends the process, which then never comes here.
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return };
    while asked.recv().await.is_some() {
        show();
    }
}
