//! What the status of a failed call says of the service that was called.

use std::{error::Error, iter::successors, sync::Arc};

use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

/// Whether the same call may do well in a moment, or at another address.
pub(super) fn is_transient(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// A connection broke, and with it all calls that were under way on it, which says nothing of the next connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection broke under the call")]
struct Broken;

/// Whether the service itself was not there, or did not answer. One that says with a code of ours that what it depends
/// on is away is well.
pub(super) fn is_unreachable(status: &Status) -> bool {
    let is_broken = status.source().is_some_and(<dyn Error>::is::<Broken>);
    is_transient(status) && !is_broken && status.get_details_error_info().is_none()
}

/// Whether tonic, here or there, cut the call off because its deadline was over.
pub(super) fn is_cancelled_by_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == TimeoutExpired(()).to_string()
}

/// The status, with the one code that means it where the connection broke under the call: tonic has half a dozen.
pub(super) fn normalize(status: Status) -> Status {
    // Only what did not come from the service has a source.
    match status.source() {
        Some(source) if !successors(Some(source), |&error| error.source()).any(<dyn Error>::is::<ConnectError>) => {
            let mut broken = Status::unavailable(format!("{Broken}: {source:?}"));
            broken.set_source(Arc::new(Broken));
            broken
        }
        _ => status,
    }
}

/// Why it failed, down to what the system or TLS says: tonic's own message is that there was an error.
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

/// The status of a call that ran out of time.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("no answer in time")
}
