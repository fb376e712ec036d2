//! `--probe`: copies some of the files into a scratch prefix of the target container, as a run copies them, measures it,
//! and removes the copies.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Measured, Sampled, duration::float};
use crate::{
    domain::{FileKind, ListedFile, PlannedFile},
    exit::Stop,
    ports::{BlobInfo, Blobs, Fault, Source},
    report::events::Way,
    run::Prediction,
    settings::WorkSettings,
};

/// Names of all copies of probes begin with this.
const SCRATCH: &str = "rogo-migrate-probe";
/// Copies under way at a time: what a run begins with, and doubles while that moves more. Of few files more at a time would
/// measure little but the last of them.
const WIDTHS: [usize; 3] = [32, 64, 128];
/// Fewest files per concurrent copy for which a width is tried.
const FILES_EACH: usize = 4;
/// How many times faster a wider pass has to be for the next one.
const WORTH_DOUBLING: f64 = 1.1;
/// Copies that are not measured: they open the connections, and show which way a container's files go.
const WARM_UP: usize = 16;

/// A measurement shorter than this is partly chance, all the more as the best of several: more passes follow …
const LONG_ENOUGH_MS: u64 = 6_000;
/// … at most this number of them, whose figures are used instead.
const MORE_PASSES: usize = 12;

/// A copy that has ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Instant,
    bytes: u64,
    way: Way,
}

/// Copies at a time that a probe tries: those that a run finds by itself, or those of the rows that `--in-flight` lets each of
/// its workers have under way.
pub fn widths(work: &WorkSettings, prediction: &Prediction) -> Vec<usize> {
    let [first, .., last] = WIDTHS;
    let Some(in_flight) = work.in_flight else { return WIDTHS.to_vec() };
    let of_a_row = prediction.files.files.div_ceil(prediction.outcomes.migrated.rows.max(1));
    let of_a_row = usize::try_from(of_a_row).unwrap_or(first).max(1);
    vec![work.workers.saturating_mul(in_flight).saturating_mul(of_a_row).clamp(1, last)]
}

/// Copies the files with `copy`, as a run copies them, and removes the copies, also if a copy fails. `copy` is given a file and
/// the name of its blob, and returns the file's length and the way that its bytes went.
pub async fn probe<C>(
    source: &dyn Source,
    target: &dyn Blobs,
    sample: Vec<Sampled>,
    widths: &[usize],
    copy: C,
) -> Result<Measured, Stop>
where
    C: AsyncFn(&PlannedFile, &str) -> Result<(u64, Way), Fault>,
{
    let prefix = format!("{SCRATCH}/{}", uuid::Uuid::new_v4().simple());
    tracing::info!(prefix, files = sample.len(), "copying for measurement; the copies are removed");
    let probe = Probe { prefix, copy, names: Mutex::default() };
    let measured = async { probe.copy_all(&planned(source, sample).await?, widths).await }.await;
    let names = probe.names.into_inner().unwrap_or_else(PoisonError::into_inner);
    let removed = match target.delete_many(&names).await {
        Ok(()) => target.remove_empty_folders(&probe.prefix).await,
        Err(fault) => Err(fault),
    };
    let measured = measured?;
    removed.map_err(|mut fault| {
        fault.what = format!("{}; remove what lies below {} by hand", fault.what, probe.prefix);
        fault
    })?;
    Ok(measured)
}

/// The files as a queue holds them: with what a listing told, so that their copies need no look at the source.
async fn planned(source: &dyn Source, sample: Vec<Sampled>) -> Result<Vec<PlannedFile>, Fault> {
    let looks = stream::iter(sample).map(|Sampled { url, is_listed }| async move {
        let listed = if is_listed { listed(source.head(&url).await?) } else { None };
        Ok::<_, Fault>(PlannedFile {
            kind: FileKind::Learner,
            upload_order: 1,
            source: url,
            name: String::new(),
            file_type: String::new(),
            file_mime_type: "",
            content_type: "application/octet-stream".into(),
            uploaded_by: None,
            listed: listed.map(Box::new),
        })
    });
    looks.buffered(WIDTHS[0]).try_collect().await
}

fn listed(info: BlobInfo) -> Option<ListedFile> {
    let BlobInfo { size_bytes, md5, etag, content_encoding, .. } = info;
    Some(ListedFile { order: 1, size_bytes, etag: etag?, md5, content_encoding })
}

struct Probe<C> {
    prefix: String,
    copy: C,
    /// Of every blob that may be there.
    names: Mutex<Vec<String>>,
}

