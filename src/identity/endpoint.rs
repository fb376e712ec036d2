//! The endpoint of managed identities, watched: whether one is there, whose it is, and how long it has said that it has no
//! identity.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use azure_core::{
    error::ErrorKind,
    http::{
        AsyncRawResponse, HttpClient, Request,
        headers::{HeaderName, Headers},
    },
};
use tokio::time::Instant;

/// A connection to the endpoint opens within this, or there is no endpoint: it lies on the machine's own host.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Address of the metadata service of a virtual machine: of Azure, and of other clouds too.
const METADATA: &str = "169.254.169.254";

/// What the metadata service of Azure names itself by, in each of its answers.
const SERVER: HeaderName = HeaderName::from_static("server");

/// Azure documents 404 and 410 as passing within 70 s, while the endpoint is updated: after this they are its last word.
const UPDATED_WITHIN: Duration = Duration::from_mins(3);

/// The endpoint. The client of the identity repeats its requests for longer than this process waits, so that its own error
/// does not tell.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: Arc<dyn HttpClient>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Begin of the request that is under way.
    asked: Option<Instant>,
    /// No connection could be opened.
    unreachable: bool,
    /// A connection was opened.
    reached: bool,
    /// The last answer.
    answer: Option<Answer>,
    /// First of the 404 and 410 that were answered without another answer between them.
    not_found_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    at: Instant,
    status: u16,
    /// It came from the address of metadata services, but not from that of Azure.
    of_another_cloud: bool,
}

impl Answer {
    fn of(request: &Request, answer: &AsyncRawResponse) -> Self {
        let of_another_cloud = request.url().host_str() == Some(METADATA) && !is_azure(answer.headers());
        Self { at: Instant::now(), status: answer.status().into(), of_another_cloud }
    }

    fn is_not_found(self) -> bool {
        [404, 410].contains(&self.status)
    }
}

fn is_azure(headers: &Headers) -> bool {
    headers.get_optional_str(&SERVER).is_some_and(|server| server.starts_with("IMDS/"))
}

impl Endpoint {
    pub fn of(client: Arc<dyn HttpClient>) -> Self {
        Self { client, seen: Mutex::default() }
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether no connection to it ever opened: one that is under way for longer than that takes has opened.
    pub fn is_absent(&self) -> bool {
        self.seen(|seen| {
            let waits = seen.asked.is_some_and(|asked| asked.elapsed() > CONNECT_WITHIN);
            seen.unreachable && !seen.reached && !waits
        })
    }

    /// Whether its last answer, not found, is to stay: it is that of another cloud, or lasts for longer than an update.
    pub fn knows_none(&self) -> bool {
        self.seen(|seen| {
            let Some(answer) = seen.answer.filter(|answer| answer.is_not_found()) else { return false };
            let lasts = seen.not_found_since.is_some_and(|since| answer.at - since >= UPDATED_WITHIN);
            answer.of_another_cloud || lasts
        })
    }

    pub fn said(&self) -> String {
        self.seen(|seen| match seen.answer {
            Some(Answer { status, of_another_cloud: true, .. }) => {
                format!("HTTP status {status} from a metadata service that is not Azure's")
            }
            Some(Answer { status, .. }) => format!("HTTP status {status}"),
            None => "no answer".to_owned(),
        })
    }
}

#[async_trait::async_trait]
impl HttpClient for Endpoint {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.note(|seen| seen.asked = Some(Instant::now()));
        let answer = self.client.execute_request(request).await;
        let unreachable = answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Connection));
        let answered = answer.as_ref().ok().map(|answer| Answer::of(request, answer));
        self.note(|seen| {
            seen.asked = None;
            seen.unreachable |= unreachable;
            seen.reached |= !unreachable;
            seen.answer = answered;
            let not_found = answered.filter(|answer| answer.is_not_found());
            seen.not_found_since = not_found.map(|answer| seen.not_found_since.unwrap_or(answer.at));
        });
        answer
    }
}
