//! Rows and bytes over time, with the states behind.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use flate2::{Compression, GzBuilder};
use serde::Serialize;

use super::{
    instant, mebibytes, seconds,
    svg::{Line, Strip, over_time, real, short},
};
use crate::{
    report::grid::{count, rows_f64, span},
    run::{Course, Slice},
};

/// Rows of the table behind the pictures.
const TABLE_ROWS: usize = 60;
/// Labels of the time axis.
const LABELS: usize = 6;
const MEBIBYTE: f64 = 1_048_576.0;

/// The section, ready to be shown.
pub(super) struct Time {
    pub(super) says: String,
    pub(super) rows_svg: String,
    pub(super) bytes_svg: String,
    pub(super) caption: String,
    pub(super) table: Vec<Row>,
}

/// A row of the table behind the pictures.
pub(super) struct Row {
    pub(super) from: String,
    pub(super) migrated: String,
    pub(super) failed: String,
    pub(super) skipped: String,
    pub(super) rate: String,
    pub(super) bytes: String,
    pub(super) throttled: String,
    pub(super) waiting: String,
}

/// Why processes waited.
pub(super) struct Wait {
    pub(super) state: String,
    pub(super) time: String,
    pub(super) times: String,
    pub(super) from: String,
    pub(super) to: String,
}

pub(super) fn of(course: &Course) -> Option<Time> {
    let slices = filled(course);
    let first = slices.first()?;
    let length = rows_f64(course.slice_s.max(1));
    let per_second = |value: fn(&Slice) -> u64| -> Vec<f64> {
        slices.iter().map(|slice| rows_f64(value(slice)) / length).collect()
    };
    let (migrated, failed, skipped) = (
        per_second(|slice| slice.migrated),
        per_second(|slice| slice.failed),
        per_second(|slice| slice.skipped),
    );
    let bytes: Vec<f64> = per_second(|slice| slice.bytes).iter().map(|bytes| bytes / MEBIBYTE).collect();
    let strips = || {
        let holds = |value: fn(&Slice) -> u64| slices.iter().map(|slice| value(slice) > 0).collect();
        [
            Strip { class: "slowed", holds: holds(|slice| slice.throttled_ms) },
            Strip { class: "wai", holds: holds(|slice| slice.waiting_ms) },
        ]
    };
    let labels = labels(&slices, course.slice_s);
    let lines = [
        Line { class: "l1", values: &migrated },
        Line { class: "l2", values: &failed },
        Line { class: "l3", values: &skipped },
    ];
    let best = slices.iter().max_by_key(|slice| slice.migrated).unwrap_or(first);
    let (table, each) = table(&slices, course.slice_s);
    Some(Time {
        says: format!(
            "{} slices of {}. The best one migrated {} rows/s, from {} UTC on.",
            count(slices.len() as u64),
            span(std::time::Duration::from_secs(course.slice_s)),
            short(round(rows_f64(best.migrated) / length)),
            at(best.from_s)
        ),
        rows_svg: over_time(
            "Rows per second over time; the table below has the numbers",
            &lines,
            &strips(),
            &labels,
        ),
        bytes_svg: over_time(
            "MiB of files per second over time; the table below has the numbers",
            &[Line { class: "l1", values: &bytes }],
            &strips(),
            &labels,
        ),
        caption: format!("Each row is {}", span(std::time::Duration::from_secs(each))),
        table,
    })
}

/// Why processes waited, the longest first.
pub(super) fn waits(course: &Course) -> Vec<Wait> {
    let waits = course.waits.iter().map(|wait| Wait {
        state: wait.state.clone(),
        time: span(std::time::Duration::from_millis(wait.milliseconds)),
        times: count(wait.times),
        from: instant(wait.from),
        to: instant(wait.to),
    });
    waits.collect()
}

