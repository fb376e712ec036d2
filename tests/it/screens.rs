//! What people see, as pictures of a terminal in `docs/screens`: each help text, progress, and where a run stands, at 80, 120
//! and 200 columns. `SNAPSHOTS=overwrite` draws them anew; look at them before you commit.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressDrawTarget, TermLike};
use rogo_migrate::{
    domain::{InputDigest, ShardIndex},
    ports::{JobState, RunJob, RunJobs},
    report::{
        events::Ended,
        progress::{self, Bar, Counts, OfShard, Snapshot},
        standing::{Rows, RunState, ShardPhase, ShardStanding, Standing},
    },
    run::{Limit, LimitCode, State},
    watch::standing::{Facts, judge},
};
use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV, data::DataFormat};

use crate::support::{plans, process};

const WIDTHS: [usize; 3] = [80, 120, 200];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens")
}

/// Compares a screen with its picture, to the letter.
fn check(name: &str, screen: &str) {
    let picture =
        Data::read_from(&folder().join(format!("{name}.term.svg")), Some(DataFormat::TermSvg)).raw();
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(screen.trim_end(), picture);
}

/// No line of a screen is wider than the terminal: a line that wraps is read wrong.
fn fits(screen: &str, columns: usize) {
    for line in screen.lines() {
        assert!(line.chars().count() <= columns, "wider than {columns} columns: {line}");
    }
}

fn help(arguments: &[&str], columns: usize) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    program.args(arguments).arg("--help").env_clear().env("COLUMNS", columns.to_string());
    let shown = process::blocking(program);
    assert!(shown.status.success(), "{arguments:?}");
    String::from_utf8(shown.stdout).unwrap()
}

/// The names of all commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = help(&[], 200);
    let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_help_text_is_as_its_picture() {
    for columns in WIDTHS {
        let text = help(&[], columns);
        fits(&text, columns);
        check(&format!("help-{columns}"), &text);
    }
    let commands = commands();
    assert!(commands.len() > 14, "{commands:?}");
    for command in commands {
        let text = help(&[&command], 120);
        fits(&text, 120);
        check(&format!("help-{command}-120"), &text);
    }
}

fn limit() -> Limit {
    let text = "PostgreSQL pool: workers waited for a connection 31 % of the time (shown above 10 %); raise --pool or lower \
                --workers";
    Limit { code: LimitCode::DatabasePool, text: text.into() }
}

#[test]
fn progress_is_as_its_picture() {
    let began = Instant::now();
    let of = |shard, done, ended| OfShard {
        shard: ShardIndex(shard),
        rows: 1_250,
        done,
        here: done,
        took: Duration::from_secs(41),
        ended,
        began,
    };
    let mut snapshot = Snapshot {
        counts: Counts { succeeded: 12_300, failed: 40, skipped: 5 },
        total: 80_151,
        bytes: 3_355_443_200,
        elapsed: Duration::from_secs(187),
        rate_now: 66.04,
        rate_average: 65.96,
        eta: Some(Duration::from_secs(1_030)),
        longest_row: Duration::from_secs(1),
        workers: vec![Counts { succeeded: 2_460, failed: 8, skipped: 1 }; 5],
        state: State::Throttled("503 from target blobs".into()),
        shards: 1,
        begun: Vec::new(),
        limits: vec![limit()],
    };
    check("progress", &progress::block(&snapshot));
    snapshot.shards = 64;
    snapshot.begun = vec![of(0, 1_250, Some(Ended::Complete)), of(1, 800, None)];
    check("progress-64-shards", &progress::block(&snapshot));
    for columns in WIDTHS {
        let drawn = live(&snapshot, columns);
        fits(&drawn, columns);
        check(&format!("progress-live-{columns}"), &drawn);
    }
}

/// A terminal that keeps what is drawn on it, and wraps what is wider.
#[derive(Debug, Clone)]
struct Paper {
    columns: usize,
    drawn: Arc<Mutex<Drawn>>,
}

#[derive(Debug, Default)]
struct Drawn {
    lines: Vec<Vec<char>>,
    line: usize,
    column: usize,
}

impl Drawn {
    fn here(&mut self) -> &mut Vec<char> {
        let length = self.lines.len().max(self.line + 1);
        self.lines.resize(length, Vec::new());
        &mut self.lines[self.line]
    }

