//! Connection strings whose key may be replaced while the program runs, and requests signed by such a key.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use azure_core::{
    error::{Error, ErrorKind},
    http::{
        Context, Request, Url,
        policies::{Policy, PolicyResult},
    },
};
use chrono::Utc;

use super::{
    connection_string::{ConnectionString, Credential, NotAConnectionString},
    faults,
};
use crate::{
    ports::{
        Fault, FaultKind, Service,
        deadline::{blocking_beside, blocking_here},
    },
    settings::Secret,
};

/// A connection string in a file is read again when it is older than this.
const REREAD_AFTER: Duration = Duration::from_secs(10);
/// … and one that cannot be used, because the file may be half-way replaced, when it is older than this.
const UNUSABLE_REREAD_AFTER: Duration = Duration::from_secs(1);

/// A connection string that is read again from time to time.
pub(super) struct Rotating {
    secret: Secret,
    /// Of the account; it stays the same however often its key changes.
    pub endpoint: Url,
    current: Arc<Mutex<Current>>,
}

/// What the readings gave.
struct Current {
    /// When the last one ended.
    at: Instant,
    string: Result<Arc<ConnectionString>, Fault>,
    /// The last readings in a row of which none gave a string that can be used.
    unusable: u32,
    /// Whether the file is being read: by one thread at a time, which holds no lock meanwhile.
    is_read: bool,
}

impl Rotating {
    pub fn read(secret: Secret, service: Service) -> Result<Self, Fault> {
        let first = blocking_here(service, reading(&secret, service))??;
        let endpoint = first.endpoint.clone();
        let current =
            Current { at: Instant::now(), string: Ok(Arc::new(first)), unusable: 0, is_read: false };
        Ok(Self { secret, endpoint, current: Arc::new(Mutex::new(current)) })
    }

    /// The connection string, or why it cannot be read: as of the last [`REREAD_AFTER`]. While the file system of its file is
    /// silent it is what was read before, and no caller waits. It also is after one reading that gave nothing usable: only the next
    /// one tells a file that is being replaced from one that is wrong.
    pub fn now(&self, service: Service) -> Result<Arc<ConnectionString>, Fault> {
        if let Some(begun) = self.begin_to_read() {
            let endpoint = self.endpoint.clone();
            blocking_beside(service, reading(&self.secret, service), move |read| {
                locked(&begun.0).take(usable(read, &endpoint, service).map(Arc::new));
            });
        }
        let current = locked(&self.current);
        current.string.as_ref().map(Arc::clone).map_err(Fault::again)
    }

    /// If the file is to be read now, which the caller does.
    fn begin_to_read(&self) -> Option<Begun> {
        let mut current = locked(&self.current);
        let after = if current.unusable > 0 { UNUSABLE_REREAD_AFTER } else { REREAD_AFTER };
        let is_due = matches!(self.secret, Secret::File(_)) && current.at.elapsed() > after;
        let begins = is_due && !current.is_read;
        current.is_read |= begins;
        begins.then(|| Begun(self.current.clone()))
    }
}

impl Current {
    /// Takes what a reading gave.
    fn take(&mut self, read: Result<Arc<ConnectionString>, Fault>) {
        self.at = Instant::now();
        self.unusable = if read.is_ok() { 0 } else { self.unusable.saturating_add(1) };
        if self.unusable != 1 {
            self.string = read;
        }
    }
}

/// A reading that has begun. However it ends, also by a panic or because there is no thread for it, the file may then be read again.
struct Begun(Arc<Mutex<Current>>);

impl Drop for Begun {
    fn drop(&mut self) {
        locked(&self.0).is_read = false;
    }
}

fn locked(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was read, if it can be used. If it cannot, that is no file's fault, and the string may be half-way replaced.
fn usable(
    read: Result<Result<ConnectionString, Fault>, Fault>,
    endpoint: &Url,
    service: Service,
) -> Result<ConnectionString, Fault> {
    let fresh = read.map_err(|mut silent| {
        silent.what.insert_str(0, "the file of the connection string cannot be read: ");
        silent
    })?;
    let fresh = fresh.and_then(|fresh| {
        if fresh.endpoint == *endpoint {
            return Ok(fresh);
        }
        let what = "the connection string now names another account than at the start; restart";
        Err(faults::misconfigured(service, what))
    });
    fresh.map_err(|mut fault| {
        fault.kind = FaultKind::Unauthenticated;
        fault
    })
}

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotating({})", self.endpoint)
    }
}

/// Reads the secret and parses it.
fn reading(
    secret: &Secret,
    service: Service,
) -> impl FnOnce() -> Result<ConnectionString, Fault> + Send + 'static {
    let secret = secret.clone();
    move || {
        let text = secret.read().map_err(|error| {
            let what = "the file of the connection string cannot be read";
            Fault::caused(service, FaultKind::Misconfigured, what, error)
        })?;
        text.parse().map_err(|error: NotAConnectionString| faults::misconfigured(service, error.to_string()))
    }
}

/// Signs each try, when the request is complete.
#[derive(Debug)]
pub(super) struct SignByKey(pub Arc<Rotating>);

