//! Whether a refusal is a file's own, or that of its whole container: a neighbour of the file tells.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use azure_core::http::Url;
use tokio::sync::Mutex;

use super::NO_FILE;
use crate::{
    adapters::blobs::{
        account::{Account, NEW_ROLES},
        azure, hosts,
    },
    domain::source_container,
    ports::{Fault, FaultKind, Retry},
};

/// How long the finding that a container refuses our identity is kept.
const REFUSAL_HOLDS: Duration = Duration::from_secs(5);

/// What a neighbour of a refused file says of it.
#[derive(Debug)]
enum Neighbour {
    /// It is answered as ever: the refusal is the file's own.
    Answered,
    /// It is refused too.
    Refused,
    /// Something else is wrong, which says nothing of the file.
    Failed(Fault),
}

/// Containers that were asked whether they refuse our identity as a whole, when, and what was found.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<String, (Instant, Neighbour)>>);

impl Refusals {
    /// The fault as it concerns the file, or everything in its container: if our own identity is refused, a neighbour
    /// in the same container is asked for, and if that is refused too, no file is to blame. Nor is one if the neighbour
    /// tells nothing for now.
    pub async fn explained(&self, account: &Account, url: &Url, mut fault: Fault) -> Fault {
        if let Some(hint) = hosts::dfs_hint(url).filter(|_| fault.kind.retry() == Retry::Never) {
            fault.what = format!("{}; its URL {hint}", fault.what);
        }
        let Some(kind) = account.refused_as_a_whole() else { return fault };
        if fault.kind != FaultKind::Denied || fault.status != Some(403) {
            return fault;
        }
        match self.ask(account, url).await {
            Neighbour::Answered => {}
            Neighbour::Refused => {
                let roles = if kind == FaultKind::NoRole { NEW_ROLES } else { "" };
                fault.what = format!("{}; so is every other file in that container{roles}", fault.what);
                fault.kind = kind;
            }
            Neighbour::Failed(neighbour) => {
                fault.what = format!(
                    "{}; whether every other file in that container is refused too is not known ({})",
                    fault.what, neighbour.what
                );
                fault.kind = neighbour.kind;
            }
        }
        fault
    }

    /// Asked at most every [`REFUSAL_HOLDS`] for a container. What says nothing is kept for those only that have waited for it.
    async fn ask(&self, account: &Account, url: &Url) -> Neighbour {
        let (container, began) = (source_container(url), Instant::now());
        let mut refusals = self.0.lock().await;
        if let Some((asked, found)) = refusals.get(&container) {
            let holds = match found {
                Neighbour::Failed(_) => *asked > began,
                Neighbour::Answered | Neighbour::Refused => asked.elapsed() < REFUSAL_HOLDS,
            };
            if holds {
                return found.again();
            }
        }
        let asked = Instant::now();
        let found = match azure::head(account, &neighbour(url), "a neighbour of the file").await {
            Err(fault) if fault.kind == FaultKind::Denied => Neighbour::Refused,
            Err(fault) if concerns_more_than_a_name(&fault.kind) => Neighbour::Failed(fault),
            Ok(_) | Err(_) => Neighbour::Answered,
        };
        refusals.insert(container, (asked, found.again()));
        found
    }
}

impl Neighbour {
    /// The same for another caller.
    fn again(&self) -> Self {
        match self {
            Self::Answered => Self::Answered,
            Self::Refused => Self::Refused,
            Self::Failed(fault) => Self::Failed(fault.again()),
        }
    }
}

/// Whether the fault is no answer to the question for a name: it may pass, or our credentials or the container as a whole are
/// at fault.
fn concerns_more_than_a_name(kind: &FaultKind) -> bool {
    kind.retry() != Retry::Never
        || matches!(kind, FaultKind::Unauthenticated | FaultKind::NoRole | FaultKind::ContainerGone)
}

/// A name in the container of `url` that no file has, asked for as the file itself is: by the file's own signature if
/// it has one. At the root of the container, because a directory may have rights of its own.
pub(super) fn neighbour(url: &Url) -> Url {
    let mut neighbour = url.clone();
    let below_container = source_container(url).matches('/').count() - 2;
    let container: Vec<String> =
        url.path_segments().into_iter().flatten().take(below_container).map(str::to_owned).collect();
    if let Ok(mut segments) = neighbour.path_segments_mut() {
        segments.clear().extend(container).push(NO_FILE);
    }
    neighbour
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_lies_at_the_root_of_the_container_and_is_asked_for_as_the_file_is() {
        for (file, expected) in [
            ("https://a.example/box/deep/f%20x.docx?sig=x", "https://a.example/box/rogo-migrate-check?sig=x"),
            ("http://127.0.0.1:1/acc/box/deep/f", "http://127.0.0.1:1/acc/box/rogo-migrate-check"),
        ] {
            assert_eq!(neighbour(&file.parse().unwrap()).as_str(), expected);
        }
    }
}