impl<C> Probe<C>
where
    C: AsyncFn(&PlannedFile, &str) -> Result<(u64, Way), Fault>,
{
    async fn copy_all(&self, files: &[PlannedFile], widths: &[usize]) -> Result<Measured, Fault> {
        // Of few files all are measured: a run opens its connections too.
        let unmeasured = if files.len() > 4 * WARM_UP { WARM_UP } else { 0 };
        let (before, rest) = files.split_at(unmeasured);
        let (first, wider) =
            widths.split_first().map_or((WIDTHS[0], widths), |(first, wider)| (*first, wider));
        self.copy_some(before, first).await?;
        let mut best = self.measure(rest, first).await?;
        for width in wider.iter().copied().filter(|width| width * FILES_EACH <= rest.len()) {
            let measured = self.measure(rest, width).await?;
            let is_worth_it = measured.is_faster_than(&best, WORTH_DOUBLING);
            if measured.is_faster_than(&best, 1.0) {
                best = measured;
            }
            if !is_worth_it {
                break;
            }
        }
        if best.milliseconds >= LONG_ENOUGH_MS {
            return Ok(best);
        }
        let mut again = Measured { files: 0, bytes: 0, milliseconds: 0, ..best };
        for _ in 0..MORE_PASSES {
            let pass = self.measure(rest, best.at_a_time.max(1)).await?;
            again.files += pass.files;
            again.bytes += pass.bytes;
            again.milliseconds += pass.milliseconds;
            let ([fastest, slowest], [faster, slower]) =
                (again.fastest_and_slowest, pass.fastest_and_slowest);
            again.fastest_and_slowest = [fastest.min(faster), slowest.max(slower)];
            if again.milliseconds >= LONG_ENOUGH_MS {
                break;
            }
        }
        Ok(again)
    }

    async fn measure(&self, files: &[PlannedFile], width: usize) -> Result<Measured, Fault> {
        let began = Instant::now();
        let ended = self.copy_some(files, width).await?;
        Ok(measured(began, &ended, width))
    }

    /// The copies in the order in which they ended.
    async fn copy_some(&self, files: &[PlannedFile], width: usize) -> Result<Vec<Ended>, Fault> {
        let copies = stream::iter(files).map(|file| async {
            let name = self.name();
            let (bytes, way) = (self.copy)(file, &name).await?;
            Ok(Ended { at: Instant::now(), bytes, way })
        });
        copies.buffer_unordered(width).try_collect().await
    }

    fn name(&self) -> String {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}/{}", self.prefix, names.len());
        names.push(name.clone());
        name
    }
}

/// What the copies came to while as many as `width` were under way: of a run's copies, the first and the last, which have few
/// beside them, are a small part. Of few files all count.
fn measured(began: Instant, ended: &[Ended], width: usize) -> Measured {
    let full = ended.get(width - 1..ended.len().saturating_sub(width)).filter(|full| full.len() > width);
    let (began, copies) = match full {
        Some([first, rest @ ..]) => (first.at, rest),
        _ => (began, ended),
    };
    let took = copies.last().map_or_else(Default::default, |last| last.at - began);
    let by_the_service = copies.iter().filter(|copy| copy.way == Way::ServerSide).count();
    Measured {
        files: copies.len() as u64,
        bytes: copies.iter().map(|copy| copy.bytes).sum(),
        milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        fastest_and_slowest: fastest_and_slowest(began, copies),
        at_a_time: width.min(ended.len()),
        by_the_service: 2 * by_the_service > copies.len(),
    }
}

/// Milliseconds for each file in the faster and in the slower half of the copies.
fn fastest_and_slowest(mut began: Instant, copies: &[Ended]) -> [f64; 2] {
    let (first, second) = copies.split_at(copies.len() / 2);
    let (mut fastest, mut slowest) = (f64::INFINITY, 0.0_f64);
    for half in [first, second] {
        let Some(last) = half.last() else { continue };
        let each = (last.at - began).as_secs_f64() * 1_000.0 / float(half.len() as u64);
        (fastest, slowest) = (fastest.min(each), slowest.max(each));
        began = last.at;
    }
    [fastest.min(slowest), slowest]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Copies that end at these milliseconds.
    fn of(milliseconds: &[u64], width: usize) -> Measured {
        let began = Instant::now();
        let ended =
            |ms: &u64| Ended { at: began + Duration::from_millis(*ms), bytes: 10, way: Way::Streamed };
        measured(began, &milliseconds.iter().map(ended).collect::<Vec<_>>(), width)
    }

    #[test]
    fn as_many_copies_are_probed_as_the_run_may_have_under_way() {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, chrono::DateTime::UNIX_EPOCH);
        prediction.outcomes.migrated.rows = 10;
        prediction.files.files = 30;
        let work = |workers, in_flight| WorkSettings {
            workers,
            in_flight,
            pool: 3,
            warehouse_pool: 3,
            flush: Duration::ZERO,
            give_up_after: Duration::ZERO,
            breaker: None,
            target_guard: crate::settings::TargetGuard::Off,
        };
        assert_eq!(widths(&work(5, None), &prediction), WIDTHS);
        assert_eq!(widths(&work(1, Some(2)), &prediction), [6]);
        assert_eq!(widths(&work(5, Some(64)), &prediction), [128]);
    }

    #[test]
    fn only_what_ends_while_all_places_are_taken_is_measured() {
        // Two at a time: the first needs long to begin, the last one ends alone.
        let found = of(&[100, 110, 120, 130, 140, 150, 900], 2);
        assert_eq!((found.files, found.bytes, found.milliseconds), (3, 30, 30));
        // 10 ms and 2 × 10 ms.
        assert_eq!(found.fastest_and_slowest.map(|each| format!("{each:.0}")), ["10", "10"]);
        // Of few files all count.
        let found = of(&[100, 110, 120, 900], 2);
        assert_eq!(found.fastest_and_slowest.map(|each| format!("{each:.0}")), ["55", "395"]);
        assert_eq!((found.files, found.milliseconds), (4, 900));
        assert_eq!(of(&[], 32).files, 0);
    }
}
