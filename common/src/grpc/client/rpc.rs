//! The methods that the services call of each other, by the message that each takes.

use neonchat_proto::{
    chat::v1::{self as chat, chat_service_client::ChatServiceClient, chat_service_server},
    notification::v1::{
        self as notification, notification_service_client::NotificationServiceClient, notification_service_server,
    },
};
use tonic::{Request, Response, Status, transport::Channel};

/// The method that takes this message. It is idempotent, or called with one attempt.
pub trait Rpc: Clone + Send + Sync + 'static {
    /// Its service, with the package.
    const SERVICE: &'static str;
    /// Its name.
    const NAME: &'static str;
    /// What it answers.
    type Response: Send + 'static;

    /// Calls it.
    fn call(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send + 'static;
}

/// `Name = function(Request) -> Answer`, as the `.proto` file and the generated client have them.
macro_rules! rpcs {
    ($all:ident, $client:ident, $server:ident: $($name:ident = $function:ident($request:path) -> $answer:path;)+) => {
        /// The methods that are called of this service, each with the service.
        pub const $all: &[(&str, &str)] = &[$(($server::SERVICE_NAME, stringify!($name))),+];

        $(
        impl Rpc for $request {
            const SERVICE: &'static str = $server::SERVICE_NAME;
            const NAME: &'static str = stringify!($name);
            type Response = $answer;

            async fn call(channel: Channel, request: Request<Self>) -> Result<Response<$answer>, Status> {
                $client::new(channel).$function(request).await
            }
        }
    )+};
}

rpcs! { CHAT_SERVICE_RPCS, ChatServiceClient, chat_service_server:
    ValidateAndStoreMessage = validate_and_store_message(chat::ValidateAndStoreMessageRequest)
        -> chat::ValidateAndStoreMessageResponse;
    StoreMessages = store_messages(chat::StoreMessagesRequest) -> chat::StoreMessagesResponse;
    ValidateChatAccess = validate_chat_access(chat::ValidateChatAccessRequest) -> chat::ValidateChatAccessResponse;
    ListUserChats = list_user_chats(chat::ListUserChatsRequest) -> chat::ListUserChatsResponse;
    ListChangedUsers = list_changed_users(chat::ListChangedUsersRequest) -> chat::ListChangedUsersResponse;
    GetHeads = get_heads(chat::GetHeadsRequest) -> chat::GetHeadsResponse;
    GetEvents = get_events(chat::GetEventsRequest) -> chat::GetEventsResponse;
    MarkRead = mark_read(chat::MarkReadRequest) -> chat::MarkReadResponse;
    GetDeployment = get_deployment(chat::GetDeploymentRequest) -> chat::GetDeploymentResponse;
}

rpcs! { NOTIFICATION_SERVICE_RPCS, NotificationServiceClient, notification_service_server:
    SendMessage = send_message(notification::SendMessageRequest) -> notification::SendMessageResponse;
    GetUsersStatus = get_users_status(notification::GetUsersStatusRequest) -> notification::GetUsersStatusResponse;
    BroadcastSystemMessage = broadcast_system_message(notification::BroadcastSystemMessageRequest)
        -> notification::BroadcastSystemMessageResponse;
}
