//! Tells how a run ended: its verdict, or that it stopped before there was one. Whether it arrives changes nothing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    adapters::{kubernetes::ClusterJob, notify},
    cli::Command,
    exit::{End, Exit, Stop},
    ports::overdue,
    run::{Ending, Stopped, Summary, Verdict},
    settings::{NotifySettings, Sources},
};

/// A process that was asked to stop, and may no longer, gives the receiver so long.
const LAST: Duration = Duration::from_secs(1);

/// Tells once, when the process is about to end, the address of `--notify` and the shard Job, as far as the settings ask for it.
pub struct Teller {
    settings: NotifySettings,
    /// Whether the end of this process is the end of a run, also without a verdict.
    ends_a_run: AtomicBool,
    summary: Mutex<Option<Summary>>,
}

impl Teller {
    /// Of a command: a plan and a shard are followed by the finalizer, which sees how they ended.
    pub(super) fn of(command: &Command, sources: &Sources) -> Self {
        let ends_a_run = matches!(command, Command::Run(_) | Command::Finalize(_));
        Self {
            settings: NotifySettings::of(sources),
            ends_a_run: AtomicBool::new(ends_a_run),
            summary: Mutex::default(),
        }
    }

    /// From now on the end of this process is the end of a run.
    pub(super) fn moves_rows(&self) {
        self.ends_a_run.store(true, Ordering::Relaxed);
    }

    /// The books were balanced.
    pub(super) fn note(&self, summary: &Summary) {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary.clone());
    }

    /// Tells how the process ends; less and less patiently once `cut_off` says that a stop has taken too long.
    pub(super) async fn tell(&self, ended: &Result<End, Stop>, cut_off: &CancellationToken) {
        let Some((ending, line)) = self.ending(ended) else { return };
        tokio::select! {
            () = self.tell_address(&ending) => {}
            () = overdue(cut_off, LAST) => {
                tracing::warn!("the message to the address of --notify was not sent in the time that a stop leaves");
            }
        }
        tokio::select! {
            () = self.tell_job(&ending, &line) => {}
            () = overdue(cut_off, Duration::ZERO) => {}
        }
    }

    /// The message to be sent, as a document and in a line; `None` if there is none to send, because nothing has ended.
    fn ending(&self, ended: &Result<End, Stop>) -> Option<(Ending, String)> {
        let summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (summary, ended) {
            (Some(summary), ended) => {
                let exit = ended.as_ref().map_or_else(|stop| stop.exit, |end| end.exit);
                let verdict = Verdict::of(&summary, exit as u8);
                Some((Ending::Verdict(Box::new(verdict)), summary.in_a_line()))
            }
            // Kubernetes stops a pod and starts another.
            (None, Err(stop)) if stop.exit == Exit::Stopped && self.settings.pod.name.is_some() => None,
            (None, Err(stop)) if self.ends_a_run.load(Ordering::Relaxed) => {
                let stopped = Stopped::of(self.settings.run.clone(), stop);
                let Stopped { exit_code, meaning, next, .. } = &stopped;
                let line = format!("STOPPED (exit code {exit_code}): {meaning}; {next}");
                Some((Ending::Stopped(stopped), line))
            }
            (None, _) => None,
        }
    }

    async fn tell_address(&self, ending: &Ending) {
        let Some(to) = &self.settings.to else { return };
        match notify::send(to, ending).await {
            Ok(()) => tracing::info!("the address of notify was told how the run ended"),
            Err(why) => tracing::warn!(
                why,
                "the address of notify was not told how the run ended; the run is not changed by it"
            ),
        }
    }

    async fn tell_job(&self, ending: &Ending, line: &str) {
        let pod = &self.settings.pod;
        let Some(job) = pod.shard_job.as_deref().filter(|_| pod.notify_event) else { return };
        let namespace = pod.namespace.as_deref().unwrap_or("default");
        match ClusterJob::new(namespace, job).announce(ending, line).await {
            Ok(()) => tracing::info!(job, "an Event on the Job tells how the run ended"),
            Err(fault) => {
                let fault = fault.chain();
                tracing::warn!(job, fault, "no Event tells how the run ended; the run is not changed by it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_is_silent_does_not_hold_a_stop_that_took_too_long() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
        let teller = Teller {
            settings: NotifySettings { to: Some(to), ..NotifySettings::default() },
            ends_a_run: true.into(),
            summary: Mutex::default(),
        };
        let (ended, cut_off) = (Err(Stop::new(Exit::Stopped, "stopped")), CancellationToken::new());
        let telling = async |cut_off: &CancellationToken| {
            let began = tokio::time::Instant::now();
            teller.tell(&ended, cut_off).await;
            began.elapsed()
        };
        let whole = telling(&cut_off).await;
        assert!(whole > Duration::from_secs(20) && whole <= Duration::from_secs(30), "3 tries: {whole:?}");
        cut_off.cancel();
        assert!(telling(&cut_off).await <= Duration::from_millis(1_100));
    }
}
