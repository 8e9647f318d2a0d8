//! The gRPC edge: one thin method for each call (contract, section 6).

use neonchat_proto::chat::v1::{
    GetEventsRequest, GetEventsResponse, GetHeadsRequest, GetHeadsResponse, ListUserChatsRequest,
    ListUserChatsResponse, MarkReadRequest, MarkReadResponse, ValidateAndStoreMessageRequest,
    ValidateAndStoreMessageResponse, ValidateChatAccessRequest, ValidateChatAccessResponse,
    chat_service_server::{ChatService, ChatServiceServer},
};
use tonic::{Request, Response, async_trait};

use crate::{
    chats::{self, service::Chats},
    messages::{self, service::Messages},
};

/// The calls of `chat.v1.ChatService`.
pub struct Api {
    chats: Chats,
    messages: Messages,
}

impl Api {
    /// The service to be served.
    #[must_use]
    pub fn server(chats: Chats, messages: Messages) -> ChatServiceServer<Self> {
        ChatServiceServer::new(Self { chats, messages })
    }
}

type Answer<T> = Result<Response<T>, tonic::Status>;

#[async_trait]
impl ChatService for Api {
    async fn validate_and_store_message(
        &self,
        request: Request<ValidateAndStoreMessageRequest>,
    ) -> Answer<ValidateAndStoreMessageResponse> {
        Ok(Response::new(messages::grpc::validate_and_store(&self.messages, request.into_inner()).await?))
    }

    async fn validate_chat_access(
        &self,
        request: Request<ValidateChatAccessRequest>,
    ) -> Answer<ValidateChatAccessResponse> {
        Ok(Response::new(chats::grpc::validate_access(&self.chats, request.into_inner()).await?))
    }

    async fn list_user_chats(&self, request: Request<ListUserChatsRequest>) -> Answer<ListUserChatsResponse> {
        Ok(Response::new(chats::grpc::list(&self.chats, request.into_inner()).await?))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Answer<GetHeadsResponse> {
        Ok(Response::new(chats::grpc::heads(&self.chats, request.into_inner()).await?))
    }

    async fn mark_read(&self, request: Request<MarkReadRequest>) -> Answer<MarkReadResponse> {
        Ok(Response::new(chats::grpc::mark_read(&self.chats, request.into_inner()).await?))
    }

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Answer<GetEventsResponse> {
        Ok(Response::new(messages::grpc::events(&self.messages, request.into_inner()).await?))
    }
}
