use std::{convert::Infallible, sync::Arc};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::MessageId,
};
use neonchat_proto::chat::v1::{
    Change, ChangeMessageRequest, ChangeMessageResponse, ChangeMessageResult, ChangeMessagesRequest,
    ChangeMessagesResponse, Refusal, StoreMessageResult, StoreMessagesRequest, StoreMessagesResponse,
    ValidateAndStoreMessageRequest, ValidateAndStoreMessageResponse, change_message_request::Change as WireChange,
    change_message_result::Result as Outcome, chat_service_server::SERVICE_NAME,
    store_message_result::Result as Stored,
};
use tokio::sync::{Semaphore, mpsc};
use tonic::{
    Request as Call, Response, Status,
    body::Body,
    codegen::{BoxFuture, Context, Poll, Service, http},
    server::{Grpc, NamedService},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// A chat-service that stores messages at once, and makes changes when it is told to.
#[derive(Clone)]
pub(super) struct StandIn {
    /// Whether it is a version that makes several changes with one call.
    pub(super) has_batches: bool,
    /// Gets the emoji of the changes of each call, or the texts of messages.
    pub(super) calls: mpsc::Sender<Vec<String>>,
    /// Each call takes one of these before it answers.
    pub(super) answers: Arc<Semaphore>,
}

/// The emoji of changes that are refused.
pub(super) const BAD: &str = "bad";

impl StandIn {
    async fn take(&self, changes: &[ChangeMessageRequest]) {
        self.calls.send(changes.iter().map(emoji).collect()).await.expect("record call");
        self.answers.acquire().await.expect("wait for permit").forget();
    }

    async fn one(self, change: ChangeMessageRequest) -> Result<Response<ChangeMessageResponse>, Status> {
        self.take(std::slice::from_ref(&change)).await;
        if emoji(&change) == BAD {
            return Err(ApiError::new(ErrorCode::NotFound, "no such message").into());
        }
        Ok(Response::new(made(&change)))
    }

    async fn many(self, changes: Vec<ChangeMessageRequest>) -> Result<Response<ChangeMessagesResponse>, Status> {
        self.take(&changes).await;
        let refusal = || Refusal { code: "not_found".into(), detail: "no such message".into(), ..Refusal::default() };
        let result = |change: &ChangeMessageRequest| match &*emoji(change) {
            BAD => Outcome::Refused(refusal()),
            _ => Outcome::Made(made(change)),
        };
        let results = changes.iter().map(|change| ChangeMessageResult { result: Some(result(change)) }).collect();
        Ok(Response::new(ChangeMessagesResponse { results }))
    }

    async fn store(
        self,
        messages: Vec<ValidateAndStoreMessageRequest>,
    ) -> Result<Response<StoreMessagesResponse>, Status> {
        self.calls.send(messages.iter().map(|message| message.text.clone()).collect()).await.expect("record call");
        let stored = |_: &_| StoreMessageResult {
            result: Some(Stored::Stored(ValidateAndStoreMessageResponse {
                message_id: MessageId::new().to_string(),
                seq: 1,
                ..ValidateAndStoreMessageResponse::default()
            })),
        };
        Ok(Response::new(StoreMessagesResponse { results: messages.iter().map(stored).collect() }))
    }
}

fn emoji(change: &ChangeMessageRequest) -> String {
    let Some(WireChange::React(react)) = &change.change else { panic!("unexpected change: {change:?}") };
    react.emoji.clone()
}

/// Returns the outcome of a change; its `seq` is the length of the emoji.
fn made(change: &ChangeMessageRequest) -> ChangeMessageResponse {
    let event = Change {
        actor_id: change.actor_id.clone(),
        request_id: change.request_id.clone(),
        frame: b"{}".into(),
        ..Change::default()
    };
    let seq = emoji(change).len().try_into().expect("short emoji");
    ChangeMessageResponse { seq, event: Some(event), ..ChangeMessageResponse::default() }
}

impl NamedService for StandIn {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<http::Request<Body>> for StandIn {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match (&*method, this.has_batches) {
                ("ChangeMessage", _) => {
                    let answer = |call: Call<ChangeMessageRequest>| this.clone().one(call.into_inner());
                    Grpc::new(ProstCodec::default()).unary(service_fn(answer), request).await
                }
                ("ChangeMessages", true) => {
                    let answer = |call: Call<ChangeMessagesRequest>| this.clone().many(call.into_inner().changes);
                    Grpc::new(ProstCodec::default()).unary(service_fn(answer), request).await
                }
                ("StoreMessages", _) => {
                    let answer = |call: Call<StoreMessagesRequest>| this.clone().store(call.into_inner().messages);
                    Grpc::new(ProstCodec::default()).unary(service_fn(answer), request).await
                }
                _ => Status::unimplemented(method).into_http(),
            })
        })
    }
}
