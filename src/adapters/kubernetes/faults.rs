//! What Kubernetes says into faults: which may pass, and what a person can do.

use std::time::Duration;

use crate::ports::{Fault, FaultKind, Service};

/// The longest that one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// An answer, within [`ANSWER`].
pub(super) async fn within<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, Fault> {
    let Ok(answer) = tokio::time::timeout(ANSWER, answer).await else {
        let what = format!("no answer within {} s", ANSWER.as_secs());
        return Err(Fault::new(Service::Cluster, FaultKind::Unavailable, what));
    };
    answer.map_err(fault)
}

/// The fault of an error.
pub(super) fn fault(error: kube::Error) -> Fault {
    let kube::Error::Api(status) = error else {
        let what = "no answer: see that the API server can be reached from here";
        return Fault::caused(Service::Cluster, FaultKind::Unavailable, what, error);
    };
    let (kind, advice) = match status.code {
        401 => (FaultKind::Denied, ": the token is not accepted"),
        403 => (
            FaultKind::Denied,
            ": the chart's Role gives the right (rbac.create), or your administrator does",
        ),
        404 => (FaultKind::NotFound, ""),
        429 => (FaultKind::Throttled(None), ""),
        500.. => (FaultKind::Unavailable, ""),
        _ => (FaultKind::Misconfigured, ""),
    };
    Fault::new(Service::Cluster, kind, format!("{} {}{advice}", status.code, status.message))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_refusal_says_what_was_asked_and_who_can_give_it() {
        let refused = |code, message: &str| {
            let status = Status { code, message: message.into(), ..Status::default() };
            fault(kube::Error::Api(Box::new(status)))
        };
        let denied = refused(403, "jobs.batch \"j\" is forbidden");
        assert_eq!(denied.kind, FaultKind::Denied);
        let said = "Kubernetes API: 403 jobs.batch \"j\" is forbidden: the chart's Role gives the right (rbac.create), \
                    or your administrator does";
        assert_eq!(denied.chain(), said);
        for (code, kind) in [
            (401, FaultKind::Denied),
            (404, FaultKind::NotFound),
            (422, FaultKind::Misconfigured),
            (429, FaultKind::Throttled(None)),
            (500, FaultKind::Unavailable),
            (503, FaultKind::Unavailable),
        ] {
            assert_eq!(refused(code, "x").kind, kind, "{code}");
        }
    }
}
