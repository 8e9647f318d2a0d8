//! Tests docs/PROTOCOL.md and docs/asyncapi.json against the frames.

use neonchat_common::{
    chat::RemovalReason,
    error::{ApiError, ErrorCode},
    ids::{ChatId, MessageId, SessionId, TokenId, UserId},
    time,
    token::Claims,
};
use serde_json::Value;

use super::*;

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const ASYNCAPI: &str = include_str!("../../../docs/asyncapi.json");

/// Returns the examples of a section of PROTOCOL.md.
fn examples(title: &str) -> Vec<String> {
    let (_, section) = PROTOCOL.split_once(title).expect("find section");
    let section =
        section.split("\n### ").next().and_then(|section| section.split("\n## ").next()).expect("end section");
    section.split("```json\n").skip(1).map(|block| block.lines().next().expect("read example").to_owned()).collect()
}

/// Returns the examples of an operation's messages in asyncapi.json.
fn asyncapi_examples(operation: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(ASYNCAPI).expect("parse document");
    let messages = document["operations"][operation]["messages"].as_array().expect("find messages");
    let examples = |message: &Value| {
        let name = message["$ref"].as_str().and_then(|path| path.rsplit('/').next()).expect("find message name");
        let examples = document["components"]["messages"][name]["examples"].as_array().expect("find examples");
        examples.iter().map(|example| example["payload"].clone()).collect::<Vec<_>>()
    };
    messages.iter().flat_map(examples).collect()
}

#[test]
fn documents_have_every_client_frame_as_it_is_parsed() {
    let read = |json: &str| ClientFrame::parse(json).map(|frame| frame.kind()).expect("parse frame");
    assert_eq!(examples("### Client to server").iter().map(|json| read(json)).collect::<Vec<_>>(), CLIENT_TYPES);
    let asyncapi = asyncapi_examples("send");
    assert_eq!(asyncapi.iter().map(|json| read(&json.to_string())).collect::<Vec<_>>(), CLIENT_TYPES);
}

#[test]
fn documents_have_every_server_frame_as_it_is_encoded() {
    let chat_id: ChatId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("parse UUID");
    let message_id: MessageId = "01890a5d-ac96-774b-bcce-b302099a8058".parse().expect("parse UUID");
    let user_id: UserId = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().expect("parse UUID");
    let request = "550e8400-e29b-41d4-a716-446655440000";
    let at = time::from_micros(1_767_323_045_000_006).expect("time in range");
    // The encoding of chat-service.
    let item = format!(
        r#"{{"id":"{chat_id}","type":"direct","partner":{{"id":"{user_id}","username":"bob","online":true,"status":"online","last_seen_at":null}},"settings":{{"ttl_s":0}},"last_message":null,"unread_count":0,"mention_count":0,"first_seq":1,"last_seq":0,"read_seq":0,"muted_until":null,"level":"all","archived":false,"pin_place":null,"marked_unread":false,"folder":null,"draft":null,"partner_read_seq":0,"partner_delivered_seq":0,"updated_at":"2026-01-02T03:04:05.000006Z"}}"#
    );
    let claims = Claims {
        user_id,
        username: "alice".to_owned(),
        iat: 1_767_323_045,
        exp: 1_767_409_445,
        jti: TokenId::new(),
        sid: Some(SessionId::new()),
    };
    let too_fast = ApiError {
        retry_after: Some(std::time::Duration::from_millis(800)),
        ..ApiError::new(ErrorCode::RateLimited, "Too many frames: wait a little.")
    };
    let frames = [
        ServerFrame::MessageSent {
            request_id: request.parse().expect("parse UUID"),
            status: DeliveryStatus::Delivered,
            message_id,
            chat_id,
            seq: 42,
            created_at: at,
            duplicate: false,
            message: None,
        },
        ServerFrame::Ack {
            request_id: request.into(),
            chat_id,
            acked: Acked::Change { seq: Some(43), duplicate: false },
        },
        ServerFrame::Ack { request_id: "r-1".into(), chat_id, acked: Acked::Receipt { read_seq: 41, unread_count: 1 } },
        ServerFrame::NewMessage {
            chat_id,
            seq: 42,
            message: Message {
                id: message_id,
                chat_id,
                sender_id: user_id,
                text: "Привет!",
                created_at: at,
                updated_at: at,
                seq: 42,
                changed_seq: None,
                deleted: false,
                extra: Members(None),
                request_id: None,
            },
        },
        ServerFrame::ChatCreated { chat: serde_json::from_str(&item).expect("parse chat") },
        ServerFrame::ChatRemoved { chat_id, reason: RemovalReason::Kicked },
        ServerFrame::Presence { event: PresenceEvent::Online, user_id, timestamp: 1_767_323_045 },
        ServerFrame::Typing { chat_id, typists: Typists::One { user_id, is_typing: true } },
        ServerFrame::Receipt { chat_id, user_id, read: 41, delivered: 47, unread_count: None },
        ServerFrame::Receipts { chat_id, reads: [(user_id, 41)].into(), delivered: [(user_id, 47)].into() },
        ServerFrame::Draft { chat_id, text: "Привет, я", reply_to: Some(message_id), updated_at: at },
        ServerFrame::Synced {
            request_id: Some("s-1"),
            chats: &[SyncedChat { chat_id, first_seq: 1, head_seq: 46, complete: true }],
        },
        ServerFrame::Lagged { chat_id, from_seq: 47, head_seq: 900 },
        ServerFrame::System { text: "Back in five minutes" },
        ServerFrame::AuthOk { request_id: "a-1", expires_at: claims.expires_at() },
        ServerFrame::Pong { request_id: None, server_time: at },
        ServerFrame::Reconnect { after_ms: 4200, reason: "restart" },
        ServerFrame::error(Some(request.into()), &too_fast),
    ];
    let written: Vec<String> = frames.iter().map(|frame| frame.encode().as_str().to_owned()).collect();
    let documented = examples("### Server to client");
    let kind = |json: &String| Frame::opaque(json.as_str()).kind();
    // chat-service tests the examples of the frames that it encodes.
    let passed_on = [&CHANGE_TYPES[..], &PERSONAL_TYPES].concat();
    let (others, own): (Vec<_>, Vec<_>) = documented.iter().partition(|json| passed_on.contains(&kind(json)));
    assert_eq!(others.into_iter().map(kind).collect::<Vec<_>>(), passed_on);
    assert_eq!(own, written.iter().collect::<Vec<_>>());
    let mut kinds: Vec<_> = own.into_iter().map(kind).collect();
    kinds.dedup();
    assert_eq!(kinds, SERVER_TYPES, "frames that another instance encoded");
    let documented: Vec<Value> =
        documented.iter().map(|json| serde_json::from_str(json).expect("parse frame")).collect();
    assert_eq!(asyncapi_examples("receive"), documented);
    let mut kinds = frames.map(|frame| frame.kind()).to_vec();
    // There are two examples of an ack.
    kinds.dedup();
    assert_eq!(kinds, SERVER_TYPES);
}
