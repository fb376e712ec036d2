//! Places that hold no file, or lead elsewhere: a pipe or a socket is neither read nor replaced, and a link out of the allowed
//! folders is not followed. Pipes and sockets of a temporary folder only: never those of the machine.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    time::Duration,
};

use super::Day;
use crate::support::{
    app::{Sample, TestApp},
    process,
};

fn pipe(path: &Path) {
    assert!(process::blocking(Command::new("mkfifo").arg(path)).status.success());
}

async fn sample(rows: u64) -> Sample {
    Sample::in_folder(rows, 41, |options| options.plain = true).await
}

#[tokio::test]
async fn a_source_that_is_no_file_or_leads_out_of_the_allowed_folders_fails_its_row_at_once() {
    let sample = sample(8).await;
    let mut app = TestApp::new(&sample).await;
    app.set("ROGO_SOURCE_ALLOW", format!("file://{}", sample.path("files").display()));
    let learner = sample.files().into_iter().map(|(path, _)| path).filter(|path| path.contains("learner"));
    // Every other file: each row has two.
    let places: Vec<_> = learner.step_by(2).take(4).map(|path| sample.path(&path)).collect();
    let [piped, socket, out, within] = places.as_slice() else { panic!("{places:?}") };
    let (elsewhere, inside) = (sample.path("elsewhere"), sample.path("files/inside"));
    fs::rename(out, &elsewhere).unwrap();
    symlink(&elsewhere, out).unwrap();
    fs::rename(within, &inside).unwrap();
    symlink(&inside, within).unwrap();
    for place in [piped, socket] {
        fs::remove_file(place).unwrap();
    }
    pipe(piped);
    let _socket = UnixListener::bind(socket);
    let run = app.run(&["run", "--breaker", "off", "--reason", "a test"]);
    let ended = tokio::time::timeout(Duration::from_secs(90), run).await.expect("a pipe is waited for");
    ended.expect(0);
    let failed = fs::read_to_string(app.out.path().join("submissions_failed_migration.csv")).unwrap();
    let of = |says: &str| failed.lines().filter(|line| line.contains(says)).count();
    assert_eq!(of("a named pipe stands in its place"), 1, "{failed}");
    assert_eq!(of("file_missing"), 2, "{failed}");
    assert_eq!(of("which is not below an allowed source"), 1, "{failed}");
    assert_eq!((of("file_forbidden"), failed.lines().count()), (1, 4), "{failed}");
}

#[tokio::test]
async fn a_result_replaces_no_pipe_and_no_named_link_and_a_url_is_no_path() {
    let sample = sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let at = |name: &str| app.out.path().join(name);
    pipe(&at("pipe.html"));
    fs::write(at("there"), "there").unwrap();
    symlink(at("there"), at("link.html")).unwrap();
    fs::create_dir(at("to")).unwrap();
    pipe(&at("to/report.html"));
    for arguments in [&["results", "--evidence"][..], &["results", "--bundle"], &["report", "--out"]] {
        for (name, says) in [("pipe.html", "is a named pipe, not a file"), ("link.html", "is a link to")] {
            let path = at(name).display().to_string();
            let all = [arguments, &[&path]].concat();
            Day::new(name, &all, 64).says([says, "nothing was done"]).ends(&app).await;
        }
    }
    let to = at("to").display().to_string();
    Day::new("a folder", &["results", "--to", &to], 64).says(["is a named pipe"]).ends(&app).await;
    let piped = at("pipe.html").display().to_string();
    Day::new("reading", &["status", "--bundle", &piped], 78).says(["it is a named pipe"]).ends(&app).await;
    assert!(fs::symlink_metadata(at("pipe.html")).unwrap().file_type().is_fifo());
    assert!(fs::symlink_metadata(at("to/report.html")).unwrap().file_type().is_fifo());
    assert_eq!(fs::read_link(at("link.html")).unwrap(), at("there"));
    for url in ["az://res/x", "file:///tmp/x", "https://h/x"] {
        for arguments in [
            &["results", "--to"][..],
            &["results", "--evidence"],
            &["results", "--bundle"],
            &["status", "--bundle"],
            &["report", "--out"],
            &["sample", "--rows", "1", "--seed", "1", "--out"],
            &["status", "--config"],
        ] {
            let all = [arguments, &[url]].concat();
            Day::new("a URL", &all, 64).says(["of this machine is expected"]).ends(&app).await;
        }
    }
    assert!(!at("az:").exists() && !at("file:").exists());
}

#[tokio::test]
async fn what_is_expected_of_files_alone_is_no_comparison_of_a_run() {
    let sample = sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    let file = app.out.path().join("expected.toml");
    let path = file.display().to_string();
    fs::write(&file, "[files]\nfiles = 1\n").unwrap();
    let run = ["run", "--expect", &path];
    let alone = Day::new("files alone", &run, 64);
    alone.says(["only `plan --predict` compares [files]"]).ends(&app).await;
    fs::write(&file, "[submissions]\nrows = 4\n[files]\nfiles = 1\n").unwrap();
    let both = Day::new("files too", &run, 0);
    both.says(["only `plan --predict` compares [files]"]).ends(&app).await;
}
