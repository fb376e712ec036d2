//! Pictures as SVG: classes only, so that light, dark and print colour them.

use std::fmt::Write;

/// Width and height of a picture over time, in its own units.
pub(super) const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 190.0;
/// Where the plot begins, and where it ends below.
const LEFT: f64 = 46.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 150.0;

/// A line over time: its class, and a value for each slice.
pub(super) struct Line<'a> {
    pub(super) class: &'a str,
    pub(super) values: &'a [f64],
}

/// Slices in which something held: its class, and whether it did.
pub(super) struct Strip<'a> {
    pub(super) class: &'a str,
    pub(super) holds: Vec<bool>,
}

/// A number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "pictures need no more than seven digits")]
pub(super) fn real(number: usize) -> f64 {
    number as f64
}

/// A picture over time. The first line is filled. `labels` are places (0 to 1) and texts of the time axis.
pub(super) fn over_time(
    title: &str,
    lines: &[Line<'_>],
    strips: &[Strip<'_>],
    labels: &[(f64, String)],
) -> String {
    let most = lines.iter().flat_map(|line| line.values).fold(0.0_f64, |most, value| most.max(*value));
    let top = nice_above(most);
    let mut svg = begin(title, WIDTH, HEIGHT);
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let y = BOTTOM - share * (BOTTOM - TOP);
        let _ = write!(
            svg,
            r#"<path class="ax" d="M{LEFT} {y:.1}H{WIDTH}"/><text x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 5.0,
            y + 4.0,
            short(top * share)
        );
    }
    for (place, text) in labels {
        let x = LEFT + place * (WIDTH - LEFT);
        let anchor = if *place < 0.02 {
            "start"
        } else if *place > 0.9 {
            "end"
        } else {
            "middle"
        };
        let _ = write!(svg, r#"<text x="{x:.0}" y="{HEIGHT:.0}" text-anchor="{anchor}">{text}</text>"#);
    }
    for (place, line) in lines.iter().enumerate() {
        let path = stairs(line.values, top);
        if place == 0 {
            let _ = write!(svg, r#"<path class="a1" d="{path}V{BOTTOM}H{LEFT}z"/>"#);
        }
        let _ = write!(svg, r#"<path class="{}" d="{path}"/>"#, line.class);
    }
    for (place, strip) in strips.iter().enumerate() {
        let y = BOTTOM + 6.0 + 9.0 * real(place);
        let _ = write!(svg, r#"<path class="{}" d="{}"/>"#, strip.class, held(&strip.holds, y));
    }
    svg.push_str("</svg>");
    svg
}

/// The beginning of a picture with its name.
pub(super) fn begin(title: &str, width: f64, height: f64) -> String {
    format!(r#"<svg viewBox="0 0 {width:.0} {height:.0}" role="img" aria-label="{title}">"#)
}

/// A stair for each value: what was measured over a slice holds for all of it.
fn stairs(values: &[f64], top: f64) -> String {
    let step = (WIDTH - LEFT) / real(values.len().max(1));
    let mut path = String::new();
    let mut before = None;
    for (place, value) in values.iter().enumerate() {
        let (x, y) = (LEFT + real(place) * step, BOTTOM - value / top * (BOTTOM - TOP));
        let y = format!("{y:.1}");
        match &before {
            None => {
                let _ = write!(path, "M{x:.1} {y}");
            }
            Some(same) if *same == y => {}
            Some(_) => {
                let _ = write!(path, "H{x:.1}V{y}");
            }
        }
        before = Some(y);
    }
    let _ = write!(path, "H{WIDTH}");
    path
}

/// A bar from the first slice of each row of slices to its last.
fn held(holds: &[bool], y: f64) -> String {
    let step = (WIDTH - LEFT) / real(holds.len().max(1));
    let mut path = String::new();
    let mut from = None;
    for (place, holds) in holds.iter().copied().chain([false]).enumerate() {
        match (holds, from) {
            (true, None) => from = Some(place),
            (false, Some(first)) => {
                let (x, width) = (LEFT + real(first) * step, real(place - first) * step);
                let _ = write!(path, "M{x:.1} {y:.0}h{width:.1}v6h-{width:.1}z");
                from = None;
            }
            _ => {}
        }
    }
    path
}

/// The next number above that people like: 1, 2 or 5 times a power of ten.
fn nice_above(number: f64) -> f64 {
    if number <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= number).unwrap_or(power * 10.0)
}

/// A number of an axis.
pub(super) fn short(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        _ if number >= 1_000_000.0 => {
            format!("{:.3}", number / 1_000_000.0).trim_end_matches('0').trim_end_matches('.').to_owned()
                + " M"
        }
        _ if number >= 10.0 => format!("{number:.1}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_above_every_value() {
        for (number, top) in [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (7.2, 10.0), (240.0, 500.0)] {
            assert!((nice_above(number) - top).abs() < 1e-9, "{number}");
        }
        assert_eq!(short(2_500_000.0), "2.5 M");
        assert_eq!(short(0.25), "0.25");
    }

    #[test]
    fn slices_in_a_row_are_one_bar() {
        assert_eq!(held(&[false, true, true, false], 1.0).matches('M').count(), 1);
        assert_eq!(held(&[true, false, true], 1.0).matches('M').count(), 2);
    }
}
