//! Tells the verdict when a run ends. Whether it arrives changes nothing.

use crate::{
    adapters::{kubernetes::ClusterJob, notify},
    exit::{End, Stop},
    run::{Summary, Verdict},
    settings::Settings,
};

/// Tells the address of `--notify`, and leaves an Event on the shard Job, as far as the settings ask for it.
pub(super) async fn tell(settings: &Settings, summary: &Summary, ended: &Result<End, Stop>) {
    let exit = ended.as_ref().map_or_else(|stop| stop.exit, |end| end.exit);
    let verdict = Verdict::of(summary, exit as u8);
    if let Some(to) = &settings.notify {
        match notify::send(to, &verdict).await {
            Ok(()) => tracing::info!("the address of notify was told the verdict"),
            Err(why) => {
                tracing::warn!(
                    why,
                    "the address of notify was not told the verdict; the run is not changed by it"
                );
            }
        }
    }
    let Some(job) = settings.pod.shard_job.as_deref().filter(|_| settings.pod.notify_event) else { return };
    let namespace = settings.pod.namespace.as_deref().unwrap_or("default");
    match ClusterJob::new(namespace, job).announce(&verdict, &summary.in_a_line()).await {
        Ok(()) => tracing::info!(job, "an Event on the Job tells the verdict"),
        Err(fault) => {
            tracing::warn!(job, fault = %fault.chain(), "no Event tells the verdict; the run is not changed by it");
        }
    }
}
