//! How a process ends, panics included: the exit code, and the pod's last word.

use std::{
    backtrace::Backtrace,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    exit::{End, Exit, Stop},
    report,
    settings::{termination_log, wants_backtraces},
};

/// Writes the pod's termination message, if this process runs in a pod.
pub fn last_word(exit: Exit, message: &str) {
    if let Some(path) = termination_log() {
        report::termination::write(&path, exit as u8, exit.meaning(), message);
    }
}

/// Runs a command that may panic. A panic is a bug (70), reported by its source location, in the log and at the end.
/// The panic's message is never printed: it may hold the data being processed, a learner's name for example.
pub fn guarded(command: impl FnOnce() -> Result<End, Stop>) -> Result<End, Stop> {
    let place = Arc::new(Mutex::new(None));
    let noted = place.clone();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let place = panicked.location().map(ToString::to_string).unwrap_or_default();
        tell_place(&place);
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }));
    let ended = panic::catch_unwind(AssertUnwindSafe(command));
    panic::set_hook(before);
    ended.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let message = format!("a bug: panicked at {place}; run again to continue, and please report it");
        Err(Stop::new(Exit::Bug, message))
    })
}

/// Logs the place of a panic, and the backtrace if `RUST_BACKTRACE` is set. (`RUST_LIB_BACKTRACE`, which the image switches
/// off, is for errors: the Azure client makes one for each answer that is none.)
fn tell_place(place: &str) {
    if wants_backtraces() {
        let backtrace = Backtrace::force_capture();
        tracing::error!(place, %backtrace, "a bug: the program panicked");
    } else {
        tracing::error!(place, "a bug: the program panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_that_names_its_place_and_nothing_else() {
        let stop = guarded(|| panic!("planted {}", 7)).unwrap_err();
        assert_eq!(stop.exit, Exit::Bug);
        assert!(stop.message.contains("last_word.rs:"), "{stop}");
        assert!(!stop.message.contains("planted"), "{stop}");
        assert_eq!(guarded(|| Ok(End::done("x"))).unwrap(), End::done("x"));
    }

    const CHILD: &str = "ROGO_TEST_PANIC_CHILD";

    /// Run in a separate process, because the test reads its standard error.
    #[test]
    fn the_words_of_a_panic_are_written_nowhere_whatever_thread_panics() {
        if std::env::var_os(CHILD).is_some() {
            tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            let stop = guarded(|| {
                assert!(std::thread::spawn(|| panic!("planted {}", "name")).join().is_err());
                panic!("planted {}", "name")
            });
            crate::report::tell(&stop.unwrap_err().to_string());
            return;
        }
        let name =
            "commands::last_word::tests::the_words_of_a_panic_are_written_nowhere_whatever_thread_panics";
        // The image switches the backtraces of errors off; a panic's is asked for by RUST_BACKTRACE alone.
        for (wanted, has_backtrace) in [("0", false), ("1", true)] {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env(CHILD, "1")
                .envs([("RUST_BACKTRACE", wanted), ("RUST_LIB_BACKTRACE", "0")])
                .output()
                .unwrap();
            let said = [output.stderr, output.stdout]
                .map(|said| String::from_utf8_lossy(&said).into_owned())
                .concat();
            assert!(output.status.success(), "{said}");
            let places = said.matches("a bug: the program panicked").count();
            assert_eq!(
                (places, said.matches("a bug: panicked at ").count()),
                (2, 1),
                "in the log, and at the end: {said}"
            );
            assert_eq!(said.contains("rust_begin_unwind"), has_backtrace, "{said}");
            assert!(!said.contains("planted"), "{said}");
        }
    }
}
