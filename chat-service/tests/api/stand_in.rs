//! What stands in for notification-service.

use std::net::SocketAddr;

use neonchat_proto::notification::v1::{
    BroadcastSystemMessageRequest, BroadcastSystemMessageResponse, GetUsersStatusRequest, GetUsersStatusResponse,
    SendMessageRequest, SendMessageResponse, UserStatus, ValidateChatAccessRequest, ValidateChatAccessResponse,
    notification_service_server::{NotificationService, NotificationServiceServer},
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// When who is online was seen last.
pub(crate) const LAST_SEEN: i64 = 1_767_225_600;

/// A notification-service that knows of two users, and delivers messages to a test.
#[derive(Default)]
pub(crate) struct StandIn {
    /// Who is online.
    pub(crate) online: String,
    /// Who is away.
    pub(crate) away: String,
    /// Where messages are delivered to.
    pub(crate) delivered: Option<mpsc::Sender<SendMessageRequest>>,
}

#[tonic::async_trait]
impl NotificationService for StandIn {
    async fn get_users_status(
        &self,
        request: Request<GetUsersStatusRequest>,
    ) -> Result<Response<GetUsersStatusResponse>, Status> {
        let status = |user_id: String| {
            let (status, last_seen) = match &user_id {
                user if *user == self.online => ("online", LAST_SEEN),
                user if *user == self.away => ("away", LAST_SEEN),
                _ => ("offline", 0),
            };
            UserStatus { user_id, status: status.to_owned(), last_seen }
        };
        let statuses = request.into_inner().user_ids.into_iter().map(status).collect();
        Ok(Response::new(GetUsersStatusResponse { statuses }))
    }

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let delivered = self.delivered.as_ref().ok_or_else(|| Status::unimplemented("not asked"))?;
        delivered.send(request.into_inner()).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(SendMessageResponse { success: true, ..SendMessageResponse::default() }))
    }

    async fn validate_chat_access(
        &self,
        _: Request<ValidateChatAccessRequest>,
    ) -> Result<Response<ValidateChatAccessResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn broadcast_system_message(
        &self,
        _: Request<BroadcastSystemMessageRequest>,
    ) -> Result<Response<BroadcastSystemMessageResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }
}

/// A port that accepts connections, and that answers from when it is told what.
pub(crate) async fn notification_port() -> (SocketAddr, impl FnOnce(StandIn)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = |stand_in: StandIn| {
        let (_, health) = tonic_health::server::health_reporter();
        let router = tonic::transport::Server::builder().add_service(health);
        let router = router.add_service(NotificationServiceServer::new(stand_in));
        tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    };
    (address, serve)
}
