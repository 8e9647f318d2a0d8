//! The gRPC edge: one short method for each call (`proto/chat/v1/chat.proto`).

use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessageResponse, ChangeMessagesRequest, ChangeMessagesResponse, GetDeploymentRequest,
    GetDeploymentResponse, GetEventsRequest, GetEventsResponse, GetHeadsRequest, GetHeadsResponse,
    ListChangedUsersRequest, ListChangedUsersResponse, ListUserChatsRequest, ListUserChatsResponse,
    MarkReadManyRequest, MarkReadManyResponse, MarkReadRequest, MarkReadResponse, RecordLastSeenRequest,
    RecordLastSeenResponse, SetDraftRequest, SetDraftResponse, StoreMessagesRequest, StoreMessagesResponse,
    ValidateAndStoreMessageRequest, ValidateAndStoreMessageResponse, ValidateChatAccessRequest,
    ValidateChatAccessResponse,
    chat_service_server::{ChatService, ChatServiceServer},
};
use tonic::{Request, Response, async_trait};

use crate::{changes, chats, deployment, messages, prefs, services::Services, sync, timeline, users};

/// Implements `chat.v1.ChatService`.
pub(crate) struct Api(Services);

impl Api {
    pub(crate) fn server(services: &Services) -> ChatServiceServer<Self> {
        ChatServiceServer::new(Self(services.clone()))
    }
}

type Answer<T> = Result<Response<T>, tonic::Status>;

#[async_trait]
impl ChatService for Api {
    async fn validate_and_store_message(
        &self,
        request: Request<ValidateAndStoreMessageRequest>,
    ) -> Answer<ValidateAndStoreMessageResponse> {
        Ok(Response::new(messages::grpc::validate_and_store(&self.0.messages, request.into_inner()).await?))
    }

    async fn store_messages(&self, request: Request<StoreMessagesRequest>) -> Answer<StoreMessagesResponse> {
        Ok(Response::new(messages::grpc::store_messages(&self.0.messages, request.into_inner()).await?))
    }

    async fn change_message(&self, request: Request<ChangeMessageRequest>) -> Answer<ChangeMessageResponse> {
        Ok(Response::new(
            changes::grpc::change_message(&self.0.changes, &self.0.reactions, request.into_inner()).await?,
        ))
    }

    async fn change_messages(&self, request: Request<ChangeMessagesRequest>) -> Answer<ChangeMessagesResponse> {
        Ok(Response::new(
            changes::grpc::change_messages(&self.0.changes, &self.0.reactions, request.into_inner()).await?,
        ))
    }

    async fn validate_chat_access(
        &self,
        request: Request<ValidateChatAccessRequest>,
    ) -> Answer<ValidateChatAccessResponse> {
        Ok(Response::new(chats::grpc::validate_access(&self.0.chats, request.into_inner()).await?))
    }

    async fn list_user_chats(&self, request: Request<ListUserChatsRequest>) -> Answer<ListUserChatsResponse> {
        Ok(Response::new(chats::grpc::list(&self.0.chats, &self.0.sessions, request.into_inner()).await?))
    }

    async fn list_changed_users(&self, request: Request<ListChangedUsersRequest>) -> Answer<ListChangedUsersResponse> {
        Ok(Response::new(sync::grpc::list_changed_users(&self.0.db, request.into_inner()).await?))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Answer<GetHeadsResponse> {
        Ok(Response::new(chats::grpc::heads(&self.0.chats, request.into_inner()).await?))
    }

    async fn mark_read(&self, request: Request<MarkReadRequest>) -> Answer<MarkReadResponse> {
        Ok(Response::new(chats::receipts_grpc::mark_read(&self.0.chats, request.into_inner()).await?))
    }

    async fn mark_read_many(&self, request: Request<MarkReadManyRequest>) -> Answer<MarkReadManyResponse> {
        Ok(Response::new(chats::receipts_grpc::mark_read_many(&self.0.chats, request.into_inner()).await?))
    }

    async fn record_last_seen(&self, request: Request<RecordLastSeenRequest>) -> Answer<RecordLastSeenResponse> {
        Ok(Response::new(users::grpc::record_last_seen(&self.0.users, request.into_inner()).await?))
    }

    async fn set_draft(&self, request: Request<SetDraftRequest>) -> Answer<SetDraftResponse> {
        Ok(Response::new(prefs::grpc::set_draft(&self.0.prefs, request.into_inner()).await?))
    }

    async fn get_deployment(&self, _: Request<GetDeploymentRequest>) -> Answer<GetDeploymentResponse> {
        Ok(Response::new(deployment::grpc::get(&self.0.db, &self.0.deployment).await?))
    }

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Answer<GetEventsResponse> {
        Ok(Response::new(timeline::grpc::events(&self.0.timeline, request.into_inner()).await?))
    }
}
