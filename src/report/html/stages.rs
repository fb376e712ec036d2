//! How long each stage took: percentiles, as bars and as a table.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::{Cells, svg};
use crate::{
    report::grid::{count, rows_f64},
    run::{Course, StageCourse},
};

/// Percentiles of the table.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];
const LEFT: f64 = 150.0;
const ROW: f64 = 30.0;

/// The section, ready to be shown.
pub(super) struct Stages {
    pub(super) svg: String,
    pub(super) table: Vec<Cells>,
}

/// A stage and its percentiles.
struct Known {
    name: &'static str,
    rows: u64,
    percentiles: [u64; 5],
    longest_ms: u64,
}

pub(super) fn of(course: &Course) -> Option<Stages> {
    let known: Vec<Known> = course.stages.iter().filter_map(known).collect();
    if known.is_empty() {
        return None;
    }
    let table = known.iter().map(|stage| {
        let mut cells = vec![count(stage.rows)];
        cells.extend(stage.percentiles.map(count));
        cells.push(count(stage.longest_ms));
        Cells { name: stage.name.to_owned(), cells }
    });
    Some(Stages { svg: bars(&known), table: table.collect() })
}

fn known(stage: &StageCourse) -> Option<Known> {
    let mut durations = Histogram::<u64>::new(3).ok()?;
    for (milliseconds, rows) in &stage.counts {
        durations.record_n(*milliseconds, *rows).ok()?;
    }
    let of = |percentile: f64| durations.value_at_percentile(percentile).min(stage.longest_ms);
    let name = match stage.stage.as_str() {
        "gather" => "gather (per chunk)",
        "copy" => "copy files",
        "commit" => "commit",
        _ => "whole row",
    };
    Some(Known {
        name,
        rows: durations.len(),
        percentiles: PERCENTILES.map(of),
        longest_ms: stage.longest_ms,
    })
}

fn bars(stages: &[Known]) -> String {
    let most = stages.iter().map(|stage| stage.longest_ms).max().unwrap_or(1).max(10);
    let decades = (1..=12).find(|decade| 10_u64.pow(*decade) >= most).unwrap_or(12);
    let place = |milliseconds: u64| {
        LEFT + rows_f64(milliseconds.max(1)).log10() / f64::from(decades) * (svg::WIDTH - LEFT - 12.0)
    };
    let height = ROW * svg::real(stages.len()) + 22.0;
    let mut picture = svg::begin(
        "Percentiles of each stage in milliseconds; the table below has the numbers",
        svg::WIDTH,
        height,
    );
    for decade in 0..=decades {
        let milliseconds = 10_u64.pow(decade);
        let x = place(milliseconds);
        let label = if milliseconds < 1_000 {
            format!("{milliseconds} ms")
        } else {
            format!("{} s", count(milliseconds / 1_000))
        };
        let (bottom, base) = (height - 18.0, height - 4.0);
        let anchor = if decade == decades { "end" } else { "middle" };
        let _ = write!(
            picture,
            r#"<path class="ax" d="M{x:.0} 0V{bottom:.0}"/><text x="{x:.0}" y="{base:.0}" text-anchor="{anchor}">{label}</text>"#
        );
    }
    for (number, stage) in stages.iter().enumerate() {
        let y = ROW * svg::real(number) + 7.0;
        let [half, nine, _, end, _] = stage.percentiles.map(place);
        let (middle, width) = (y + 8.0, (end - half).max(2.0));
        let _ = write!(
            picture,
            r#"<text x="0" y="{:.0}">{}</text><rect class="bar" x="{half:.1}" y="{y:.0}" width="{width:.1}" height="16"/><path class="tick" d="M{nine:.1} {y:.0}v16"/><circle class="dot" cx="{:.1}" cy="{middle:.0}" r="4"/>"#,
            y + 12.0,
            stage.name,
            place(stage.longest_ms)
        );
    }
    picture.push_str("</svg>");
    picture
}
