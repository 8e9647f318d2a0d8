use super::*;

#[test]
fn finds_each_code_by_its_serialized_name() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
        assert_eq!(serde_json::to_value(code).expect("JSON"), code.as_str());
    }
}

#[test]
fn protocol_documents_every_code() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    for code in ErrorCode::ALL {
        let row = protocol.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/PROTOCOL.md has no row for {code}"));
        assert!(row.contains(&format!("| {} |", code.http_status().as_u16())), "{row}");
        let retryable = if code.is_retryable() { "| yes |" } else { "| no |" };
        assert!(row.contains(retryable), "{row}");
    }
}

#[test]
fn code_survives_conversion_to_grpc_and_back() {
    for code in ErrorCode::ALL {
        let status = tonic::Status::from(ApiError::new(code, "why"));
        assert_eq!(status.code(), code.grpc_code());
        assert_eq!(ApiError::from(status).code, code);
    }
}

#[test]
fn reason_survives_conversion_to_grpc_and_back() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).expect("JSON"), reason.as_str());
        let error = ApiError::from(tonic::Status::from(ApiError::forbidden(reason, "why")));
        assert_eq!((error.code, error.reason), (ErrorCode::Forbidden, Some(reason)));
    }
}

#[test]
fn wait_survives_conversion_to_grpc_and_back() {
    let wait = std::time::Duration::from_millis(4200);
    let slow = ApiError { retry_after: Some(wait), ..ApiError::forbidden(Reason::SlowMode, "why") };
    let error = ApiError::from(tonic::Status::from(slow));
    assert_eq!((error.retry_after, error.is_retryable()), (Some(wait), true));
    assert!(!ApiError::forbidden(Reason::Role, "why").is_retryable());
}

#[test]
fn protocol_documents_every_reason() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    let row = protocol.lines().find(|line| line.starts_with("| `forbidden` |")).expect("row of forbidden");
    for reason in Reason::ALL {
        assert!(row.contains(&format!("`{}`", reason.as_str())), "docs/PROTOCOL.md has no {reason:?}");
    }
}

#[test]
fn transport_error_is_unavailable_and_hides_cause() {
    let error = ApiError::from(tonic::Status::unavailable("tcp connect error: 10.0.0.7:8083"));
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(!error.detail.contains("10.0.0.7"));
    let error = ApiError::from(tonic::Status::internal("secret"));
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(!error.detail.contains("secret"));
}

#[test]
fn logs_cause_only_when_error_is_returned() {
    let log = Log::default();
    let lines = || String::from_utf8_lossy(&log.0.lock().expect("lock log")).lines().count();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let errors = [ApiError::internal("disk"), ApiError::unavailable("database", "down")];
        assert_eq!(lines(), 0);
        for error in errors {
            assert!(error.to_string().ends_with(&format!(": {}", error.cause.as_deref().expect("cause"))));
            drop(tonic::Status::from(error));
        }
        drop(tonic::Status::from(ApiError::unavailable_without_cause("database")));
        assert_eq!(lines(), 2);
    });
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock log").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
