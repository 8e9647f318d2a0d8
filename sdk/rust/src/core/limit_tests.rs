//! A faulty server costs the client neither its memory nor the network.

use serde_json::json;

use super::{
    fuzz_tests::{Event, World, id},
    *,
};
use crate::{ChatId, client::outgoing};

impl World {
    fn live() -> Self {
        let mut world = Self::new();
        world.play(Event::Start);
        world.play(Event::Open);
        world.requests.clear();
        world
    }

    /// Lets time pass, and all timers fire that are due then.
    fn pass(&mut self, ms: u64) {
        let end = self.time.elapsed + ms;
        while let Some(due) = self.core.next_timer().filter(|due| *due <= end) {
            self.play(Event::Pass(due.saturating_sub(self.time.elapsed)));
        }
        self.play(Event::Pass(end.saturating_sub(self.time.elapsed)));
    }

    fn answer(&mut self, status: u16, retry_after_ms: Option<u64>, body: &str) {
        let answer = Answer { status, retry_after_ms, body: body.to_owned() };
        let request = self.requests.remove(0);
        self.core.handle(self.time, Input::Answer(request, Ok(answer)));
        self.settle();
    }

    fn held(&mut self, chat: u8) -> Option<usize> {
        self.core.chats.get(ChatId(id(chat))).map(|state| state.held.len())
    }
}

fn message(chat: u8, seq: u64) -> Event {
    Event::Frame("new_message", json!({ "chat_id": id(chat), "seq": seq, "message": { "seq": seq } }))
}

#[test]
fn starts_again_after_the_server_has_stopped_it() {
    for code in [4003, 4008, 4009, 4050] {
        let mut world = World::live();
        world.play(Event::Close(code));
        assert!(matches!(world.core.status(), Status::Stopped { reason: Some(_) }), "{code}");
        world.pass(90_000_000);
        assert!(world.requests.is_empty(), "{code}: the token is not refreshed");
        world.core.session.data.as_mut().expect("session").access_expires_at = u64::MAX;
        let attempt = world.attempt;
        world.play(Event::Start);
        assert_eq!(*world.core.status(), Status::Connecting, "{code}");
        assert!(world.attempt > attempt, "{code}");
    }
}

#[test]
fn holds_no_more_than_twice_what_makes_it_fetch() {
    let mut world = World::live();
    for chat in [0, 3] {
        for seq in 10..5000 {
            world.play(message(chat, seq));
        }
        assert_eq!(world.held(chat), Some(1002), "{chat}");
    }
}

#[test]
fn asks_again_about_a_chat_that_could_not_be_looked_at() {
    let mut world = World::live();
    world.play(message(3, 10));
    assert_eq!((world.requests.len(), world.held(3)), (1, Some(1)));
    world.play(Event::Answer(403, json!({ "code": "forbidden" })));
    assert_eq!((world.requests.len(), world.held(3)), (0, None));
    world.play(message(3, 11));
    assert_eq!((world.requests.len(), world.held(3)), (1, Some(1)));
}

#[test]
fn takes_nothing_that_is_nested_too_deeply_for_the_store() {
    let mut world = World::live();
    for (depth, applied) in [(200, 2), (110, 2), (90, 3)] {
        let nested = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let mut event = json!({ "chat_id": id(0), "seq": 3, "expires": "2027", "message": "text" });
        event["nested"] = nested;
        world.play(Event::Frame("pinned", event));
        assert_eq!(world.core.chats.row(ChatId(id(0))).map(|row| row.applied), Some(applied), "{depth}");
    }
}

#[test]
fn waits_longer_from_one_connection_to_the_next_if_the_server_asks_for_no_wait() {
    let mut world = World::live();
    for least in [250, 500, 1000, 2000] {
        world.play(Event::Frame("reconnect", json!({ "after_ms": 0 })));
        world.play(Event::Close(4100));
        let wait = world.core.next_timer().expect("a timer") - world.time.elapsed;
        assert!(wait >= least, "{wait} < {least}");
        world.pass(wait);
        world.play(Event::Open);
    }
}

