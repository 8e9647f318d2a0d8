//! A stand-in for notification-service.

use std::net::SocketAddr;

use neonchat_proto::notification::v1::{
    GetUsersStatusRequest, GetUsersStatusResponse, SendMessageRequest, UserStatus,
    notification_service_server::NotificationServiceServer,
};
use neonchat_testbed::stand_in::NotificationStandIn;
use tokio::sync::mpsc;
use tonic::{Request, transport::server::TcpIncoming};

/// The `last_seen` of online users.
pub(crate) const LAST_SEEN: i64 = 1_767_225_600;

/// A notification-service that knows two users, and delivers messages to a test.
#[derive(Default)]
pub(crate) struct StandIn {
    /// The user who is online.
    pub(crate) online: String,
    /// The user who is away.
    pub(crate) away: String,
    /// The test's end of the delivery.
    pub(crate) delivered: Option<mpsc::Sender<SendMessageRequest>>,
}

/// Answers `GetUsersStatus`.
fn statuses(online: &str, away: &str, request: Request<GetUsersStatusRequest>) -> GetUsersStatusResponse {
    let status = |user_id: String| {
        let (status, last_seen) = match &*user_id {
            user if user == online => ("online", LAST_SEEN),
            user if user == away => ("away", LAST_SEEN),
            _ => ("offline", 0),
        };
        UserStatus { user_id, status: status.to_owned(), last_seen }
    };
    GetUsersStatusResponse { statuses: request.into_inner().user_ids.into_iter().map(status).collect() }
}

/// Returns a port that accepts connections, and a function that starts answering on it.
pub(crate) async fn notification_port() -> (SocketAddr, impl FnOnce(StandIn)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let address = listener.local_addr().expect("get address");
    let serve = |StandIn { online, away, delivered }: StandIn| {
        let status = move |request| std::future::ready(Ok(statuses(&online, &away, request)));
        let (_, health) = tonic_health::server::health_reporter();
        let router = tonic::transport::Server::builder().add_service(health);
        let router = router.add_service(NotificationServiceServer::new(NotificationStandIn { status, delivered }));
        tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    };
    (address, serve)
}
