//! What members see who joined later, or who see less than others.

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    error::{ApiError, ErrorCode},
};
use neonchat_proto::chat::v1::{ChatEvent, GetEventsRequest, GetEventsResponse, chat_event::Event as WireEvent};
use neonchat_testbed::client::User;
use serde_json::{Value, json};

use super::Group;
use crate::support::{Listener, assert_problem};

impl Group {
    /// A group with messages of another member at 1 and 2, whose history starts at 3 for `member`.
    async fn start_with_newcomer() -> (Self, [String; 2]) {
        let f = Self::start("group").await;
        let messages = [f.sent(&f.other, "before 1").await, f.sent(&f.other, "before 2").await];
        let join = "UPDATE chat_members SET from_seq = 2, joined_seq = 2, read_seq = 2
                     WHERE chat_id = 'CHAT' AND user_id = 'MEMBER'";
        f.execute(&join.replace("MEMBER", &f.member.id)).await;
        (f, messages)
    }

    async fn events(&self, user: &User, query: &str) -> Value {
        self.get(user, &format!("/events?{query}")).await.body
    }

    async fn wire_events(&self, member: Option<&User>) -> Result<GetEventsResponse, ApiError> {
        let member_id = member.map(|member| member.id.clone()).unwrap_or_default();
        let request = GetEventsRequest { chat_id: self.chat.clone(), after: 0, limit: 0, member_id };
        Ok(self.app.chat_service().get_events(self.app.grpc.request(request)).await?.into_inner())
    }
}

fn frame(event: &ChatEvent) -> Value {
    let Some(WireEvent::Change(change)) = &event.event else { panic!("{event:?}") };
    serde_json::from_slice(&change.frame).expect("JSON")
}

