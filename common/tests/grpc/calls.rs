//! The metadata and the metrics of calls.

use std::time::Duration;

use neonchat_common::{
    correlation::{self, CorrelationId},
    settings::GrpcSettings,
    telemetry::Metrics,
    trace::TraceContext,
};
use tonic::{Code, Status};
use tracing::Span;

use crate::stand_in::{StandIn, UNUSED_ADDRESS, black_hole, call, client, client_with, settings};

#[tokio::test]
async fn sends_request_id_token_and_deadline() {
    let server = StandIn::start(async |_| Ok(())).await;
    let id = CorrelationId::accept(Some("request-7"));
    let client = client(&[server.address]);
    correlation::scope(id, TraceContext::default(), Span::none(), call(&client, Duration::from_millis(700)))
        .await
        .expect("call succeeds");
    let metadata = server.metadata().remove(0);
    assert_eq!(metadata.get("x-request-id").expect("find request id"), "request-7");
    let deadline = metadata.get("grpc-timeout").expect("find deadline").to_str().expect("value is ASCII");
    let micros: u64 = deadline.strip_suffix('u').expect("unit is microseconds").parse().expect("parse number");
    assert!((600_000..=700_000).contains(&micros), "{deadline}");

    let unauthenticated =
        client_with(&[server.address], &GrpcSettings { internal_token: "another".into(), ..settings() });
    let refused = call(&unauthenticated, Duration::from_secs(1)).await.expect_err("call is refused");
    assert_eq!((refused.code(), server.calls()), (Code::Unauthenticated, 1));
}

#[tokio::test]
async fn settings_limit_timeout_of_call() {
    let server = StandIn::start(async |_| Ok(())).await;
    let client = client_with(&[server.address], &GrpcSettings { timeout: Duration::from_millis(300), ..settings() });
    call(&client, Duration::from_mins(1)).await.expect("call succeeds");
    let metadata = server.metadata().remove(0);
    let deadline = metadata.get("grpc-timeout").expect("find deadline").to_str().expect("value is ASCII");
    let micros: u64 = deadline.strip_suffix('u').expect("unit is microseconds").parse().expect("parse number");
    assert!(micros <= 300_000, "{deadline}");
}

#[tokio::test]
async fn measures_calls_by_method_and_code() {
    let metrics = Metrics::install().expect("install recorder");
    let server = StandIn::start(async |number| match number {
        0 => Err(Status::unavailable("not yet")),
        1 => Ok(()),
        _ => Err(Status::data_loss("only in this test")),
    })
    .await;
    let client = client(&[server.address]);
    call(&client, Duration::from_secs(5)).await.expect("call succeeds");
    call(&client, Duration::from_secs(5)).await.expect_err("call fails");
    let text = metrics.render();
    let method = r#"service="notification.v1.NotificationService",method="GetUsersStatus""#;
    for line in [
        format!("grpc_client_request_duration_seconds_count{{{method},code=\"DataLoss\"}} 1\n"),
        format!("grpc_client_request_duration_seconds_count{{{method},code=\"Ok\"}} "),
        format!("grpc_client_retries_total{{{method}}} "),
        format!("grpc_client_circuit_breaker_state{{address=\"{}\"}} 0\n", server.address),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn is_serving_if_one_address_is() {
    let server = StandIn::start(async |_| Ok(())).await;
    let (_listener, hanging) = black_hole().await;
    let (server_at, hanging) = (server.address.to_string(), hanging.to_string());
    let timeout = Duration::from_secs(2);
    assert!(client(&[UNUSED_ADDRESS, &hanging, &server_at]).is_serving(timeout).await);
    assert!(!client(&[UNUSED_ADDRESS, &hanging]).is_serving(Duration::from_millis(200)).await);
    let client = client(&[&server_at]);
    assert!(client.is_serving(timeout).await);
    server.stop().await;
    assert!(!client.is_serving(timeout).await);
}

#[tokio::test]
async fn rejects_invalid_addresses() {
    use neonchat_common::grpc::client::GrpcClient;
    assert!(GrpcClient::new(&[], &settings()).is_err());
    assert!(GrpcClient::new(&["no address".to_owned()], &settings()).is_err());
}
