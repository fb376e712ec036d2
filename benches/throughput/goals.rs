//! Figures beside their goals, and the verdict on all of them.

use std::process::ExitCode;

/// Rows for which quality.md states the goals of large runs.
pub const GOAL_ROWS: f64 = 3_000_000.0;

/// What a figure may be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints figures and remembers the goals that were missed.
#[derive(Default)]
pub struct Goals {
    missed: Vec<String>,
}

impl Goals {
    /// A figure without a goal.
    pub fn figure(what: &str, figure: f64, unit: &str) {
        println!("  {what:34} {figure:10.2} {unit}");
    }

    /// A figure that does not depend on the machine: a ratio of one run, a count, memory. Missing its goal fails the
    /// benchmark.
    pub fn demand(&mut self, what: &str, figure: f64, unit: &str, goal: Goal) {
        if !judge(what, figure, unit, goal) {
            self.missed.push(what.to_owned());
        }
    }

    /// A time of this machine: judged in print only.
    pub fn compare(what: &str, figure: f64, unit: &str, goal: Goal) {
        judge(what, figure, unit, goal);
    }

    /// The last line, and the exit code: 1 if a demand was missed.
    pub fn end(self) -> ExitCode {
        if self.missed.is_empty() {
            println!("every ratio, count and memory goal was met");
            ExitCode::SUCCESS
        } else {
            println!("missed: {}", self.missed.join("; "));
            ExitCode::FAILURE
        }
    }
}

fn judge(what: &str, figure: f64, unit: &str, goal: Goal) -> bool {
    let (met, sign, bound) = match goal {
        Goal::AtLeast(bound) => (figure >= bound, '≥', bound),
        Goal::AtMost(bound) => (figure <= bound, '≤', bound),
    };
    let verdict = if met { "met" } else { "MISSED" };
    println!("  {what:34} {figure:10.2} {unit:4} goal {sign} {bound:<8} {verdict}");
    met
}
