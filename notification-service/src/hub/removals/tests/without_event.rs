//! Tests of removals without an event of the chat.

use super::*;

impl Fixture {
    /// Returns the group as a member sees it who joined without an event, at a head that has stayed the same.
    fn large(&self, access_version: i32) -> UserChat {
        UserChat { class: ChatClass::Large, access_version: Some(access_version), ..self.group(100, 100) }
    }

    fn leave(&self, user: UserId, access_version: i32) -> bool {
        self.hub.remove_leaver(user, self.chat, Some(access_version), RemovalReason::Left)
    }
}

#[test]
fn leaving_and_joining_a_quiet_chat_again_without_events() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let socket = fixture.open(user, None, &[]);
    let announcement = Frame::opaque("announcement");
    for _ in 0..2 {
        fixture.hub.announce_chat(user, fixture.group(100, 100), &announcement);
        assert_eq!(received(&socket), ["announcement"]);
        assert!(fixture.hub.remove_leaver(user, fixture.chat, None, RemovalReason::Left));
        assert_eq!(received(&socket), [fixture.removed(RemovalReason::Left)]);
    }
    fixture.hub.announce_chat(user, fixture.group(100, 100), &announcement);
    fixture.send(101);
    assert_eq!(received(&socket), ["announcement", "101"]);
    // An earlier list does not bring back a membership that ended later.
    fixture.hub.remove_leaver(user, fixture.chat, None, RemovalReason::Left);
    fixture.hub.add_chats(user, &[fixture.group(99, 0)]);
    assert!(!fixture.is_member(user));
    assert!(fixture.hub.stale_users.take().contains(&user), "the chats are listed again");
}

#[test]
fn list_from_before_a_leave_does_not_bring_the_user_back() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let socket = fixture.open(user, None, &[fixture.large(3)]);
    // The list is read, then the user leaves, and the leave arrives first.
    let outdated = fixture.large(4);
    assert!(fixture.leave(user, 5));
    fixture.hub.add_chats(user, std::slice::from_ref(&outdated));
    fixture.hub.announce_chat(user, outdated.clone(), &Frame::opaque("announcement"));
    let late = fixture.open(user, None, &[outdated]);
    assert!(!fixture.is_member(user) && !fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
    assert_eq!((received(&socket), received(&late)), (vec![fixture.removed(RemovalReason::Left)], Vec::new()));

    // The user joins again. The publication of the leave arrives once more.
    fixture.hub.announce_chat(user, fixture.large(5), &Frame::opaque("announcement"));
    assert!(!fixture.leave(user, 5));
    fixture.send(101);
    for socket in [&socket, &late] {
        assert_eq!(received(socket), ["announcement", "101"]);
    }
    assert!(fixture.leave(user, 6));
}

#[test]
fn user_who_leaves_during_a_handshake_is_no_member_after_it() {
    let fixture = Fixture::new();
    let user = UserId::new();
    fixture.hub.reserve(user);
    fixture.hub.reserve(user);
    assert!(!fixture.leave(user, 5), "the user is not known here yet");
    let chats = [fixture.large(4)];
    let socket = fixture.hub.register(user, TokenId::new(), None, &chats);
    let scoped = fixture.hub.register(user, TokenId::new(), Some(fixture.chat), &chats);
    assert!(!fixture.is_member(user) && !fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
    assert_eq!(received(&scoped), [CloseReason::Removed.code().0.to_string()]);
    fixture.hub.add_chats(user, &[fixture.large(5)]);
    assert_eq!(received(&socket), [fixture.lagged(100, 100)], "the user has joined again");
}

#[test]
fn departure_is_applied_beside_versions_that_do_not_number_it() {
    let fixture = Fixture::new();
    let user = UserId::new();
    let without = UserChat { access_version: None, ..fixture.large(0) };
    fixture.open(user, None, std::slice::from_ref(&without));
    assert!(fixture.leave(user, 5));
    fixture.hub.add_chats(user, std::slice::from_ref(&without));
    assert!(fixture.is_member(user), "the user may have joined again");
    assert!(fixture.hub.stale_users.take().contains(&user), "the next list decides");
    fixture.hub.add_chats(user, &[fixture.large(5)]);
    assert!(fixture.hub.remove_leaver(user, fixture.chat, None, RemovalReason::Left));
}

#[test]
fn removal_without_event_spares_a_later_membership() {
    let fixture = Fixture::new();
    let (user, socket) = fixture.founder();
    fixture.hub.announce_chat(user, fixture.group(4, 4), &Frame::opaque("announcement"));
    assert!(!fixture.hub.remove_unlisted(user, fixture.chat, 0));
    assert!(fixture.hub.remove_unlisted(user, fixture.chat, 4));
    assert!(!fixture.hub.remove_leaver(user, fixture.chat, None, RemovalReason::Left));
    assert_eq!(received(&socket), ["announcement", &fixture.removed(RemovalReason::Gone)]);
    assert!(!fixture.hub.needs_channel(Channel::Chat(fixture.chat)));
}

#[test]
fn restored_database_may_have_lost_removals() {
    for is_kick in [true, false] {
        let (fixture, user) = (Fixture::new(), UserId::new());
        let list = [UserChat { access_version: Some(5), ..fixture.group(2, 0) }];
        fixture.open(user, None, &list);
        if is_kick {
            fixture.kick(3, user);
        } else {
            fixture.leave(user, 6);
        }
        fixture.hub.add_chats(user, &list);
        assert!(!fixture.is_member(user));
        fixture.hub.stale_users.take();

        fixture.hub.rewind(&[]);
        assert!(fixture.hub.stale_users.take().is_empty(), "nothing was restored");
        // The chat has no sockets here any more, so only another chat shows that the database was restored.
        fixture.hub.rewind(&[(ChatId::new(), 1)]);
        assert!(fixture.hub.stale_users.take().contains(&user), "the chats are listed again");
        fixture.hub.add_chats(user, &list);
        assert!(fixture.is_member(user));
    }
}