/// What the live pictures read: gzip, then base64. Empty if there is nothing to show.
pub(super) fn packed(course: &Course) -> String {
    #[derive(Serialize)]
    struct Data {
        step: u64,
        t: Vec<i64>,
        migrated: Vec<f64>,
        failed: Vec<f64>,
        skipped: Vec<f64>,
        bytes: Vec<f64>,
        throttled: Vec<u64>,
        waiting: Vec<u64>,
    }
    let slices = filled(course);
    if slices.is_empty() {
        return String::new();
    }
    let length = rows_f64(course.slice_s.max(1));
    let rates = |value: fn(&Slice) -> u64| {
        slices.iter().map(|slice| round(rows_f64(value(slice)) / length)).collect()
    };
    let data = Data {
        step: course.slice_s,
        t: slices.iter().map(|slice| slice.from_s).collect(),
        migrated: rates(|slice| slice.migrated),
        failed: rates(|slice| slice.failed),
        skipped: rates(|slice| slice.skipped),
        bytes: slices.iter().map(|slice| round(rows_f64(slice.bytes) / length / MEBIBYTE)).collect(),
        throttled: slices.iter().map(|slice| slice.throttled_ms).collect(),
        waiting: slices.iter().map(|slice| slice.waiting_ms).collect(),
    };
    let json = serde_json::to_vec(&data).unwrap_or_default();
    // No name and no time: the same data make the same bytes.
    let mut packing = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let packed = packing.write_all(&json).and_then(|()| packing.finish());
    packed.map(|bytes| STANDARD.encode(bytes)).unwrap_or_default()
}

/// Every slice from the first to the last, those in which nothing happened included.
fn filled(course: &Course) -> Vec<Slice> {
    let step = i64::try_from(course.slice_s.max(1)).unwrap_or(i64::MAX);
    let mut slices: Vec<Slice> = Vec::new();
    for slice in &course.slices {
        while let Some(last) = slices.last().filter(|last| last.from_s + step < slice.from_s) {
            slices.push(Slice { from_s: last.from_s + step, ..Slice::default() });
        }
        slices.push(*slice);
    }
    slices
}

/// At most [`TABLE_ROWS`] rows, and the seconds of each.
fn table(slices: &[Slice], length_s: u64) -> (Vec<Row>, u64) {
    let each = slices.len().div_ceil(TABLE_ROWS).max(1);
    let rows = slices.chunks(each).map(|chunk| {
        let sum = |value: fn(&Slice) -> u64| chunk.iter().map(value).sum::<u64>();
        let time = length_s.max(1) * chunk.len() as u64;
        let settled = sum(|slice| slice.migrated + slice.failed + slice.skipped);
        Row {
            from: chunk.first().map(|slice| at(slice.from_s)).unwrap_or_default(),
            migrated: count(sum(|slice| slice.migrated)),
            failed: count(sum(|slice| slice.failed)),
            skipped: count(sum(|slice| slice.skipped)),
            rate: format!("{:.1}", rows_f64(settled) / rows_f64(time)),
            bytes: mebibytes(sum(|slice| slice.bytes) / time),
            throttled: seconds(sum(|slice| slice.throttled_ms)),
            waiting: seconds(sum(|slice| slice.waiting_ms)),
        }
    });
    (rows.collect(), length_s.max(1) * each as u64)
}

fn labels(slices: &[Slice], length_s: u64) -> Vec<(f64, String)> {
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else { return Vec::new() };
    let step = i64::try_from(length_s).unwrap_or(1);
    let (begin, end) = (first.from_s, last.from_s + step);
    let days = (end - begin) > 36 * 3_600;
    let form = if days { "%m-%d %H:%M" } else { "%H:%M:%S" };
    let labels = (0..LABELS).map(|place| {
        let share = real(place) / real(LABELS - 1);
        let whole = i64::try_from(place).unwrap_or_default();
        let second = begin + (end - begin) * whole / i64::try_from(LABELS - 1).unwrap_or(1);
        let text = DateTime::from_timestamp(second, 0).map(|at| at.format(form).to_string());
        (share, text.unwrap_or_default())
    });
    labels.collect()
}

/// Three digits behind the point are enough for a picture.
fn round(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

fn at(second: i64) -> String {
    DateTime::<Utc>::from_timestamp(second, 0).map(instant).unwrap_or_default()
}
