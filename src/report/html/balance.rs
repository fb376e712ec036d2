//! How the work was spread: shards, workers, and the slowest rows.

use std::fmt::Write;

use super::{Cells, mebibytes, seconds, svg};
use crate::{
    report::grid::{count, per_second, permille},
    run::{Course, ShardCourse, SlowRow},
};

/// Shards of the table; `telemetry.json` has them all.
const SHARDS_SHOWN: usize = 1_000;
/// Cells of the picture, and of a line of it.
const CELLS: usize = 4_000;
const CELLS_A_LINE: usize = 60;
const CELL: f64 = 12.0;
/// Shards up to which the table is unfolded.
const SHORT: usize = 32;

/// The shards, ready to be shown.
pub(super) struct Shards {
    pub(super) says: String,
    pub(super) svg: String,
    pub(super) legend: Vec<Part>,
    pub(super) caption: String,
    pub(super) is_short: bool,
    pub(super) table: Vec<Cells>,
}

/// A kind of shards in the picture.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The workers, ready to be shown.
pub(super) struct Workers {
    pub(super) svg: String,
    pub(super) table: Vec<Cells>,
}

/// How a shard ended; the number is its class in the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    WithFailures,
    Incomplete,
    Empty,
}

impl Ended {
    const ALL: [(Self, &'static str, &'static str, &'static str); 4] = [
        (Self::Well, "c1", "kc1", "without failed rows"),
        (Self::WithFailures, "c2", "kc2", "with failed rows"),
        (Self::Incomplete, "c3", "kc3", "with missing or lost rows"),
        (Self::Empty, "c4", "kc4", "without rows"),
    ];

    fn of(shard: &ShardCourse) -> Self {
        match shard {
            ShardCourse { rows: 0, .. } => Self::Empty,
            _ if shard.done() < shard.rows => Self::Incomplete,
            _ if shard.failed > 0 => Self::WithFailures,
            _ => Self::Well,
        }
    }
}

pub(super) fn shards(course: &Course) -> Shards {
    let shown = shown(course);
    let all = course.shards.len();
    let caption = if shown.len() < all {
        format!(
            "{} of {} shards: the incomplete ones and the slowest; telemetry.json has them all",
            count(shown.len() as u64),
            count(all as u64)
        )
    } else {
        format!("{} shard{}", count(all as u64), if all == 1 { "" } else { "s" })
    };
    let table = shown.into_iter().filter_map(|index| course.shards.get(index).map(|shard| row(index, shard)));
    let legend = Ended::ALL.into_iter().filter_map(|(ended, _, class, text)| {
        let shards = course.shards.iter().filter(|shard| Ended::of(shard) == ended).count();
        (shards > 0).then(|| Part { class, text: format!("{} {text}", count(shards as u64)) })
    });
    Shards {
        says: says(course),
        svg: grid(course),
        legend: legend.collect(),
        caption,
        is_short: all <= SHORT,
        table: table.collect(),
    }
}

/// Indexes of the shards that the table shows, ascending.
fn shown(course: &Course) -> Vec<usize> {
    let mut order: Vec<usize> = (0..course.shards.len()).collect();
    if order.len() > SHARDS_SHOWN {
        let key = |index: &usize| {
            let shard = course.shards.get(*index);
            shard.map(|shard| (shard.done() >= shard.rows, std::cmp::Reverse(shard.took_ms())))
        };
        order.sort_by_key(key);
        order.truncate(SHARDS_SHOWN);
        order.sort_unstable();
    }
    order
}

fn row(index: usize, shard: &ShardCourse) -> Cells {
    let took = shard.took_ms();
    let rate = per_second(shard.done(), std::time::Duration::from_millis(took));
    let missing = shard.rows.saturating_sub(shard.done());
    let cells = [shard.rows, shard.migrated, shard.failed, shard.skipped, missing].map(count);
    let mut cells = cells.to_vec();
    cells.extend([
        mebibytes(shard.bytes),
        seconds(took),
        format!("{rate:.1}"),
        count(shard.longest_ms),
        count(shard.processes),
    ]);
    Cells { name: index.to_string(), cells }
}

fn says(course: &Course) -> String {
    let mut took: Vec<(u64, usize)> = course
        .shards
        .iter()
        .enumerate()
        .filter(|(_, shard)| shard.first.is_some())
        .map(|(index, shard)| (shard.took_ms(), index))
        .collect();
    took.sort_unstable();
    let (Some((most, slowest)), Some((half, _))) = (took.last(), took.get(took.len() / 2)) else {
        return "No shard has an outcome.".to_owned();
    };
    if took.len() == 1 {
        return format!("One shard took {} s from its first outcome to its last.", seconds(*most));
    }
    format!(
        "From its first outcome to its last, half of the shards took at most {} s; the slowest, shard {slowest}, {} s.",
        seconds(*half),
        seconds(*most)
    )
}

/// A cell for each shard, by index: coloured by how it ended, hollow if rows are missing.
fn grid(course: &Course) -> String {
    let shown = course.shards.len().min(CELLS);
    let lines = shown.div_ceil(CELLS_A_LINE).max(1);
    let (width, height) = (CELL * svg::real(CELLS_A_LINE), CELL * svg::real(lines));
    let mut picture = svg::begin("Shards by how they ended; the table below has the numbers", width, height);
    for (ended, class, _, _) in Ended::ALL {
        let mut path = String::new();
        for (index, _) in
            course.shards.iter().take(CELLS).enumerate().filter(|(_, shard)| Ended::of(shard) == ended)
        {
            let (x, y) =
                (CELL * svg::real(index % CELLS_A_LINE) + 1.0, CELL * svg::real(index / CELLS_A_LINE) + 1.0);
            // Told apart by their forms too: a square, a triangle, a hollow square.
            let form = if ended == Ended::WithFailures { "v10h10z" } else { "h10v10h-10z" };
            let _ = write!(path, "M{x:.0} {y:.0}{form}");
        }
        if !path.is_empty() {
            let _ = write!(picture, r#"<path class="{class}" d="{path}"/>"#);
        }
    }
    picture.push_str("</svg>");
    picture
}

pub(super) fn workers(course: &Course) -> Workers {
    let all: u64 = course.workers.iter().map(|worker| worker.rows).sum();
    let most = course.workers.iter().map(|worker| worker.rows).max().unwrap_or(1).max(1);
    let height = 14.0 * svg::real(course.workers.len()) + 4.0;
    let mut picture = svg::begin("Rows per worker; the table below has the numbers", svg::WIDTH, height);
    let mut table = Vec::new();
    for (place, worker) in course.workers.iter().enumerate() {
        let y = 14.0 * svg::real(place);
        let width = svg::real(usize::try_from(permille(worker.rows, most)).unwrap_or(0)) / 1_000.0
            * (svg::WIDTH - 40.0);
        let _ = write!(
            picture,
            r#"<text x="24" y="{:.0}" text-anchor="end">{}</text><rect class="bar" x="32" y="{:.0}" width="{width:.1}" height="10"/>"#,
            y + 11.0,
            worker.worker,
            y + 2.0
        );
        let share = permille(worker.rows, all);
        let cells = vec![
            count(worker.rows),
            format!("{}.{}", share / 10, share % 10),
            mebibytes(worker.bytes),
            seconds(worker.busy_ms),
        ];
        table.push(Cells { name: worker.worker.to_string(), cells });
    }
    picture.push_str("</svg>");
    Workers { svg: picture, table }
}

pub(super) fn slowest(course: &Course) -> Vec<Cells> {
    course.slowest.iter().map(slow).collect()
}

fn slow(row: &SlowRow) -> Cells {
    let mut cells = [row.milliseconds, row.copy_ms, row.commit_ms, u64::from(row.files)].map(count).to_vec();
    cells.extend([mebibytes(row.bytes), row.shard.to_string(), row.worker.to_string(), row.outcome.clone()]);
    Cells { name: row.row.to_string(), cells }
}