#[async_trait::async_trait]
impl Policy for SignByKey {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let now = self
            .0
            .now(Service::TargetBlobs)
            .map_err(|fault| Error::with_message(ErrorKind::Credential, fault.what))?;
        if let Credential::SharedKey(key) = &now.credential {
            key.sign(request, Utc::now());
        }
        match next.split_first() {
            Some((first, rest)) => first.send(context, request, rest).await,
            None => Err(Error::with_message(ErrorKind::Other, "no transport follows the signature")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_again_from_its_file_and_never_one_of_another_account() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        let of = |account: &str, key: &str| {
            format!("AccountName={account};AccountKey={key};EndpointSuffix=core.windows.net")
        };
        write(&of("one", "b2xk"));
        let rotating = Rotating::read(Secret::File(file.path().into()), Service::TargetBlobs).unwrap();
        let now = || rotating.now(Service::TargetBlobs);
        let first = now().unwrap();
        write(&of("one", "bmV3"));
        assert!(Arc::ptr_eq(&now().unwrap(), &first), "not with every request");
        let read = || read_again(&rotating);
        let mut last = read().unwrap();
        assert!(!Arc::ptr_eq(&last, &first));
        for wrong in [of("two", "bmV3"), String::new(), "AccountName=one".to_owned()] {
            // One reading may meet a file that is being replaced.
            write(&wrong);
            assert!(Arc::ptr_eq(&read().unwrap(), &last), "{wrong:?}");
            write(&of("one", "bmV3"));
            last = read().unwrap();
            // It is waited for, as credentials that are refused are: the file may be replaced once more.
            write(&wrong);
            assert!(Arc::ptr_eq(&read().unwrap(), &last), "{wrong:?}, after a reading that could be used");
            for _ in 0..2 {
                let fault = read().unwrap_err();
                assert_eq!(fault.kind, FaultKind::Unauthenticated, "{wrong:?}: {fault}");
            }
            write(&of("one", "bmV3"));
            last = read().unwrap();
        }
    }

    /// What the string is once the file was read again, however busy the machine is.
    fn read_again(rotating: &Rotating) -> Result<Arc<ConnectionString>, Fault> {
        let age = |age: Duration| locked(&rotating.current).at = Instant::now().checked_sub(age).unwrap();
        age(REREAD_AFTER * 2);
        let _ = rotating.now(Service::TargetBlobs);
        while locked(&rotating.current).is_read {
            std::thread::yield_now();
        }
        locked(&rotating.current).string.as_ref().map(Arc::clone).map_err(Fault::again)
    }

    #[test]
    fn what_cannot_be_used_is_read_again_sooner_and_a_reading_that_came_to_nothing_prevents_no_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = "AccountName=one;AccountKey=b2xk;EndpointSuffix=core.windows.net";
        std::fs::write(file.path(), good).unwrap();
        let rotating = Rotating::read(Secret::File(file.path().into()), Service::TargetBlobs).unwrap();
        let is_due_after = |age: Duration| {
            locked(&rotating.current).at = Instant::now().checked_sub(age).unwrap();
            // It ends here, without an answer.
            rotating.begin_to_read().is_some()
        };
        assert!(!is_due_after(REREAD_AFTER / 2) && is_due_after(REREAD_AFTER * 2));
        assert!(is_due_after(REREAD_AFTER * 2), "the one before came to nothing");
        std::fs::write(file.path(), "AccountName=one").unwrap();
        read_again(&rotating).unwrap();
        assert!(is_due_after(UNUSABLE_REREAD_AFTER * 2));
        let begun = rotating.begin_to_read();
        assert!(begun.is_some() && !is_due_after(REREAD_AFTER * 2), "one thread at a time");
    }

    #[test]
    fn while_the_file_system_is_silent_no_request_waits_and_the_string_of_before_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("connection-string");
        let of = |key: &str| format!("AccountName=one;AccountKey={key};EndpointSuffix=core.windows.net");
        std::fs::write(&file, of("b2xk")).unwrap();
        let rotating = Rotating::read(Secret::File(file.clone()), Service::TargetBlobs).unwrap();
        let first = rotating.now(Service::TargetBlobs).unwrap();
        // A process that reads a pipe waits for its writer.
        std::fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let later = || locked(&rotating.current).at = Instant::now().checked_sub(REREAD_AFTER * 2).unwrap();
        let began = Instant::now();
        for _ in 0..100 {
            later();
            let same = rotating.now(Service::TargetBlobs).unwrap();
            assert!(Arc::ptr_eq(&same, &first));
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        // It answers at last, to the only thread that asked.
        std::fs::write(&file, of("bmV3")).unwrap();
        while locked(&rotating.current).is_read {
            std::thread::yield_now();
        }
        assert!(!Arc::ptr_eq(&rotating.now(Service::TargetBlobs).unwrap(), &first));
    }

    #[test]
    fn a_file_system_that_stays_silent_is_a_fault_that_may_pass_and_is_no_refusal() {
        let endpoint = "https://one.blob.core.windows.net".parse().unwrap();
        let silent = Fault::new(Service::TargetBlobs, FaultKind::Unavailable, "silent");
        let fault = usable(Err(silent), &endpoint, Service::TargetBlobs).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert_eq!(fault.what, "the file of the connection string cannot be read: silent");
    }
}
