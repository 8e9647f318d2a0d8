//! Reactions in a channel, where they are gathered and members do not learn who reacted.

use serde_json::json;
use uuid::Uuid;

use super::{Stage, event, is_silent, next};

#[tokio::test(flavor = "multi_thread")]
async fn gathered_reactions_are_one_event_whose_users_only_admins_see() {
    let stage = Stage::start("channel").await;
    let Stage { owner, member, chat, .. } = &stage;
    let message = stage.send(owner, "news").await;
    let (mut phone, mut laptop, mut owners) =
        (stage.open(0, member).await, stage.open(1, member).await, stage.open(1, owner).await);
    for emoji in ["👍", "🎉"] {
        let request = Uuid::new_v4();
        let react = json!({ "type": "react", "chat_id": chat, "message_id": message, "emoji": emoji, "on": true,
            "request_id": request });
        phone.send(&react).await.expect("send frame");
        let ack = json!({ "type": "ack", "request_id": request, "chat_id": chat, "seq": null, "duplicate": false });
        assert_eq!(next(&mut phone).await, ack);
        let own = json!({ "type": "my_reaction", "chat_id": chat, "message_id": message, "emoji": emoji, "on": true });
        assert_eq!(next(&mut laptop).await, own);
    }
    let reacted = stage.call("PUT", &format!("/messages/{message}/reactions/👍"), owner, None).await;
    assert_eq!(json!([reacted.body["seq"], reacted.body["my_reactions"]]), json!([null, ["👍"]]));
    assert_eq!(next(&mut owners).await["type"], "my_reaction");
    let seen = event(&mut owners, "reactions", 2).await;
    assert_eq!(
        seen["reactions"],
        json!([
            { "emoji": "👍", "count": 2, "recent": [owner.id, member.id] },
            { "emoji": "🎉", "count": 1, "recent": [member.id] },
        ])
    );
    for socket in [&mut phone, &mut laptop] {
        let seen = event(socket, "reactions", 2).await;
        assert_eq!(seen["reactions"], json!([{ "emoji": "👍", "count": 2 }, { "emoji": "🎉", "count": 1 }]));
        is_silent(socket).await;
    }
    // Also to those who come back.
    for (instance, is_admin, user) in [(0, false, member), (1, true, owner)] {
        let mut late = stage.open(instance, user).await;
        late.send(&json!({ "type": "sync", "cursors": { chat: 0 } })).await.expect("send frame");
        let sent = event(&mut late, "new_message", 1).await;
        let reaction = &sent["message"]["reactions"][0];
        assert_eq!((&reaction["count"], reaction.get("recent")), (&json!(2), None));
        let seen = event(&mut late, "reactions", 2).await;
        assert_eq!(seen["reactions"][0].get("recent").is_some(), is_admin, "{seen}");
    }
}