#[test]
fn connects_when_it_becomes_visible_after_the_wait_that_the_server_asks_for() {
    let mut world = World::live();
    world.play(Event::Close(4100));
    world.pass(500);
    world.play(Event::Open);
    world.play(Event::Frame("reconnect", json!({ "after_ms": 300 })));
    world.play(Event::Close(4100));
    for (pass, is_waiting) in [(299, true), (1, false)] {
        world.pass(pass);
        world.core.changed(Change::Visible);
        assert_eq!(matches!(world.core.status(), Status::Waiting { .. }), is_waiting);
    }
}

#[test]
fn waits_at_least_a_moment_and_at_most_a_day() {
    for (asked, waits) in [(0, 100), (5_000, 5_000), (1 << 52, 86_400_000)] {
        let mut world = World::live();
        world.play(message(3, 1));
        world.answer(429, Some(asked), "{}");
        let timer = Timer::Ask(world.core.chats.last_ask);
        let due = world.core.timers.due(timer).expect("a timer");
        assert_eq!(due - world.time.elapsed, waits, "{asked}");
    }
}

#[test]
fn refreshes_once_a_second_at_most() {
    for expires_in in [0, 1, u64::MAX >> 11] {
        let mut world = World::live();
        world.core.refresh(Some("a"), session::Waiter::Renewal);
        world.play(Event::Pass(0));
        let user = json!({ "id": id(1), "username": "me" });
        let mut refreshes = 0;
        for _ in 0..100 {
            while !world.requests.is_empty() {
                refreshes += 1;
                let token = format!("token-{refreshes}");
                let answer = json!({ "token": token, "expires_in": expires_in, "refresh_token": "r", "user": user });
                world.play(Event::Answer(200, answer));
            }
            world.pass(100);
        }
        assert!((1..=11).contains(&refreshes), "{expires_in}: {refreshes}");
    }
}

#[test]
fn only_an_answer_of_the_api_ends_the_session() {
    let cases = [
        (401, "", false),
        (401, r#"{"code":"session_reused"}"#, false),
        (403, r#"{"code":"forbidden"}"#, false),
        (403, "<html>Forbidden</html>", true),
        (404, "{}", true),
        (302, "", true),
        (200, "<html>Sign in to the hotel</html>", true),
    ];
    for (status, body, is_signed_in) in cases {
        let mut world = World::live();
        world.core.schedule();
        world.core.refresh(Some("a"), session::Waiter::Renewal);
        world.play(Event::Pass(0));
        world.answer(status, None, body);
        assert_eq!(world.core.session().is_some(), is_signed_in, "{status} {body}");
        world.pass(5_000);
        assert_eq!(world.requests.len(), usize::from(is_signed_in), "{status} {body}: asks again");
    }
}

#[test]
fn sends_again_what_failed_with_the_same_id() {
    let mut world = World::live();
    let pending = outgoing::message(ChatId(id(0)), &"hi".into()).expect("small");
    let request = pending.request_id;
    let failed = crate::store::Pending { state: crate::PendingState::Failed, ..pending.clone() };
    world.core.outbox = outbox::Outbox::new(vec![failed]);
    world.core.handle(world.time, Input::Call(0, Call::Send(Box::new(pending))));
    let state = world.core.outbox().find(|row| row.request_id == request).map(|row| row.state);
    assert_eq!(state, Some(crate::PendingState::Pending));
}

#[test]
fn a_store_of_any_capacity_keeps_events() {
    for capacity in [0, 1, u64::MAX] {
        let mut world = World::new();
        world.core.config.capacity = capacity;
        for event in [Event::Start, Event::Open, message(0, 3), message(0, 4)] {
            world.play(event);
        }
        assert_eq!(world.core.chats.row(ChatId(id(0))).map(|row| row.applied), Some(4), "{capacity}");
    }
}
