//! A map of shards: a mark for each, so that a thousand shards fit on a screen and the odd one catches the eye.

use std::fmt::Write;

use super::{ShardPhase, ShardStanding};
use crate::report::grid::{count, permille};

/// Lines of the map at most; with more shards a mark stands for several.
const LINES: usize = 20;
/// Marks of shards at work, by their share of rows with an outcome.
const LEVELS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];

/// The map with its legend, no line wider than `columns`.
pub(super) fn map(shards: &[ShardStanding], columns: usize) -> String {
    let label = count(shards.len() as u64).len();
    // Whole tens, so that a place can be counted; as few as ten on a terminal that is too narrow for anything.
    let across = (columns.saturating_sub(label + 1) / 10 * 10).max(10);
    let each = shards.len().div_ceil(across * LINES).max(1);
    let mut text = String::new();
    for (line, marks) in shards.chunks(across * each).enumerate() {
        let first = (line * across * each) as u64;
        let marks: String = marks.chunks(each).map(mark).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:>label$} {marks}", count(first));
    }
    text.push_str("█ done  ▁▄▇ at work, by rows done  ! silent  x ended early  · not begun");
    if each > 1 {
        let _ = write!(text, "; {each} shards a mark");
    }
    text.push('\n');
    text
}

/// The mark of some shards: that of the one that needs a look first.
fn mark(shards: &[ShardStanding]) -> char {
    let (mut done, mut total) = (0, 0);
    for shard in shards {
        (done, total) = (done + shard.rows.done(), total + shard.rows.total);
    }
    match shards.iter().map(|shard| shard.phase).min().unwrap_or(ShardPhase::Done) {
        ShardPhase::Silent => '!',
        ShardPhase::EndedEarly => 'x',
        ShardPhase::AtWork => {
            let level = permille(done, total) * LEVELS.len() as u64 / 1_001;
            usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).copied().unwrap_or('▇')
        }
        // Of several some may be done.
        ShardPhase::NotBegun if done > 0 => '▁',
        ShardPhase::NotBegun => '·',
        ShardPhase::Done => '█',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ShardIndex, report::standing::Rows};

    fn shards(count: u32, phase: impl Fn(u32) -> ShardPhase) -> Vec<ShardStanding> {
        let one = |index| {
            let phase = phase(index);
            let migrated = match phase {
                ShardPhase::Done => 100,
                ShardPhase::NotBegun => 0,
                _ => u64::from(index) % 100,
            };
            ShardStanding {
                shard: ShardIndex(index),
                rows: Rows { total: 100, migrated, failed: 0, skipped: 0, lost: 0 },
                done: phase == ShardPhase::Done,
                phase,
                state: String::new(),
                rows_per_second: 0.0,
            }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn each_shard_has_a_mark_at_its_place() {
        let shards = shards(25, |index| match index {
            0..12 => ShardPhase::Done,
            12 => ShardPhase::Silent,
            13 => ShardPhase::EndedEarly,
            14..18 => ShardPhase::AtWork,
            _ => ShardPhase::NotBegun,
        });
        let text = map(&shards, 13);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.get(..3), Some([" 0 ██████████", "10 ██!x▁▂▂▂··", "20 ·····"].as_slice()));
        assert_eq!(
            lines.get(3..),
            Some(["█ done  ▁▄▇ at work, by rows done  ! silent  x ended early  · not begun"].as_slice())
        );
    }

    #[test]
    fn any_number_of_shards_fits_and_one_that_is_silent_is_seen() {
        for (number, columns) in [(1, 60), (1_000, 60), (1_000, 80), (1_000, 200), (100_000, 80)] {
            let odd = number / 2;
            let shards =
                shards(number, |index| if index == odd { ShardPhase::Silent } else { ShardPhase::Done });
            let text = map(&shards, columns);
            let (map, legend) = text.trim_end().rsplit_once('\n').unwrap();
            let lines: Vec<&str> = map.lines().collect();
            assert!(lines.len() <= LINES, "{number} shards: {} lines", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{text}");
            assert_eq!(lines.iter().filter(|line| line.contains('!')).count(), 1, "{text}");
            assert_eq!(legend.contains("shards a mark"), number > 20_000 / 10, "{legend}");
        }
    }
}