fn seqs(list: &Value) -> Vec<i64> {
    list.as_array().expect("array").iter().map(|item| item["seq"].as_i64().expect("seq")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_starts_where_the_member_joined() {
    let (f, before) = Group::start_with_newcomer().await;
    let after = [f.sent(&f.other, "after 1").await, f.sent(&f.member, "after 2").await];
    let page = async |user: &User, query: &str| f.get(user, &format!("/messages?{query}")).await;
    let newcomer = page(&f.member, "").await.body;
    assert_eq!(
        (seqs(&newcomer["messages"]), json!([newcomer["first_seq"], newcomer["has_previous"], newcomer["head_seq"]])),
        (vec![4, 3], json!([3, false, 4]))
    );
    let others = page(&f.other, "").await.body;
    assert_eq!((seqs(&others["messages"]), &others["first_seq"]), (vec![4, 3, 2, 1], &json!(1)));
    let page_before = page(&f.member, &format!("before_id={}", after[0])).await.body;
    assert_eq!((seqs(&page_before["messages"]), &page_before["has_previous"]), (vec![], &json!(false)));
    let page_after = page(&f.member, &format!("after_id={}&min_seq=4", after[0])).await.body;
    assert_eq!(seqs(&page_after["messages"]), [4]);
    for (parameter, message) in [("before_id", &before[0]), ("after_id", &before[1])] {
        let refused = page(&f.member, &format!("{parameter}={message}")).await;
        assert_problem(&refused, 422, "validation_failed", &[(parameter, "unknown")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_before_the_join_do_not_exist() {
    let (f, before) = Group::start_with_newcomer().await;
    f.sent(&f.other, "after").await;
    assert_eq!(f.edit(&f.other, &before[0], "edited").await.body["event_seq"], 4);
    assert_eq!(f.delete(&f.other, &[&before[1]]).await.body["seq"], 5);

    for query in ["", "after=0", "after=1", "after=2", "after=2&limit=3"] {
        let page = f.events(&f.member, query).await;
        let shown = json!([page["first_seq"], page["head_seq"], page["has_more"]]);
        assert_eq!((seqs(&page["events"]), shown), (vec![3, 4, 5], json!([3, 5, false])), "{query}");
    }
    assert_eq!(f.events(&f.other, "").await["first_seq"], 1);
    let events = f.events(&f.member, "").await["events"].clone();
    assert_eq!(
        json!([events[1]["type"], events[1]["message"], events[1]["message_id"], events[1]["superseded"]]),
        json!(["message_edited", null, before[0], true])
    );
    assert_eq!(events[2]["messages"], json!([{ "id": before[1], "seq": 2 }]));
    assert_eq!(f.events(&f.other, "after=3").await["events"][0]["message"]["text"], "edited");

    let versions = |message: &str| format!("/messages/{message}/versions");
    assert_problem(&f.get(&f.member, &versions(&before[0])).await, 404, "not_found", &[]);
    assert_eq!(f.get(&f.other, &versions(&before[0])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn author_who_joined_again_cannot_change_earlier_messages() {
    let f = Group::start("group").await;
    let message = f.sent(&f.member, "x").await;
    f.execute(
        "UPDATE chat_profiles SET settings = replace(settings, '\"all\"', '\"since_join\"') WHERE chat_id = 'CHAT'",
    )
    .await;
    f.kick(&f.member).await;
    assert_eq!(f.add(&f.member).await, 3);
    assert_problem(&f.edit(&f.member, &message, "y").await, 404, "not_found", &[]);
    assert_eq!(f.delete(&f.member, &[&message]).await.body, json!({ "seq": null, "duplicate": false }));
    assert_eq!(seqs(&f.events(&f.member, "").await["events"]), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_shows_events_as_the_member_sees_them() {
    let (f, before) = Group::start_with_newcomer().await;
    f.edit(&f.other, &before[0], "edited").await;
    let all = f.wire_events(None).await.expect("get events");
    assert_eq!((all.events.iter().map(|event| event.seq).collect::<Vec<_>>(), all.first_seq), (vec![1, 2, 3], 0));
    assert_eq!(frame(&all.events[2])["message"]["text"], "edited");
    let Some(WireEvent::Change(change)) = &all.events[2].event else { panic!("{all:?}") };
    let hidden = change.hidden.as_ref().expect("hidden frame");
    let hidden_frame: Value = serde_json::from_slice(&hidden.frame).expect("JSON");
    assert_eq!((hidden.target_seq, hidden.for_members, &hidden_frame["superseded"]), (1, false, &json!(true)));
    assert!(hidden_frame.get("message").is_none(), "{hidden_frame}");

    let theirs = f.wire_events(Some(&f.member)).await.expect("get events");
    assert_eq!((theirs.events.len(), theirs.first_seq, theirs.head_seq), (1, 3, 3));
    assert_eq!(frame(&theirs.events[0]), hidden_frame);
    assert_eq!(f.wire_events(Some(&f.owner)).await.expect("get events").first_seq, 1);

    f.kick(&f.member).await;
    let refused = f.wire_events(Some(&f.member)).await.expect_err("refuse request");
    assert_eq!(refused.code, ErrorCode::NotFound);
    f.execute("UPDATE chats SET is_closed = TRUE WHERE id = 'CHAT'").await;
    assert_eq!(f.wire_events(Some(&f.owner)).await.expect_err("refuse request").code, ErrorCode::NotFound);
    assert_eq!(f.wire_events(None).await.expect("get events").head_seq, 4, "instances still deliver the last events");
    assert_problem(&f.get(&f.owner, "/events").await, 404, "not_found", &[]);
    assert_problem(&f.get(&f.owner, "/messages").await, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_what_newcomers_may_see_of_an_edit() {
    let (f, before) = Group::start_with_newcomer().await;
    f.app.until_redis().await;
    let mut listener = Listener::on([Channel::Chat(f.chat.parse().expect("parse id"))]).await;
    f.edit(&f.other, &before[1], "edited").await;
    let (_, text) = listener.next().await;
    let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
    let Event::Durable { hidden: Some(hidden), .. } = envelope.event else { panic!("{text}") };
    assert_eq!((hidden.target_seq, hidden.for_members), (Some(2), false));
    assert!(!hidden.frame.get().contains("\"edited\""), "{}", hidden.frame);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_channel_do_not_see_other_members() {
    let f = Group::start("channel").await;
    f.change_member(&f.admin, &f.other, json!({ "restricted_until": "2100-01-01T00:00:00Z" })).await;
    f.change_member(&f.owner, &f.member, json!({ "role": "admin" })).await;
    f.change_member(&f.owner, &f.member, json!({ "role": "member" })).await;
    f.kick(&f.other).await;
    let events = f.events(&f.member, "").await["events"].clone();
    assert_eq!(events[0], json!({ "type": "member_changed", "chat_id": f.chat, "seq": 1 }));
    assert_eq!(json!([events[1]["user_id"], events[2]["user_id"]]), json!([f.member.id, f.member.id]));
    assert_eq!(json!([events[3]["type"], events[3]["user_ids"]]), json!(["members_removed", []]));
    let events = f.events(&f.admin, "").await["events"].clone();
    assert_eq!(json!([events[0]["user_id"], events[3]["user_ids"]]), json!([f.other.id, [f.other.id]]));

    let all = f.wire_events(None).await.expect("get events");
    let hidden = all.events.iter().map(|event| {
        let Some(WireEvent::Change(change)) = &event.event else { panic!("{event:?}") };
        let hidden = change.hidden.as_ref().expect("hidden frame");
        assert_eq!((hidden.target_seq, hidden.for_members), (0, true));
        serde_json::from_slice::<Value>(&hidden.frame).expect("JSON")
    });
    let hidden: Vec<_> = hidden.collect();
    assert_eq!(hidden[2], json!({ "type": "member_changed", "chat_id": f.chat, "seq": 3 }));
    assert_eq!(hidden[3]["user_ids"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_read_replaced_texts() {
    for (setting, member, admin) in [("admins", 403, 200), ("members", 200, 200), ("off", 403, 403)] {
        let f = Group::start_with("group", &[("EDIT_HISTORY", setting)]).await;
        let message = f.sent(&f.member, "x").await;
        f.edit(&f.member, &message, "y").await;
        let versions = async |user: &User| f.get(user, &format!("/messages/{message}/versions")).await.status;
        assert_eq!((versions(&f.other).await, versions(&f.admin).await), (member, admin), "{setting}");
        assert_eq!(versions(&f.member).await, 200);
    }
}
