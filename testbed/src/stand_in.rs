//! A stand-in for notification-service, for tests of its callers.

use neonchat_proto::notification::v1::{
    BroadcastSystemMessageRequest, BroadcastSystemMessageResponse, GetUsersStatusRequest, GetUsersStatusResponse,
    SendMessageRequest, SendMessageResponse, ValidateChatAccessRequest, ValidateChatAccessResponse,
    notification_service_server::NotificationService,
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

/// A `NotificationService` whose answers a test provides. Calls without an answer fail with `UNIMPLEMENTED`.
#[derive(Debug)]
pub struct NotificationStandIn<F> {
    /// Answers `GetUsersStatus`.
    pub status: F,
    /// Receives the messages of `SendMessage`.
    pub delivered: Option<mpsc::Sender<SendMessageRequest>>,
}

fn not_expected() -> Status {
    Status::unimplemented("the test does not expect this call")
}

#[tonic::async_trait]
impl<F, A> NotificationService for NotificationStandIn<F>
where
    F: Fn(Request<GetUsersStatusRequest>) -> A + Send + Sync + 'static,
    A: Future<Output = Result<GetUsersStatusResponse, Status>> + Send,
{
    async fn get_users_status(
        &self,
        request: Request<GetUsersStatusRequest>,
    ) -> Result<Response<GetUsersStatusResponse>, Status> {
        (self.status)(request).await.map(Response::new)
    }

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let delivered = self.delivered.as_ref().ok_or_else(not_expected)?;
        delivered.send(request.into_inner()).await.map_err(|_| Status::unavailable("the test has ended"))?;
        Ok(Response::new(SendMessageResponse { success: true, ..SendMessageResponse::default() }))
    }

    async fn validate_chat_access(
        &self,
        _: Request<ValidateChatAccessRequest>,
    ) -> Result<Response<ValidateChatAccessResponse>, Status> {
        Err(not_expected())
    }

    async fn broadcast_system_message(
        &self,
        _: Request<BroadcastSystemMessageRequest>,
    ) -> Result<Response<BroadcastSystemMessageResponse>, Status> {
        Err(not_expected())
    }
}
