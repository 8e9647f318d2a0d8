use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, MessageId, RequestId, SendId, UserId},
    message::MessageText,
    time,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const CHAT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const REQUEST: &str = "550e8400-e29b-41d4-a716-446655440000";

fn parse(json: &serde_json::Value) -> Result<ClientFrame, (Option<String>, ErrorCode, String)> {
    ClientFrame::parse(&json.to_string()).map_err(|bad| (bad.request_id, bad.error.code, bad.error.detail.into_owned()))
}

#[test]
fn parses_every_frame_and_ignores_unknown_fields() {
    let chat_id = Some(CHAT.parse().expect("parse UUID"));
    let text = MessageText::try_from("hi".to_owned()).expect("parse text");
    assert_eq!(
        parse(&json!({"type": "message", "chat_id": CHAT, "text": "hi", "request_id": REQUEST, "mood": 1})),
        Ok(ClientFrame::Message {
            chat_id,
            text,
            given: Given::default(),
            request_id: REQUEST.parse().expect("parse UUID")
        })
    );
    let more = json!({"type": "message", "text": "hi", "silent": true, "mentions": null, "entities": [{"a": "\""}]});
    let Ok(ClientFrame::Message { given, .. }) = parse(&more) else { panic!("{more}") };
    assert_eq!(given.as_str(), r#"{"entities":[{"a":"\""}],"silent":true}"#);
    assert_eq!(
        parse(&json!({"type": "typing", "is_typing": true})),
        Ok(ClientFrame::Typing { request_id: None, chat_id: None, is_typing: true })
    );
    assert_eq!(
        parse(&json!({"type": "presence", "status": "away"})),
        Ok(ClientFrame::Presence { request_id: None, status: Status::Away })
    );
    let draft = |reply_to| NewDraft { text: String::new().try_into().expect("parse text"), reply_to };
    assert_eq!(
        parse(&json!({"type": "draft", "text": "", "reply_to": null})),
        Ok(ClientFrame::Draft { request_id: None, chat_id: None, draft: draft(None) })
    );
    assert_eq!(
        parse(&json!({"type": "draft", "chat_id": CHAT, "text": "", "reply_to": CHAT, "request_id": "d"})),
        Ok(ClientFrame::Draft {
            request_id: Some("d".to_owned()),
            chat_id,
            draft: draft(Some(CHAT.parse().expect("parse UUID")))
        })
    );
    let request_id = Some("p 1".to_owned());
    assert_eq!(parse(&json!({"type": "ping", "text": 5, "request_id": "p 1"})), Ok(ClientFrame::Ping { request_id }));
}

#[test]
fn error_names_field_and_request_id_but_repeats_no_text() {
    let (request_id, code, detail) =
        parse(&json!({"type": "message", "chat_id": "x", "text": "secret", "request_id": REQUEST}))
            .expect_err("parse bad chat_id");
    assert_eq!((request_id.as_deref(), code), (Some(REQUEST), ErrorCode::ValidationFailed));
    assert_eq!(detail, "chat_id: should be a UUID");

    let (_, code, detail) =
        parse(&json!({"type": "message", "chat_id": CHAT, "text": {"secret": 1}})).expect_err("parse bad text");
    assert_eq!((code, detail.as_str()), (ErrorCode::ValidationFailed, "text: should be a string"));
}

#[test]
fn distinguishes_bad_json_bad_fields_and_unknown_type() {
    let code = |json: &str| ClientFrame::parse(json).expect_err("parse bad frame").error.code;
    for bad in ["", "{", "[]", "1", r#"{"type":"ping"} x"#] {
        assert_eq!(code(bad), ErrorCode::BadJson, "{bad}");
    }
    assert_eq!(code("{}"), ErrorCode::ValidationFailed);
    assert_eq!(code(r#"{"type":"dance"}"#), ErrorCode::UnknownType);
    for text in [r#""a\u0000b""#, r#""""#, r#""\ud800""#, r#"" \n""#, r#""\u3164\u200b""#] {
        let frame = format!(r#"{{"type":"message","chat_id":"{CHAT}","text":{text}}}"#);
        assert_eq!(code(&frame), ErrorCode::ValidationFailed, "{text}");
    }
}

#[test]
fn frames_match_contract() {
    let seen = |frame: ServerFrame<'_>| {
        serde_json::from_str::<serde_json::Value>(frame.encode().as_str()).expect("parse frame")
    };
    let created_at = time::from_micros(1_700_000_000_123_456).expect("time in range");
    let (id, chat_id, sender_id) = (MessageId::new(), ChatId::new(), UserId::new());
    let message = Message {
        id,
        chat_id,
        sender_id,
        text: "hi",
        created_at,
        updated_at: created_at,
        seq: 42,
        changed_seq: None,
        deleted: false,
        extra: Members(None),
        request_id: None,
    };
    assert_eq!(
        seen(ServerFrame::NewMessage { chat_id, seq: 42, message }),
        json!({"type": "new_message", "chat_id": chat_id, "seq": 42, "message": {
            "id": id, "chat_id": chat_id, "sender_id": sender_id, "text": "hi", "seq": 42,
            "created_at": "2023-11-14T22:13:20.123456Z", "updated_at": "2023-11-14T22:13:20.123456Z"}})
    );
    let request_id = RequestId::from(SendId::new());
    let status = DeliveryStatus::Delivered;
    let sent = ServerFrame::MessageSent {
        request_id,
        status,
        message_id: id,
        chat_id,
        seq: 42,
        created_at,
        duplicate: false,
        message: None,
    };
    assert_eq!(
        seen(sent),
        json!({"type": "message_sent", "request_id": request_id, "status": "delivered", "message_id": id,
            "chat_id": chat_id, "seq": 42, "created_at": "2023-11-14T22:13:20.123456Z", "duplicate": false})
    );
    let error = ApiError::new(ErrorCode::NotFound, "no");
    assert_eq!(
        seen(ServerFrame::error(Some("r".into()), &error)),
        json!({"type": "error", "request_id": "r", "code": "not_found", "message": "no", "retryable": false})
    );
    assert_eq!(
        seen(ServerFrame::Presence { event: PresenceEvent::Offline, user_id: sender_id, timestamp: 5 }),
        json!({"type": "presence", "event": "user_offline", "user_id": sender_id, "timestamp": 5})
    );
}

/// Generates JSON of any shape with the names of our fields among the keys, so that it is often nearly a frame.
fn near_frame() -> impl Strategy<Value = serde_json::Value> {
    let kinds = [&CLIENT_TYPES[..], &["dance"]].concat();
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        Just(CHAT.into()),
        prop::sample::select(&["online", "away"]).prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(prop_oneof![any::<String>(), Just(CHAT.to_owned())], inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    let key = prop::sample::select(&[
        "chat_id",
        "text",
        "message_id",
        "message_ids",
        "request_id",
        "is_typing",
        "status",
        "read",
        "delivered",
        "cursors",
        "token",
        "more",
    ]);
    (prop::sample::select(kinds), prop::collection::btree_map(key, value, 0..9)).prop_map(|(kind, fields)| {
        let mut frame: serde_json::Map<_, _> = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        frame.insert("type".to_owned(), kind.into());
        frame.into()
    })
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_with_a_detail(text in any::<String>()) {
        if let Err(bad) = ClientFrame::parse(&text) {
            prop_assert!(!bad.error.detail.is_empty());
        }
    }

    #[test]
    fn near_frames_respect_the_types_limits(json in near_frame()) {
        match ClientFrame::parse(&json.to_string()) {
            Ok(ClientFrame::Message { text, .. }) => {
                prop_assert!((1..=4096).contains(&text.as_str().chars().count()) && !text.as_str().contains('\0'));
            }
            Ok(ClientFrame::Receipt { markers, .. }) => {
                prop_assert!(markers.read >= 0 && markers.delivered >= 0 && markers.read.max(markers.delivered) >= 1);
            }
            Ok(ClientFrame::Sync { cursors, .. }) => prop_assert!(cursors.values().all(|cursor| *cursor >= 0)),
            Ok(_) => {}
            Err(bad) => {
                let frame = ServerFrame::error(bad.request_id.as_deref().map(Into::into), &bad.error).encode();
                let error: serde_json::Value = serde_json::from_str(frame.as_str()).expect("parse frame");
                prop_assert_eq!(&error["type"], "error");
            }
        }
    }

    #[test]
    fn text_survives_parsing_and_encoding(text in "\\PC{1,200}") {
        let json = json!({"type": "message", "chat_id": CHAT, "text": text}).to_string();
        let Ok(ClientFrame::Message { text: read, .. }) = ClientFrame::parse(&json) else { panic!("{json}") };
        let (id, chat_id, sender_id) = (MessageId::new(), ChatId::new(), UserId::new());
        let at = time::from_micros(0).expect("time in range");
        let message =
            Message { id, chat_id, sender_id, text: read.as_str(), created_at: at, updated_at: at, seq: 1, changed_seq: None, deleted: false, extra: Members(None), request_id: None };
        let frame = ServerFrame::NewMessage { chat_id, seq: 1, message }.encode();
        let written: serde_json::Value = serde_json::from_str(frame.as_str()).expect("parse frame");
        prop_assert_eq!(&written["message"]["text"], &json!(text));
    }
}
