//! Invites, requests to join, and bans.

use std::time::Duration;

use neonchat_common::ids::{ChatId, SendId, UserId};

use super::{Effect, Groups};
use crate::{
    groups::{
        error::GroupError,
        handle::Handle,
        invite_code::InviteCode,
        model::{
            Added, Audit, Bans, Caller, ChangeResult, GroupPageLimit, InviteItem, InviteLink, InvitePreview, Invites,
            Joined, NewInvite, NotAdded, Requests, Room, Rooms,
        },
        store::{
            self, AnswerRequest, Invite, JoinByInvite, JoinPublic, MakeInvite, OfferInvite, Outcome, Preview,
            RevokeInvite, Unban,
        },
    },
    limits::limiter::{Decision, Rule},
};

impl Groups {
    /// Makes an invite.
    pub(crate) async fn make_invite(&self, caller: Caller, invite: NewInvite) -> Result<InviteItem, GroupError> {
        match self.change(caller, MakeInvite::new(invite)?).await? {
            Outcome::Done(invite) => Ok(self.invite_item(&invite)),
            // It makes no event.
            Outcome::Duplicate(_) => Err(GroupError::IdempotencyMismatch),
        }
    }

    /// Returns a link for the users who could not be added, if there are any, the caller may make invites, and there is room for
    /// one.
    pub(super) async fn offer_invite(&self, user: UserId, chat: ChatId, not_added: &[NotAdded]) -> Option<InviteLink> {
        if not_added.is_empty() {
            return None;
        }
        let caller = Caller { user, chat, request_id: SendId::new() };
        match self.change(caller, OfferInvite).await {
            Ok(Outcome::Done(invite)) => {
                invite.map(|invite| InviteLink { url: self.invite_url(&invite.code), code: invite.code })
            }
            Ok(Outcome::Duplicate(_)) => None,
            Err(error) => {
                // The others were added, so the request does not fail.
                tracing::debug!(chat.id = %chat, user.id = %user, error.cause = %error, "no invite offered");
                None
            }
        }
    }

    /// Returns a page of the invites that were not revoked.
    pub(crate) async fn invites(
        &self,
        reader: UserId,
        chat: ChatId,
        after: Option<InviteCode>,
        limit: GroupPageLimit,
    ) -> Result<Invites, GroupError> {
        let mut invites = store::list_invites(&self.db, reader, chat, after.as_ref(), limit).await?;
        let next = limit.next_place(&mut invites, |invite| invite.code.clone());
        Ok(Invites { invites: invites.iter().map(|invite| self.invite_item(invite)).collect(), next })
    }

    /// Revokes an invite.
    pub(crate) async fn revoke_invite(&self, caller: Caller, code: InviteCode) -> Result<(), GroupError> {
        self.change(caller, RevokeInvite { code }).await.map(drop)
    }

    /// Returns what an invite shows before joining.
    pub(crate) async fn preview(&self, user: UserId, code: InviteCode) -> Result<InvitePreview, GroupError> {
        self.count_invite_request(user).await?;
        let (invite, preview) = store::preview(&self.db, user, code.as_str()).await?.ok_or(GroupError::NoSuchInvite)?;
        let Preview { kind, title, description, member_count } = preview;
        Ok(InvitePreview { kind, title, description, member_count, approve: invite.approve })
    }

    /// Joins with an invite, or asks to. Returns the chat, unless an admin has to accept the user.
    pub(crate) async fn join_by_invite(
        &self,
        user: UserId,
        code: InviteCode,
        request_id: SendId,
    ) -> Result<Option<ChatId>, GroupError> {
        self.require_enabled()?;
        self.count_invite_request(user).await?;
        let chat = store::find_invite(&self.db, code.as_str()).await?.ok_or(GroupError::NoSuchInvite)?.chat();
        let this = self.clone();
        self.in_task(async move {
            let caller = Caller { user, chat, request_id };
            let join = JoinByInvite { code: code.into_string() };
            let joined = this.change(caller, join).await.map_err(|error| match error {
                // The chat was closed.
                GroupError::NoSuchChat => GroupError::NoSuchInvite,
                error => error,
            })?;
            Ok(this.announce_joined(chat, joined).await.then_some(chat))
        })
        .await
    }

