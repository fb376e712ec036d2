//! The documents that people follow: their blocks of commands, and the shell in which a test follows them.

use std::{fs, path::Path, process::Stdio};

use tokio::process::Command;

use super::{
    app::{Ended, TestApp},
    process,
};

/// A document of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Fenced blocks of one language: of the chapter with this heading and its sub-chapters, or of the whole document.
pub fn blocks(document: &str, language: &str, heading: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    // The chapter's depth while its lines come.
    let mut below = heading.is_none().then_some(0);
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(named) = line.trim_start().strip_prefix("```") {
            // Of any language, so that a comment in it is no heading.
            let block = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            let block: String = block.flat_map(|line| [line, "\n"]).collect();
            if below.is_some() && named.trim_end() == language {
                found.push(block);
            }
        } else if line.starts_with('#') {
            let title = line.trim_start_matches('#');
            let depth = line.len() - title.len();
            if heading == Some(title.trim()) {
                below = Some(depth);
            } else if below.is_some_and(|chapter| depth <= chapter) {
                below = None;
            }
        }
    }
    assert!(heading.is_none() || !found.is_empty(), "no block of {language} below {heading:?}");
    found
}

/// The lines of a document's `sh` blocks, in order; a line that ends with a backslash is joined to the next.
pub fn commands(path: &str, heading: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = String::new();
    for line in blocks(&read(path), "sh", heading).concat().lines().map(str::trim) {
        pending.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            lines.push(std::mem::take(&mut pending));
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// Runs lines of a document in the app's folder, the built program being `rogo-migrate`. Nothing of the tests'
/// environment reaches it but the place of the machine's programs.
pub async fn shell(app: &TestApp<'_>, lines: &str, variables: &[(&str, &str)]) -> Ended {
    let program = Path::new(env!("CARGO_BIN_EXE_rogo-migrate")).parent().unwrap().to_owned();
    let machine = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(program).chain(std::env::split_paths(&machine));
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", lines])
        .env_clear()
        .envs(app.environment())
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("HOME", app.out.path())
        .envs(variables.iter().copied())
        .current_dir(app.out.path())
        .stdin(Stdio::null());
    process::output(command).await
}

/// Runs a line of a document as one role of the database, to its good end.
pub async fn follow(app: &TestApp<'_>, line: &str, url: &str) -> Ended {
    shell(app, line, &[("DATABASE_URL", url)]).await.expect(0)
}
