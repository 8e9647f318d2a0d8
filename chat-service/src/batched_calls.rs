//! What the gRPC calls with several items share. Each item has its own trace and its own outcome.

use neonchat_common::{
    error::{ApiError, ErrorCode},
    trace::{self, TraceContext},
};
use neonchat_proto::chat::v1::{Refusal, chat_service_server::SERVICE_NAME};
use tonic::Code;

/// Begins a call in the trace of one of its items.
pub(crate) fn begin(method: &'static str, traceparent: Option<&str>) -> trace::Span {
    trace::Span::child(&TraceContext::accept(traceparent), || trace::rpc_server(SERVICE_NAME, method))
}

/// Ends a call in the traces of all its items.
pub(crate) fn end<T>(calls: &mut [trace::Span], answer: &Result<T, ApiError>) {
    let code = answer.as_ref().err().map_or(Code::Ok, |error| error.code.grpc_code());
    let count = calls.len();
    for call in calls {
        call.set_batch_size(count);
        call.end_server_call(code);
    }
}

/// Returns the outcomes of all items.
///
/// # Errors
/// If the database is unavailable, the whole call fails with that status, so that the caller can retry on another instance.
pub(crate) fn outcomes<T>(mut outcomes: Vec<Result<T, ApiError>>) -> Result<Vec<Result<T, ApiError>>, ApiError> {
    let is_unavailable =
        |outcome: &Result<_, ApiError>| outcome.as_ref().is_err_and(|error| error.code == ErrorCode::Unavailable);
    if outcomes.iter().all(is_unavailable)
        && let Some(Err(error)) = outcomes.pop()
    {
        return Err(error);
    }
    Ok(outcomes)
}

/// Returns the error of one item for the caller, and logs its cause.
pub(crate) fn refusal(error: ApiError) -> Refusal {
    error.log();
    let retry_after_ms = error.retry_after.and_then(|after| u64::try_from(after.as_millis()).ok());
    Refusal {
        code: error.code.as_str().to_owned(),
        detail: error.detail.into_owned(),
        reason: error.reason.map(|reason| reason.as_str().to_owned()),
        retry_after_ms,
    }
}
