//! Live delivery of changes to sockets of both instances.

use neonchat_testbed::client::{Answer, text};
use serde_json::{Value, json};

use super::{Change, Stage, event, next};

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_all_other_sockets_in_order() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let mut ids = Vec::new();
    for seq in 1..=3 {
        let ack = phone.send_message(chat, &format!("sent {seq}")).await.expect("receive ack");
        let mine = event(&mut laptop, "new_message", seq).await;
        assert_eq!(mine["message"]["request_id"], ack["request_id"], "her other device recognizes the message");
        assert_eq!(event(&mut bobs, "new_message", seq).await["message"].get("request_id"), None);
        ids.push((text(&ack["message_id"]).expect("find ID"), ack["request_id"].clone()));
    }
    let [(first, first_request), (second, _), (third, _)] = &ids[..] else { panic!("three messages") };

    // Over WebSocket, the socket that makes the change gets an ack instead of the event.
    let edit = Change::edit(first, "edited");
    assert_eq!(stage.change_over(&mut phone, &edit).await, edit.ack(chat, Some(4), false));
    let (mine, theirs) = (event(&mut laptop, "message_edited", 4).await, event(&mut bobs, "message_edited", 4).await);
    let message = &theirs["message"];
    assert_eq!(
        (&theirs["by"], &theirs["chat_id"], &theirs["at"]),
        (&json!(alice.id), &json!(chat), &message["updated_at"])
    );
    assert_eq!(
        json!([message["id"], message["text"], message["seq"], message["changed_seq"]]),
        json!([first, "edited", 1, 4])
    );
    assert_eq!((&mine["message"]["request_id"], message.get("request_id")), (first_request, None));

    // Over REST, there is no such socket.
    let edited = stage.change(alice, &Change::edit(second, "edited by REST")).await;
    assert_eq!((edited.status, &edited.body["event_seq"], &edited.body["changed_seq"]), (200, &json!(5), &json!(5)));
    for socket in [&mut phone, &mut laptop, &mut bobs] {
        assert_eq!(event(socket, "message_edited", 5).await["message"]["text"], "edited by REST");
    }

    let deletion = Change::delete(&[second, first]);
    assert_eq!(stage.change_over(&mut phone, &deletion).await, deletion.ack(chat, Some(6), false));
    for socket in [&mut laptop, &mut bobs] {
        let deleted = event(socket, "messages_deleted", 6).await;
        assert_eq!(deleted["messages"], json!([{ "id": first, "seq": 1 }, { "id": second, "seq": 2 }]));
        assert_eq!((&deleted["by"], &deleted["chat_id"]), (&json!(alice.id), &json!(chat)));
    }
    let deleted = stage.call("DELETE", &format!("/messages/{third}"), alice, None).await;
    assert_eq!(deleted.body, json!({ "seq": 7, "duplicate": false }));
    for socket in [&mut phone, &mut laptop, &mut bobs] {
        assert_eq!(event(socket, "messages_deleted", 7).await["messages"], json!([{ "id": third, "seq": 3 }]));
    }

    // A change that changes nothing has no event.
    let nothing = Change::delete(&[first]);
    assert_eq!(stage.change_over(&mut phone, &nothing).await, nothing.ack(chat, None, false));
    bobs.send_message(chat, "the next event").await.expect("receive ack");
    for socket in [&mut phone, &mut laptop] {
        event(socket, "new_message", 8).await;
    }
}

/// Returns the answer over REST in the form of that over WebSocket.
fn as_ack(change: &Change, chat: &str, answer: &Answer) -> Value {
    let seq = answer.body.get("event_seq").unwrap_or(&answer.body["seq"]);
    change.ack(chat, seq.as_i64(), answer.body["duplicate"] == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_change_has_one_event_over_any_transport() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let mut seq = 0;
    for is_socket in [[true, true], [true, false], [false, true], [false, false]] {
        let message = stage.send(alice, "sent").await;
        seq += 1;
        for socket in [&mut phone, &mut laptop, &mut bobs] {
            event(socket, "new_message", seq).await;
        }
        for (change, kind) in
            [(Change::edit(&message, "edited"), "message_edited"), (Change::delete(&[&message]), "messages_deleted")]
        {
            seq += 1;
            for (attempt, is_socket) in is_socket.into_iter().enumerate() {
                let ack = if is_socket {
                    stage.change_over(&mut phone, &change).await
                } else {
                    as_ack(&change, chat, &stage.change(alice, &change).await)
                };
                assert_eq!(ack, change.ack(chat, Some(seq), attempt == 1));
                if attempt == 0 && !is_socket {
                    event(&mut phone, kind, seq).await;
                }
            }
            for socket in [&mut laptop, &mut bobs] {
                event(socket, kind, seq).await;
            }
        }
    }
    // Nothing arrived twice.
    let last = stage.send(bob, "last").await;
    for socket in [&mut phone, &mut laptop, &mut bobs] {
        assert_eq!(event(socket, "new_message", seq + 1).await["message"]["id"], last);
    }
    let events = stage.get("/events", bob).await;
    let seqs: Vec<_> = events["events"].as_array().expect("events").iter().map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=seq + 1).map(Some).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repetitions_get_ack_or_event() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let mut bobs = stage.open(1, bob).await;
    for round in 0..8_i64 {
        let message = stage.send(alice, "sent").await;
        let (mut phone, mut laptop) = (stage.open(0, alice).await, stage.open(1, alice).await);
        let (seq, change) = (2 * round + 2, Change::edit(&message, "edited"));
        for socket in [&mut phone, &mut laptop] {
            socket.send(&change.frame(chat)).await.expect("send");
        }
        let mut first = 0;
        for socket in [&mut phone, &mut laptop] {
            let (mut acks, mut events) = (Vec::new(), 0);
            while acks.is_empty() || (acks[0] == json!(true) && events == 0) {
                let frame = next(socket).await;
                match frame["type"].as_str() {
                    Some("ack") => acks.push(frame["duplicate"].clone()),
                    Some("message_edited" | "lagged") => events += 1,
                    _ => assert_eq!(frame["type"], "new_message", "{frame}"),
                }
            }
            first += usize::from(acks[0] == false);
            assert_eq!(events, usize::from(acks[0] == true), "a socket gets the ack or the event");
        }
        assert_eq!(first, 1, "one of the requests made the change");
        for socket in [&mut phone, &mut laptop] {
            socket.expect_quiet().await.expect("receive nothing else");
        }
        for (kind, seq) in [("new_message", seq - 1), ("message_edited", seq)] {
            event(&mut bobs, kind, seq).await;
        }
    }
}
