//! Classification of the status of a failed call.

use std::{error::Error, iter::successors, sync::Arc};

use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

/// Returns whether a retry may succeed, later or at another address.
pub(super) fn is_transient(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// A connection broke, and with it all its calls. A new connection may work.
#[derive(Debug, thiserror::Error)]
#[error("the connection broke during the call")]
struct ConnectionBroken;

/// Returns whether the service itself was unreachable or did not answer. A service that reports one of our error codes is
/// reachable, even if the code says that a dependency is unavailable.
pub(super) fn is_unreachable(status: &Status) -> bool {
    let is_broken = status.source().is_some_and(<dyn Error>::is::<ConnectionBroken>);
    is_transient(status) && !is_broken && status.get_details_error_info().is_none()
}

/// Returns whether tonic, in the client or in the server, cancelled the call at its timeout.
pub(super) fn is_cancelled_by_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == TimeoutExpired(()).to_string()
}

/// Maps the status of a call whose connection broke to `UNAVAILABLE`. tonic uses several codes for it.
pub(super) fn normalize(status: Status) -> Status {
    // A status from the service has no source.
    match status.source() {
        Some(source) if !successors(Some(source), |&error| error.source()).any(<dyn Error>::is::<ConnectError>) => {
            let mut broken = Status::unavailable(format!("{ConnectionBroken}: {source:?}"));
            broken.set_source(Arc::new(ConnectionBroken));
            broken
        }
        _ => status,
    }
}

/// Returns the message with all its sources, such as an error of the system or of TLS. The message of tonic alone is generic.
pub(super) fn cause(status: &Status) -> String {
    let mut cause = status.message().to_owned();
    for source in successors(status.source(), |&error| error.source()) {
        let source = source.to_string();
        if !cause.contains(&source) {
            cause = format!("{cause}: {source}");
        }
    }
    cause
}

/// Returns the status of a call that timed out.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("no answer in time")
}
