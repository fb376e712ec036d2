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

/// A connection string that is read again from time to time.
pub(super) struct Rotating {
    secret: Secret,
    /// Of the account; it stays the same however often its key changes.
    pub endpoint: Url,
    current: Arc<Mutex<Current>>,
}

/// What the last reading gave.
struct Current {
    at: Instant,
    string: Result<Arc<ConnectionString>, Fault>,
    /// Whether the file is being read: by one thread at a time, which holds no lock meanwhile.
    is_read: bool,
}

impl Rotating {
    pub fn read(secret: Secret, service: Service) -> Result<Self, Fault> {
        let first = blocking_here(service, reading(&secret, service))??;
        let endpoint = first.endpoint.clone();
        let current = Current { at: Instant::now(), string: Ok(Arc::new(first)), is_read: false };
        Ok(Self { secret, endpoint, current: Arc::new(Mutex::new(current)) })
    }

    /// The connection string, or why it cannot be read: as of the last [`REREAD_AFTER`]. While the file system of its file is
    /// silent it is what was read before, and no caller waits.
    pub fn now(&self, service: Service) -> Result<Arc<ConnectionString>, Fault> {
        if self.begins_to_read() {
            let (current, endpoint) = (self.current.clone(), self.endpoint.clone());
            blocking_beside(service, reading(&self.secret, service), move |read| {
                let string = usable(read, &endpoint, service).map(Arc::new);
                *locked(&current) = Current { at: Instant::now(), string, is_read: false };
            });
        }
        let current = locked(&self.current);
        current.string.as_ref().map(Arc::clone).map_err(Fault::again)
    }

    /// Whether the file is to be read now, which the caller does.
    fn begins_to_read(&self) -> bool {
        let mut current = locked(&self.current);
        let is_due = matches!(self.secret, Secret::File(_)) && current.at.elapsed() > REREAD_AFTER;
        let begins = is_due && !current.is_read;
        current.is_read |= begins;
        begins
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
        let later = || locked(&rotating.current).at = Instant::now().checked_sub(REREAD_AFTER * 2).unwrap();
        later();
        let second = now().unwrap();
        assert!(!Arc::ptr_eq(&second, &first));
        // It is waited for, as credentials that are refused are: the file may be replaced once more.
        for wrong in [of("two", "bmV3"), String::new(), "AccountName=one".to_owned()] {
            write(&wrong);
            later();
            let fault = now().unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unauthenticated, "{wrong:?}: {fault}");
            assert_eq!(
                now().unwrap_err().to_string(),
                fault.to_string(),
                "it is not read with every request"
            );
        }
        write(&of("one", "bmV3"));
        assert!(now().is_err());
        later();
        now().unwrap();
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
