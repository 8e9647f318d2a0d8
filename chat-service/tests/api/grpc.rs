//! The gRPC calls, except for sending.

use std::time::Duration;

use neonchat_common::error::{ApiError, ErrorCode};
use neonchat_proto::chat::v1::{
    ChatClass, ChatHead, GetEventsRequest, GetHeadsRequest, ListUserChatsRequest, Role, UserChat,
    ValidateChatAccessRequest, chat_event::Event,
};
use tokio::io::AsyncReadExt as _;
use tonic::Code;
use uuid::Uuid;

use crate::support::{Grpc, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn rejects_calls_without_the_internal_token() {
    let app = TestApp::start().await;
    let mut client = app.chat_service();
    let request = GetHeadsRequest { chat_ids: vec![] };
    let stranger = Grpc::new("127.0.0.1:1", "wrong");
    for request in [tonic::Request::new(request.clone()), stranger.request(request)] {
        let status = client.get_heads(request).await.expect_err("refuse request");
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(ApiError::from(status).code, ErrorCode::Unauthorized);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_have_access() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let mallory = app.user().await;
    app.send(&chat, &alice, "hello").await;
    let access = async |user_id: &str, chat_id: &str| {
        let request = ValidateChatAccessRequest { user_id: user_id.to_owned(), chat_id: chat_id.to_owned() };
        app.chat_service().validate_chat_access(app.grpc.request(request)).await.map(tonic::Response::into_inner)
    };

    let granted = access(&alice.id, &chat).await.expect("get answer");
    let expected = UserChat {
        chat_id: chat.clone(),
        last_seq: 1,
        partner_ids: vec![bob.id.clone()],
        from_seq: 0,
        class: ChatClass::Small.into(),
        role: Role::Member.into(),
        joined_seq: 0,
        presence_ids: vec![bob.id.clone()],
        send_role: Role::Member.into(),
        restricted_until_micros: None,
        access_version: Some(0),
    };
    assert_eq!((granted.has_access, granted.chat), (true, Some(expected)));
    assert_eq!(access(&bob.id, &chat).await.expect("get answer").chat.expect("chat in answer").partner_ids, [alice.id]);
    for (user, chat) in [(&mallory.id, &chat), (&bob.id, &Uuid::now_v7().to_string())] {
        let refused = access(user, chat).await.expect("get answer");
        assert_eq!((refused.has_access, refused.chat), (false, None));
    }
    let error = ApiError::from(access("", "x").await.expect_err("refuse request"));
    assert_eq!(
        (error.code, &*error.detail),
        (ErrorCode::ValidationFailed, "user_id: should be a UUID; chat_id: should be a UUID",)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_chats_of_a_user_in_pages() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(app.api.chat(&alice, &app.user().await).await.expect("open chat"));
    }
    expected.sort_unstable();
    let list = async |after: &str, limit: u32| {
        let request = ListUserChatsRequest {
            user_id: alice.id.clone(),
            after_chat_id: after.to_owned(),
            limit,
            ..ListUserChatsRequest::default()
        };
        let page = app.chat_service().list_user_chats(app.grpc.request(request)).await?.into_inner();
        let ids: Vec<_> = page.chats.into_iter().map(|chat| chat.chat_id).collect();
        Ok::<_, tonic::Status>((ids, page.has_more))
    };

    assert_eq!(list("", 0).await.expect("get page"), (expected.clone(), false));
    assert_eq!(list("", 3).await.expect("get page"), (expected.clone(), false));
    assert_eq!(list("", 2).await.expect("get page"), (expected[..2].to_vec(), true));
    assert_eq!(list(&expected[1], 2).await.expect("get page"), (expected[2..].to_vec(), false));
    for (after, limit) in [("x", 0), ("", 1001)] {
        assert_eq!(list(after, limit).await.expect_err("refuse request").code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_heads_of_existing_chats() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    let heads = async |chat_ids: Vec<String>| {
        app.chat_service().get_heads(app.grpc.request(GetHeadsRequest { chat_ids })).await
    };

    let found = heads(vec![chat.clone(), Uuid::now_v7().to_string()]).await.expect("get heads").into_inner().heads;
    assert_eq!(found, [ChatHead { chat_id: chat.clone(), last_seq: 1 }]);
    assert_eq!(heads(vec![chat.clone(); 1000]).await.expect("get heads").into_inner().heads.len(), 1);
    for bad in [vec![chat; 1001], vec!["x".to_owned()]] {
        assert_eq!(heads(bad).await.expect_err("refuse request").code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_events_after_a_seq() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let (mut sent, request) = (Vec::new(), Uuid::new_v4());
    for (sender, text) in [(&alice, "message 1"), (&bob, "message 2"), (&alice, "message 3")] {
        let request = if sender.id == bob.id { request } else { Uuid::new_v4() };
        sent.push(app.send_again(&chat, sender, text, request).await.expect("send message"));
    }
    let events = async |chat_id: &str, after, limit| {
        let request = GetEventsRequest { chat_id: chat_id.to_owned(), after, limit, member_id: String::new() };
        app.chat_service().get_events(app.grpc.request(request)).await.map(tonic::Response::into_inner)
    };

    let all = events(&chat, 0, 0).await.expect("get events");
    assert_eq!((all.head_seq, all.events.iter().map(|event| event.seq).collect::<Vec<_>>()), (3, vec![1, 2, 3]));
    let Some(Event::MessageCreated(message)) = &all.events[1].event else { panic!("another event") };
    assert_eq!((&message.id, &message.sender_id, &*message.text), (&sent[1].message_id, &bob.id, "message 2"));
    assert_eq!((message.created_at_micros, message.seq), (sent[1].created_at_micros, 2));
    assert_eq!(message.request_id, request.to_string());

    let some = events(&chat, 1, 1).await.expect("get events");
    assert_eq!((some.head_seq, some.events.len(), some.events[0].seq), (3, 1, 2));
    assert_eq!(events(&chat, 3, 0).await.expect("get events").events.len(), 0);
    assert_eq!(events(&Uuid::now_v7().to_string(), 0, 0).await.expect_err("refuse request").code(), Code::NotFound);
    for (after, limit) in [(-1, 0), (0, 1001)] {
        assert_eq!(events(&chat, after, limit).await.expect_err("refuse request").code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_long_events_in_smaller_pages() {
    const MESSAGES: i64 = 300;

    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let fill = format!(
        "INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
         SELECT gen_random_uuid(), '{chat}', seq, '{}', gen_random_uuid(), repeat('😀', 4096), now(), now()
           FROM generate_series(1, {MESSAGES}) AS seq;
         UPDATE chats SET last_seq = {MESSAGES};",
        alice.id
    );
    app.sql().await.batch_execute(&fill).await.expect("insert messages");

    let (mut seqs, mut pages) = (Vec::new(), 0);
    while seqs.last() != Some(&MESSAGES) {
        let request = GetEventsRequest {
            chat_id: chat.clone(),
            after: seqs.last().copied().unwrap_or(0),
            limit: 1000,
            member_id: String::new(),
        };
        let page = app.chat_service().get_events(app.grpc.request(request)).await.expect("get page").into_inner();
        assert_eq!(page.head_seq, MESSAGES);
        seqs.extend(page.events.iter().map(|event| event.seq));
        pages += 1;
    }
    assert_eq!((pages, seqs), (2, (1..=MESSAGES).collect()));
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_connection_that_sends_nothing() {
    let app = TestApp::launch("postgres://neon@127.0.0.1:1/neondb", &[("CHAT_GRPC_HOST", "127.0.0.2")]).await;
    assert_eq!(app.grpc_addr.ip().to_string(), "127.0.0.2");
    let mut silent = tokio::net::TcpStream::connect(app.grpc_addr).await.expect("connect");
    // The server sends its HTTP/2 settings first, and then waits.
    let end = tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut Vec::new())).await;
    end.expect("close connection in time").expect("close connection without error");
}
