//! The gRPC methods that the services call, each as a trait of its request message.

use neonchat_proto::{
    chat::v1::{self as chat, chat_service_client::ChatServiceClient, chat_service_server},
    notification::v1::{
        self as notification, notification_service_client::NotificationServiceClient, notification_service_server,
    },
};
use tonic::{Request, Response, Status, transport::Channel};

/// A gRPC method, implemented by its request message. The method is idempotent, or is called with one attempt.
pub trait Rpc: Clone + Send + Sync + 'static {
    /// The service, with the package.
    const SERVICE: &'static str;
    /// The name of the method.
    const NAME: &'static str;
    /// The response message.
    type Response: Send + 'static;

    /// Makes one call.
    fn call(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send + 'static;
}

/// `Name = function(Request) -> Response`, with the names of the `.proto` file and the generated client.
macro_rules! rpcs {
    ($all:ident, $client:ident, $server:ident: $($name:ident = $function:ident($request:path) -> $response:path;)+) => {
        /// The methods of this service that are called, each with the name of the service.
        pub const $all: &[(&str, &str)] = &[$(($server::SERVICE_NAME, stringify!($name))),+];

        $(
        impl Rpc for $request {
            const SERVICE: &'static str = $server::SERVICE_NAME;
            const NAME: &'static str = stringify!($name);
            type Response = $response;

            async fn call(channel: Channel, request: Request<Self>) -> Result<Response<$response>, Status> {
                $client::new(channel).$function(request).await
            }
        }
    )+};
}

rpcs! { CHAT_SERVICE_RPCS, ChatServiceClient, chat_service_server:
    ValidateAndStoreMessage = validate_and_store_message(chat::ValidateAndStoreMessageRequest)
        -> chat::ValidateAndStoreMessageResponse;
    StoreMessages = store_messages(chat::StoreMessagesRequest) -> chat::StoreMessagesResponse;
    ChangeMessage = change_message(chat::ChangeMessageRequest) -> chat::ChangeMessageResponse;
    ChangeMessages = change_messages(chat::ChangeMessagesRequest) -> chat::ChangeMessagesResponse;
    ValidateChatAccess = validate_chat_access(chat::ValidateChatAccessRequest) -> chat::ValidateChatAccessResponse;
    ListUserChats = list_user_chats(chat::ListUserChatsRequest) -> chat::ListUserChatsResponse;
    ListChangedUsers = list_changed_users(chat::ListChangedUsersRequest) -> chat::ListChangedUsersResponse;
    GetHeads = get_heads(chat::GetHeadsRequest) -> chat::GetHeadsResponse;
    GetEvents = get_events(chat::GetEventsRequest) -> chat::GetEventsResponse;
    MarkRead = mark_read(chat::MarkReadRequest) -> chat::MarkReadResponse;
    SetDraft = set_draft(chat::SetDraftRequest) -> chat::SetDraftResponse;
    MarkReadMany = mark_read_many(chat::MarkReadManyRequest) -> chat::MarkReadManyResponse;
    RecordLastSeen = record_last_seen(chat::RecordLastSeenRequest) -> chat::RecordLastSeenResponse;
    GetDeployment = get_deployment(chat::GetDeploymentRequest) -> chat::GetDeploymentResponse;
}

rpcs! { NOTIFICATION_SERVICE_RPCS, NotificationServiceClient, notification_service_server:
    SendMessage = send_message(notification::SendMessageRequest) -> notification::SendMessageResponse;
    GetUsersStatus = get_users_status(notification::GetUsersStatusRequest) -> notification::GetUsersStatusResponse;
    BroadcastSystemMessage = broadcast_system_message(notification::BroadcastSystemMessageRequest)
        -> notification::BroadcastSystemMessageResponse;
}
