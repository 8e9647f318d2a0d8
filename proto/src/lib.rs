//! The gRPC contracts between the services, generated from the `.proto` files beside this crate's `src`.

/// `chat.v1`: the API of chat-service.
pub mod chat {
    /// Version 1.
    #[expect(missing_docs, clippy::pedantic, reason = "generated; the .proto file has the documentation")]
    pub mod v1 {
        tonic::include_proto!("chat.v1");
    }
}

/// `notification.v1`: the API of notification-service.
pub mod notification {
    /// Version 1.
    #[expect(missing_docs, clippy::pedantic, reason = "generated; the .proto file has the documentation")]
    pub mod v1 {
        tonic::include_proto!("notification.v1");
    }
}
