//! Promises of report.

mod browser;
mod html;
pub mod limits;
mod pages;
pub mod told;
mod whole;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rogo_migrate::{
    domain::{Books, Fate, ShardIndex, SkipCode},
    report::{
        board::Board,
        events::{Beginning, Consumer, Event, Settled, StageTimes},
        progress::{Progress, Style, display, log},
    },
    run::State,
};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use crate::support::process::this_test;

/// A log that a test can read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Takes the JSON lines of this thread until it is dropped.
    fn listen(&self) -> DefaultGuard {
        let writer = self.clone();
        let json = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        tracing::subscriber::set_default(json.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn progress_in_a_pod_is_one_json_object_a_line_with_every_figure() {
    let began = Instant::now();
    let progress = Progress::new(began, 1_000, 1);
    progress.take(
        began,
        &Event::ShardBegan(Beginning {
            shard: ShardIndex(0),
            rows: 1_000,
            last_row: 1_000,
            earlier: &Books::default(),
            workers: 2,
        }),
    );
    let fate = &Fate::Skipped { code: SkipCode::DuplicateRow, detail: "row 7".into() };
    let times = StageTimes::default();
    for row in 1..=500 {
        progress.take(
            began,
            &Event::RowSettled(Settled { row, attempt: None, worker: 2, fate, times, breaker: None }),
        );
    }
    let state = &State::Waiting("target database is down".into());
    progress.take(began, &Event::StateChanged { state });

    let lines = Lines::default();
    let logging = lines.listen();
    log(&progress.snapshot(began + Duration::from_secs(20)));
    drop(logging);

    let text = lines.text();
    assert_eq!(text.lines().count(), 1);
    let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
    line.as_object_mut().unwrap().remove("timestamp");
    let expected = serde_json::json!({
        "level": "INFO", "target": "rogo_migrate::progress", "message": "progress",
        "succeeded": 0, "failed": 0, "skipped": 500, "done": 500, "total": 1000, "percent": 50.0,
        "bytes": 0, "elapsed_s": 20, "rate_now": 25.0, "rate_average": 25.0, "eta_s": 20,
        "workers": "#1 0/0/0  #2 0/0/500", "state": "waiting: target database is down",
        "shards": 1, "limits": "",
    });
    assert_eq!(line, expected);
}

/// What a process shows of its progress in 35 s.
async fn shown_for_35_seconds(style: Style) {
    let (board, cancel) = (Board::new(3, 1), CancellationToken::new());
    let work = async {
        tokio::time::sleep(Duration::from_secs(35)).await;
        cancel.cancel();
    };
    tokio::join!(work, display(&board, style, cancel.clone()));
}

#[tokio::test(start_paused = true)]
async fn a_pod_logs_its_progress_every_ten_seconds() {
    let lines = Lines::default();
    let _listening = lines.listen();
    shown_for_35_seconds(Style::Log).await;
    let said = lines.text();
    assert_eq!(said.lines().filter(|line| line.contains("\"message\":\"progress\"")).count(), 3, "{said}");
}

const CHILD: &str = "ROGO_TEST_BLOCKS_CHILD";

/// Blocks go to standard error, which a process of its own has for itself.
#[test]
fn a_pipe_gets_a_block_of_progress_every_ten_seconds() {
    if std::env::var_os(CHILD).is_some() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        return runtime.block_on(shown_for_35_seconds(Style::Block));
    }
    let said = this_test("report::a_pipe_gets_a_block_of_progress_every_ten_seconds", CHILD).stderr;
    assert_eq!(said.lines().filter(|line| line.starts_with("progress  0/3 rows ")).count(), 3, "{said}");
}
