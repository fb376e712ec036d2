//! The last word of a pod: one line that its status keeps.

use std::path::Path;

use serde::Serialize;

/// What Kubernetes keeps of it.
const LONGEST_BYTES: usize = 4_096;
/// Stands where words were left out.
const GAP: &str = " … ";

/// The line, as JSON.
#[derive(Serialize)]
struct LastWord<'a> {
    exit_code: u8,
    meaning: &'a str,
    message: &'a str,
}

/// Writes the line to the file that Kubernetes shows in the pod's status. If that fails, only the log says so.
pub fn write(path: &Path, exit_code: u8, meaning: &str, message: &str) {
    if let Err(error) = std::fs::write(path, line(exit_code, meaning, message)) {
        super::tell(&format!("the termination message cannot be written to {}: {error}", path.display()));
    }
}

/// The line: at most 4,096 bytes. Of a longer message its beginning and its end stay: what happened, and what to
/// do.
fn line(exit_code: u8, meaning: &str, message: &str) -> String {
    // A line break would be shown as \n wherever the pod's status is read.
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.collect::<Vec<_>>().join("; ");
    let message = message.as_str();
    let render =
        |message: &str| serde_json::to_string(&LastWord { exit_code, meaning, message }).unwrap_or_default();
    let whole = render(message);
    if whole.len() <= LONGEST_BYTES {
        return whole;
    }
    let letters: Vec<char> = message.chars().collect();
    let mut kept = letters.len().min(LONGEST_BYTES);
    loop {
        let begin: String = letters.iter().take(kept / 2).collect();
        let end: String = letters.iter().skip(letters.len() - kept / 2).collect();
        let shortened = render(&format!("{begin}{GAP}{end}"));
        if shortened.len() <= LONGEST_BYTES || kept == 0 {
            return shortened;
        }
        kept -= (shortened.len() - LONGEST_BYTES).div_ceil(6).min(kept);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(line: &str) -> Value {
        assert!(line.len() <= LONGEST_BYTES && !line.contains('\n'), "{}: {line}", line.len());
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_last_word_is_one_line_of_json() {
        let found = parsed(&line(69, "INCOMPLETE: rows without an outcome", "3 rows\n\n  helm upgrade …"));
        let meaning = "INCOMPLETE: rows without an outcome";
        assert_eq!(found, json!({"exit_code": 69, "meaning": meaning, "message": "3 rows; helm upgrade …"}));
    }

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        for filler in ["x", "…", "\"\\", "\u{1}"] {
            let message = format!("INCOMPLETE{}shards.only=3", filler.repeat(9_000));
            let found = parsed(&line(69, "m", &message));
            let shown = found["message"].as_str().unwrap();
            assert!(
                shown.starts_with("INCOMPLETE") && shown.ends_with("shards.only=3"),
                "{filler:?}: {shown}"
            );
            assert!(line(69, "m", &message).len() > LONGEST_BYTES - 100, "{filler:?}: too little is kept");
        }
    }
}