    fn write(&mut self, letter: char, columns: usize) {
        if letter == '\r' {
            self.column = 0;
            return;
        }
        if letter == '\n' || self.column == columns {
            (self.line, self.column) = (self.line + 1, 0);
        }
        if letter != '\n' {
            let column = self.column;
            let line = self.here();
            let length = line.len().max(column + 1);
            line.resize(length, ' ');
            line[column] = letter;
            self.column += 1;
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Paper {
    fn change(&self, change: impl FnOnce(&mut Drawn)) {
        change(&mut self.drawn.lock().unwrap());
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        u16::try_from(self.columns).unwrap()
    }

    fn height(&self) -> u16 {
        40
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.change(|drawn| drawn.line = drawn.line.saturating_sub(lines));
        Ok(())
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.change(|drawn| drawn.line += lines);
        Ok(())
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.change(|drawn| drawn.column += columns);
        Ok(())
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.change(|drawn| drawn.column = drawn.column.saturating_sub(columns));
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let plain = console::strip_ansi_codes(text).into_owned();
        self.change(|drawn| plain.chars().for_each(|letter| drawn.write(letter, self.columns)));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.change(|drawn| {
            drawn.here().clear();
            drawn.column = 0;
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The live bar as a terminal of so many columns has it.
fn live(snapshot: &Snapshot, columns: usize) -> String {
    let paper = Paper { columns, drawn: Arc::default() };
    let foot = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(paper.clone())));
    let bar = Bar::at(&foot);
    bar.show(snapshot, columns);
    // Before the bar ends, which clears it.
    let text = paper.drawn.lock().unwrap().text();
    drop(bar);
    text
}

#[test]
fn no_line_is_wider_than_the_terminal_and_none_is_cut() {
    let limits = vec![limit(); 5];
    let snapshot = Snapshot {
        counts: Counts { succeeded: 2_999_000, failed: 40, skipped: 5 },
        total: 3_000_000,
        bytes: 3_355_443_200_000,
        elapsed: Duration::from_secs(18_799),
        rate_now: 166.04,
        rate_average: 165.96,
        eta: Some(Duration::from_secs(10_030)),
        longest_row: Duration::from_secs(1),
        workers: vec![Counts { succeeded: 599_800, failed: 8, skipped: 1 }; 5],
        state: State::Waiting(
            "target database: no answer from db.example.org within 10 s: operation timed out".into(),
        ),
        shards: 1,
        begun: Vec::new(),
        limits: limits.clone(),
    };
    let mut standing = running(1_000);
    standing.limits = limits;
    standing.next_command = "rogo-migrate resume --run rogo --run-store az://runs/rogo --submissions \
                             'az://exports/a folder with spaces/submission_files.csv' --mapping az://exports/attempts.csv"
        .into();
    standing.shards[500].state = "waiting: target database: no answer from db.example.org within 10 s".into();
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| *word != "\\" && !word.starts_with('─'));
        words.map(str::to_owned).collect()
    };
    for columns in 60..=200 {
        let block = progress::block_on_terminal(&snapshot, columns);
        let status = standing.on_terminal(columns);
        fits(&block, columns);
        fits(&status, columns);
        let whole = words(&block);
        let (_, below) = live(&snapshot, columns)
            .split_once('\n')
            .map(|(bar, below)| (bar.to_owned(), below.to_owned()))
            .unwrap();
        let below = below.lines().filter(|line| !line.starts_with('…')).collect::<Vec<_>>().join("\n");
        assert!(words(&below).iter().all(|word| whole.contains(word)), "a word is cut: {below}");
        assert_eq!(words(&block), words(&progress::block(&snapshot)));
        assert_eq!(words(&status), words(&standing.text(columns)));
    }
    let drawn = live(&snapshot, 60);
    assert!(drawn.contains("ETA 2h 47m") && drawn.contains("… "), "{drawn}");
    assert!(drawn.lines().count() <= 1 + 4 + 8 + 1, "{drawn}");
}

/// A run of so many shards: a third done, some at work, one silent, one that ended early.
pub fn running(shards: u32) -> Standing {
    let digest = InputDigest { location: String::new(), sha256: String::new(), size_bytes: 0, rows: 0 };
    let state = JobState { active: 20, ready: 20, succeeded: 333, completions: 1_000, ..JobState::default() };
    let job = RunJob { name: "rogo-s-1f3a".into(), component: "shards".into(), state, ..RunJob::default() };
    let jobs = RunJobs {
        release: "rogo".into(),
        namespace: "rogo".into(),
        chart: None,
        values_prefix: String::new(),
        epoch: None,
        jobs: vec![job],
    };
    let (verdict, judged) =
        judge(&Facts { plan: Some(plans::plan(digest, shards)), jobs: Some(jobs), ..Facts::default() });
    assert_eq!(verdict.state, RunState::Running);
    let one = |index: u32| {
        let (phase, migrated, state, rows_per_second) = match index {
            _ if index == shards / 2 => (ShardPhase::Silent, 17, "stalled (no heartbeat for 12m 04s)", 0.0),
            _ if index == shards / 2 + 1 => {
                (ShardPhase::EndedEarly, 204, "stopped at 206 of 1,250 rows", 0.0)
            }
            _ if index < shards / 3 => (ShardPhase::Done, 1_238, "done", 0.0),
            _ if index < shards / 3 + 20 => {
                (ShardPhase::AtWork, u64::from(index * 37 % 1_200), "running", 61.5)
            }
            _ => (ShardPhase::NotBegun, 0, "not begun", 0.0),
        };
        ShardStanding {
            shard: ShardIndex(index),
            rows: Rows { total: 1_250, migrated, failed: migrated / 100, skipped: 0, lost: 0 },
            done: phase == ShardPhase::Done,
            phase,
            state: state.into(),
            rows_per_second,
        }
    };
    let shards: Vec<_> = (0..shards).map(one).collect();
    let rows = shards.iter().fold(Rows::default(), |sum, shard| Rows {
        total: sum.total + shard.rows.total,
        migrated: sum.migrated + shard.rows.migrated,
        failed: sum.failed + shard.rows.failed,
        skipped: 0,
        lost: 0,
    });
    Standing {
        run: "rogo".parse().unwrap(),
        run_store: "az://runs/rogo".into(),
        state: judged.state,
        reason: judged.reason,
        exit_code: judged.exit_code,
        plan: Some(rogo_migrate::run::PlanId::fresh()),
        planned_at: None,
        rows,
        rows_at: None,
        rows_per_second: 1_230.0,
        eta_s: Some(620),
        shards_done: shards.iter().filter(|shard| shard.done).count(),
        shards,
        verifying: Vec::new(),
        verified: None,
        limits: vec![limit()],
        jobs: judged.jobs,
        next_command: String::new(),
        at: "2026-02-03T04:05:06Z".parse().unwrap(),
    }
}

#[test]
fn where_a_run_stands_is_as_its_picture() {
    for columns in WIDTHS {
        check(&format!("status-1000-shards-{columns}"), &running(1_000).on_terminal(columns));
    }
    check("status-5-shards-80", &running(5).on_terminal(80));
    let complete = Standing {
        state: RunState::Complete,
        reason: "80,151 rows: 80,106 migrated, 40 failed, 5 skipped".into(),
        exit_code: 0,
        rows: Rows { total: 80_151, migrated: 80_106, failed: 40, skipped: 5, lost: 0 },
        rows_per_second: 0.0,
        eta_s: None,
        shards_done: 0,
        shards: Vec::new(),
        limits: Vec::new(),
        jobs: Vec::new(),
        next_command: "rogo-migrate results --run-store az://runs/rogo --to results".into(),
        ..running(3)
    };
    check("status-complete-80", &complete.on_terminal(80));
}

#[test]
fn the_readmes_pictures_are_these_screens() {
    let readme = include_str!("../../README.md");
    let shown: Vec<&str> =
        readme.split("![").skip(1).map(|image| image.split(['(', ')']).nth(1).unwrap()).collect();
    assert!(shown.len() > 1, "{shown:?}");
    for picture in shown {
        let file = folder().join(picture.strip_prefix("docs/screens/").expect(picture));
        assert!(file.is_file(), "{picture}");
    }
}

#[test]
fn there_is_no_picture_without_a_screen() {
    let expected = commands().len() + WIDTHS.len() * 3 + 4;
    let pictures = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(pictures, expected, "docs/screens: a picture is left over or missing");
}
