//! How a process ends, panics included: the exit code, and the pod's last word.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    exit::{End, Exit, Stop},
    report,
    settings::termination_log,
};

/// Leaves the pod's last word, where this is a pod.
pub fn last_word(exit: Exit, message: &str) {
    if let Some(path) = termination_log() {
        report::termination::write(&path, exit as u8, exit.meaning(), message);
    }
}

/// Runs what may panic: that is a bug (70), told by its place. The panic's own words stay in the log: they may hold
/// anything.
pub fn guarded(command: impl FnOnce() -> Result<End, Stop>) -> Result<End, Stop> {
    let place = Arc::new(Mutex::new(None));
    let (noted, hook) = (place.clone(), Arc::new(panic::take_hook()));
    let before = hook.clone();
    panic::set_hook(Box::new(move |panicked| {
        let place = panicked.location().map(ToString::to_string);
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = place;
        hook(panicked);
    }));
    let ended = panic::catch_unwind(AssertUnwindSafe(command));
    panic::set_hook(Box::new(move |panicked| before(panicked)));
    ended.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let message = format!("a bug: panicked at {place}; run again to go on, and please report it");
        Err(Stop::new(Exit::Bug, message))
    })
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
}
