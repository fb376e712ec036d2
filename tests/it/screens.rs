//! What people see, as pictures of a terminal in `docs/screens`: each help text, progress, and where a run stands, at 80, 120
//! and 200 columns. `SNAPSHOTS=overwrite` draws them anew; look at them before you commit.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rogo_migrate::{
    domain::ShardIndex,
    report::{
        events::Ended,
        progress::{self, Counts, OfShard, Snapshot},
        standing::{Rows, RunState, ShardPhase, ShardStanding, Standing},
    },
    run::{Limit, LimitCode, State},
};
use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV, data::DataFormat};

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
    let shown = program.output().unwrap();
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
}

/// A run of so many shards: a third done, some at work, one silent, one that ended early.
fn running(shards: u32) -> Standing {
    let one = |index: u32| {
        let (phase, migrated, state, rows_per_second) = match index {
            _ if index == shards / 2 => (ShardPhase::Silent, 17, "stalled (no heartbeat for 12m 04s)", 0.0),
            _ if index == shards / 2 + 1 => {
                (ShardPhase::EndedEarly, 204, "stopped at 204 of 1,250 rows", 0.0)
            }
            _ if index < shards / 3 => (ShardPhase::Done, 1_250, "done", 0.0),
            _ if index < shards / 3 + 20 => {
                (ShardPhase::AtWork, u64::from(index * 37 % 1_200), "running", 61.5)
            }
            _ => (ShardPhase::NotBegun, 0, "not begun", 0.0),
        };
        ShardStanding {
            shard: ShardIndex(index),
            rows: Rows { total: 1_250, migrated, failed: migrated / 100, skipped: 0 },
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
    });
    Standing {
        run: "rogo".parse().unwrap(),
        run_store: "az://runs/rogo".into(),
        state: RunState::Running,
        reason: "20 processes give signs of life".into(),
        exit_code: 75,
        plan: Some(rogo_migrate::run::PlanId::fresh()),
        planned_at: None,
        rows,
        rows_per_second: 1_230.0,
        eta_s: Some(620),
        shards_done: shards.iter().filter(|shard| shard.done).count(),
        shards,
        verifying: Vec::new(),
        verified: None,
        limits: vec![limit()],
        jobs: vec!["Job rogo-s-1f3a: 20 active, 20 ready; 333 of 1000 succeeded".into()],
        next_command: String::new(),
        at: "2026-02-03T04:05:06Z".parse().unwrap(),
    }
}

#[test]
fn where_a_run_stands_is_as_its_picture() {
    for columns in WIDTHS {
        check(&format!("status-1000-shards-{columns}"), &running(1_000).text(columns));
    }
    check("status-5-shards-80", &running(5).text(80));
    let complete = Standing {
        state: RunState::Complete,
        reason: "80,151 rows: 80,106 migrated, 40 failed, 5 skipped".into(),
        exit_code: 0,
        rows: Rows { total: 80_151, migrated: 80_106, failed: 40, skipped: 5 },
        rows_per_second: 0.0,
        eta_s: None,
        shards_done: 0,
        shards: Vec::new(),
        limits: Vec::new(),
        jobs: Vec::new(),
        next_command: "rogo-migrate results --run-store az://runs/rogo --to results".into(),
        ..running(3)
    };
    check("status-complete-80", &complete.text(80));
}

#[test]
fn there_is_no_picture_without_a_screen() {
    let expected = commands().len() + WIDTHS.len() * 2 + 4;
    let pictures = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(pictures, expected, "docs/screens: a picture is left over or missing");
}
