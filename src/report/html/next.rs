//! What to do next: for the run, and for each code with its command.

use crate::{
    report::{
        grid::{count, percent, permille},
        shell::quoted,
    },
    run::{Course, Lost, Summary, Verification, VerifyResult, names},
};

/// What to do next.
pub(super) struct Next {
    pub(super) steps: Vec<Step>,
    pub(super) codes: Vec<CodedRows>,
}

/// One step, with its command if there is one.
pub(super) struct Step {
    pub(super) what: String,
    pub(super) command: Command,
}

/// A command in the parts between which its line may break: its name, then each flag with its value.
pub(super) struct Command(pub(super) Vec<String>);

impl Command {
    fn of(text: &str) -> Self {
        let mut words = text.split(" --");
        let name = words.next().filter(|name| !name.is_empty()).map(str::to_owned);
        Self(name.into_iter().chain(words.map(|flag| format!("--{flag}"))).collect())
    }
}

/// Rows of one code.
pub(super) struct CodedRows {
    pub(super) outcome: &'static str,
    pub(super) code: &'static str,
    pub(super) rows: String,
    pub(super) share: String,
    pub(super) advice: &'static str,
    pub(super) commands: Vec<Command>,
    pub(super) examples: String,
}

pub(super) fn of(summary: &Summary, course: &Course, verification: Option<&Verification>) -> Next {
    let mut codes = Vec::new();
    let mut add = |outcome: &'static str, code: &'static str, rows: u64, advice: &'static str| {
        let mut commands = vec![Command::of(&format!("rogo-migrate explain {code}"))];
        if outcome == "failed" {
            commands.push(Command::of(&rerun(summary, code)));
        }
        codes.push(row(summary, course, (outcome, code, advice), rows, commands));
    };
    for (code, rows) in &summary.books.failed {
        add("failed", code.code(), *rows, code.advice());
    }
    for (code, rows) in &summary.books.skipped {
        add("skipped", code.code(), *rows, code.advice());
    }
    codes.sort_by_key(|code| code.outcome);
    Next { steps: steps(summary, verification), codes }
}

/// Notes on migrated rows.
pub(super) fn notes(summary: &Summary, course: &Course) -> Vec<CodedRows> {
    let notes = summary.books.notes.iter();
    notes
        .map(|(code, rows)| row(summary, course, ("note", code.code(), code.advice()), *rows, Vec::new()))
        .collect()
}

fn row(
    summary: &Summary,
    course: &Course,
    (outcome, code, advice): (&'static str, &'static str, &'static str),
    rows: u64,
    commands: Vec<Command>,
) -> CodedRows {
    let examples = course.examples.get(code).map(Vec::as_slice).unwrap_or_default();
    let mut shown: Vec<String> = examples.iter().map(ToString::to_string).collect();
    if rows > examples.len() as u64 && !examples.is_empty() {
        shown.push("…".to_owned());
    }
    CodedRows {
        outcome,
        code,
        rows: count(rows),
        share: percent(permille(rows, summary.rows)),
        advice,
        commands,
        examples: shown.join(", "),
    }
}

/// The text with its first letter as a capital.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// The command that moves the rows of one code again: the failure CSV is a valid input. The chart has no value for the code, so
/// that its line moves all failed rows.
fn rerun(summary: &Summary, code: &str) -> String {
    if let Some(release) = &summary.release {
        return release.failed_rows.clone();
    }
    let file = summary.results.iter().find(|place| place.ends_with(names::FAILED));
    let file = file.filter(|place| !place.contains("://")).map_or(names::FAILED, String::as_str);
    format!(
        "rogo-migrate run --run '<another name>' --submissions {} --code {code} --out '<another folder>'",
        quoted(file)
    )
}

/// What may be done about lost rows.
fn of_lost(summary: &Summary, add: &mut dyn FnMut(&str, &str)) {
    let Lost { rows, of_another_run, .. } = summary.lost;
    let mut when = "If they were deleted on purpose, accept that,";
    if summary.lost.redo_helps() {
        add("If the database lost the rows, move them again:", &summary.next_command);
    } else {
        when = "If that is right, accept that this run's are gone,";
    }
    if of_another_run > 0 {
        let whose = if of_another_run == rows { "all".to_owned() } else { count(of_another_run) };
        let what = format!(
            "Of {whose} of the lost rows another run's submission stands, which no command of this run moves. If it should \
             not stand, roll these attempts of that run back first, then run finalize of this run again:"
        );
        // Into a folder of its own: here the file is a result of this run, and that run's results would replace this one's.
        let command = "rogo-migrate rollback --run '<the other run>' --attempts";
        add(&what, &format!("{command} {} --out '<its folder>'", names::LOST_TO_ANOTHER));
    }
    add(
        &format!("{when} on a machine with the run's settings:"),
        "rogo-migrate finalize --accept lost --reason '<why>'",
    );
}

fn steps(summary: &Summary, verification: Option<&Verification>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |what: &str, command: &str| {
        steps.push(Step { what: what.to_owned(), command: Command::of(command) });
    };
    if summary.missing.rows > 0 && !summary.lost.redo_helps() {
        add("Run the rows without an outcome:", &summary.next_command);
    }
    if summary.lost.rows > 0 {
        of_lost(summary, &mut add);
    } else if summary.missing.rows == 0 && !summary.next_command.is_empty() {
        // Several steps are parted so, and some have their condition in front.
        for step in summary.next_command.split("; ") {
            let (when, command) = step.split_once(": ").unwrap_or(("Then", step));
            add(&format!("{}:", capital(when)), command);
        }
    }
    if summary.sweeping {
        let what = "The finalizer was removing blobs that killed processes left when this page was made. If none is at work any \
                    more, merge once more; this says whether one is, and the line:";
        add(what, "rogo-migrate status");
    }
    for warning in &summary.warnings {
        let command = format!("rogo-migrate explain {}", warning.code.code());
        add(&format!("Warning {}: {}", warning.code.code(), warning.detail), &command);
    }
    let (verify, verify_again) = match &summary.release {
        Some(release) => (release.verify.as_str(), release.verify_again.as_str()),
        None => ("rogo-migrate verify", "rogo-migrate verify"),
    };
    let is_outdated = verification.is_some_and(|verification| !verification.covers(summary));
    match verification.map(|verification| verification.result) {
        _ if is_outdated => add("Compare all rows of the results as they are now:", verify_again),
        None => add("Compare what the target holds with the inputs:", verify),
        Some(VerifyResult::Differences) => {
            add("Look at what verify found, a line each in verification_failures.csv.", "");
        }
        Some(VerifyResult::InPart) => add("Let verify compare what it could not, see Verification.", ""),
        Some(VerifyResult::Verified | VerifyResult::ToTheByte) => {}
    }
    if steps.is_empty() && summary.books.rows_failed() == 0 {
        steps.push(Step { what: "Nothing: every row is settled.".to_owned(), command: Command::of("") });
    }
    steps
}
