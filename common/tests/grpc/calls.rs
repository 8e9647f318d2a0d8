//! What a call bears, and what is measured of it.

use std::time::Duration;

use neonchat_common::{
    correlation::{self, CorrelationId},
    settings::GrpcSettings,
    telemetry::Metrics,
    trace::TraceContext,
};
use tonic::{Code, Status};
use tracing::Span;

use crate::stand_in::{NOWHERE, StandIn, black_hole, call, peer, peer_with, settings};

#[tokio::test]
async fn a_call_bears_the_request_id_the_token_and_its_deadline() {
    let server = StandIn::start(async |_| Ok(())).await;
    let id = CorrelationId::accept(Some("request-7"));
    let peer = peer(&[server.address]);
    correlation::scope(id, TraceContext::default(), Span::none(), call(&peer, Duration::from_millis(700)))
        .await
        .expect("an answer");
    let metadata = server.metadata().remove(0);
    assert_eq!(metadata.get("x-request-id").expect("an id"), "request-7");
    let deadline = metadata.get("grpc-timeout").expect("a deadline").to_str().expect("ASCII");
    let micros: u64 = deadline.strip_suffix('u').expect("microseconds").parse().expect("a number");
    assert!((600_000..=700_000).contains(&micros), "{deadline}");

    let stranger = peer_with(&[server.address], &GrpcSettings { internal_token: "another".into(), ..settings() });
    let refused = call(&stranger, Duration::from_secs(1)).await.expect_err("refused");
    assert_eq!((refused.code(), server.calls()), (Code::Unauthenticated, 1));
}

#[tokio::test]
async fn the_settings_bound_what_a_caller_asks_for() {
    let server = StandIn::start(async |_| Ok(())).await;
    let peer = peer_with(&[server.address], &GrpcSettings { timeout: Duration::from_millis(300), ..settings() });
    call(&peer, Duration::from_mins(1)).await.expect("an answer");
    let metadata = server.metadata().remove(0);
    let deadline = metadata.get("grpc-timeout").expect("a deadline").to_str().expect("ASCII");
    let micros: u64 = deadline.strip_suffix('u').expect("microseconds").parse().expect("a number");
    assert!(micros <= 300_000, "{deadline}");
}

#[tokio::test]
async fn calls_are_measured_by_method_and_code() {
    let metrics = Metrics::install().expect("a recorder");
    let server = StandIn::start(async |number| match number {
        0 => Err(Status::unavailable("not yet")),
        1 => Ok(()),
        _ => Err(Status::data_loss("for this test alone")),
    })
    .await;
    let peer = peer(&[server.address]);
    call(&peer, Duration::from_secs(5)).await.expect("an answer");
    call(&peer, Duration::from_secs(5)).await.expect_err("an error");
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
async fn it_serves_where_one_of_its_addresses_does() {
    let server = StandIn::start(async |_| Ok(())).await;
    let (_listener, hanging) = black_hole().await;
    let (server_at, hanging) = (server.address.to_string(), hanging.to_string());
    let limit = Duration::from_secs(2);
    assert!(peer(&[NOWHERE, &hanging, &server_at]).is_serving(limit).await);
    assert!(!peer(&[NOWHERE, &hanging]).is_serving(Duration::from_millis(200)).await);
    let peer = peer(&[&server_at]);
    assert!(peer.is_serving(limit).await);
    server.stop().await;
    assert!(!peer.is_serving(limit).await);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    use neonchat_common::grpc::client::GrpcClient;
    assert!(GrpcClient::new(&[], &settings()).is_err());
    assert!(GrpcClient::new(&["no address".to_owned()], &settings()).is_err());
}