    /// Joins a public chat.
    pub(crate) async fn join_public(&self, caller: Caller) -> Result<(), GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            let joined = this.change(caller, JoinPublic).await?;
            this.announce_joined(caller.chat, joined).await;
            Ok(())
        })
        .await
    }

    /// Announces a user who joined. Returns whether the user is a member.
    async fn announce_joined(&self, chat: ChatId, joined: Outcome<Joined>) -> bool {
        match joined {
            Outcome::Done(Joined::Member(Added { added, seq, .. })) => {
                self.announce(chat, Effect { seq, joined: added }).await;
                true
            }
            Outcome::Duplicate(earlier) => {
                self.announce_newcomers_again(chat, &earlier).await;
                true
            }
            Outcome::Done(Joined::AlreadyMember) => true,
            Outcome::Done(Joined::Pending) => false,
        }
    }

    /// Returns a page of the public chats that contain a text.
    pub(crate) async fn rooms(
        &self,
        text: &str,
        after: Option<Handle>,
        limit: GroupPageLimit,
    ) -> Result<Rooms, GroupError> {
        let mut rooms = store::rooms(&self.db, text, after.as_ref(), limit).await?;
        let next = limit.next_place(&mut rooms, |room| room.handle.clone());
        Ok(Rooms { rooms, next })
    }

    /// Returns a chat as everybody sees it, if it is public.
    pub(crate) async fn room(&self, chat: ChatId) -> Result<Option<Room>, GroupError> {
        Ok(store::room_of(&self.db, chat).await?)
    }

    /// Returns a page of the users who asked to join.
    pub(crate) async fn requests(
        &self,
        reader: UserId,
        chat: ChatId,
        after: Option<UserId>,
        limit: GroupPageLimit,
    ) -> Result<Requests, GroupError> {
        let mut requests = store::requests(&self.db, reader, chat, after, limit).await?;
        let next = limit.next_place(&mut requests, |request| request.user_id.to_string());
        Ok(Requests { requests, next })
    }

    /// Accepts or rejects a user who asked to join.
    pub(crate) async fn answer_request(
        &self,
        caller: Caller,
        user: UserId,
        accept: bool,
    ) -> Result<ChangeResult, GroupError> {
        if accept {
            self.require_enabled()?;
        }
        let this = self.clone();
        self.in_task(async move {
            let answer = AnswerRequest { user, accept };
            match this.change(caller, answer).await? {
                Outcome::Done(Added { added, seq, .. }) => {
                    this.announce(caller.chat, Effect { seq, joined: added }).await;
                    Ok(ChangeResult { seq, duplicate: false })
                }
                Outcome::Duplicate(earlier) => {
                    this.announce_newcomers_again(caller.chat, &earlier).await;
                    Ok(ChangeResult { seq: earlier.seq, duplicate: true })
                }
            }
        })
        .await
    }

    /// Returns a page of the bans.
    pub(crate) async fn bans(
        &self,
        reader: UserId,
        chat: ChatId,
        after: Option<UserId>,
        limit: GroupPageLimit,
    ) -> Result<Bans, GroupError> {
        let mut bans = store::list_bans(&self.db, reader, chat, after, limit).await?;
        let next = limit.next_place(&mut bans, |ban| ban.user_id.to_string());
        Ok(Bans { bans, next })
    }

    /// Returns a page of the audit log.
    pub(crate) async fn audit(
        &self,
        reader: UserId,
        chat: ChatId,
        before: Option<i64>,
        limit: GroupPageLimit,
    ) -> Result<Audit, GroupError> {
        let mut entries = store::list_audit(&self.db, reader, chat, before, limit).await?;
        let next = limit.next_place(&mut entries, |(id, _)| id.to_string());
        Ok(Audit { audit: entries.into_iter().map(|(_, entry)| entry).collect(), next })
    }

    /// Lifts a ban.
    pub(crate) async fn unban(&self, caller: Caller, user: UserId) -> Result<(), GroupError> {
        self.change(caller, Unban { user }).await.map(drop)
    }

    /// Counts a request with a code, so that nobody guesses codes.
    async fn count_invite_request(&self, user: UserId) -> Result<(), GroupError> {
        let rule = Rule { limit: self.limits.invite_requests_per_minute, window: Duration::from_mins(1) };
        if rule.limit == 0 {
            return Ok(());
        }
        match self.limiter.acquire(&format!("limit:invite:{user}"), rule).await {
            Decision::Allowed(_) | Decision::Uncounted => Ok(()),
            Decision::Refused(quota) => Err(GroupError::RateLimited(quota.reset)),
        }
    }

    fn invite_url(&self, code: &str) -> String {
        format!("{}/join/{code}", self.public_url)
    }

    fn invite_item(&self, invite: &Invite) -> InviteItem {
        InviteItem {
            code: invite.code.clone(),
            url: self.invite_url(&invite.code),
            by: invite.by(),
            approve: invite.approve,
            uses: invite.uses,
            max_uses: invite.max_uses,
            expires_at: invite.expires_at,
            created_at: invite.created_at,
        }
    }
}
