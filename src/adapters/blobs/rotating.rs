//! Connection strings whose key may be replaced while the program runs, and requests signed by such a key.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
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
    ports::{Fault, FaultKind, Service, deadline::blocking_here},
    settings::Secret,
};

/// A connection string in a file is read again when it is older than this.
const REREAD_AFTER: Duration = Duration::from_secs(10);

/// A connection string that is read again from time to time.
pub(super) struct Rotating {
    secret: Secret,
    /// Of the account; it stays the same however often its key changes.
    pub endpoint: Url,
    current: Mutex<(Instant, Arc<ConnectionString>)>,
}

impl Rotating {
    pub fn read(secret: Secret, service: Service) -> Result<Self, Fault> {
        let first = parse(&secret, service)?;
        let endpoint = first.endpoint.clone();
        Ok(Self { secret, endpoint, current: Mutex::new((Instant::now(), Arc::new(first))) })
    }

    pub fn now(&self, service: Service) -> Result<Arc<ConnectionString>, Fault> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.secret, Secret::File(_)) && current.0.elapsed() > REREAD_AFTER {
            *current = (Instant::now(), Arc::new(self.fresh(service)?));
        }
        Ok(current.1.clone())
    }

    /// The connection string as it is now. One that cannot be used is no file's fault, and may be half-way replaced.
    fn fresh(&self, service: Service) -> Result<ConnectionString, Fault> {
        let fresh = parse(&self.secret, service).and_then(|fresh| {
            if fresh.endpoint == self.endpoint {
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
}

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotating({})", self.endpoint)
    }
}

fn parse(secret: &Secret, service: Service) -> Result<ConnectionString, Fault> {
    let file = secret.clone();
    let text = blocking_here(service, move || file.read())?.map_err(|error| {
        let what = "the file of the connection string cannot be read";
        Fault::caused(service, FaultKind::Misconfigured, what, error)
    })?;
    text.parse().map_err(|error: NotAConnectionString| faults::misconfigured(service, error.to_string()))
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
        let later =
            || rotating.current.lock().unwrap().0 = Instant::now().checked_sub(REREAD_AFTER * 2).unwrap();
        later();
        let second = now().unwrap();
        assert!(!Arc::ptr_eq(&second, &first));
        // It is waited for, as credentials that are refused are: the file may be replaced once more.
        for wrong in [of("two", "bmV3"), String::new(), "AccountName=one".to_owned()] {
            write(&wrong);
            later();
            let fault = now().unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unauthenticated, "{wrong:?}: {fault}");
        }
        write(&of("one", "bmV3"));
        later();
        now().unwrap();
    }
}
