//! Creates, changes and closes groups and channels, and announces what happened.

mod joining;

use neonchat_common::{
    correlation,
    ids::{ChatId, SendId, Seq, UserId},
    tasks::Tasks,
};

use super::{
    cleanup::CleanupSignal,
    error::GroupError,
    model::{
        Added, Addition, Caller, ChangeResult, CreatedGroup, GroupPatch, MemberFilter, MemberItem, MemberPatch,
        Members, NewGroup, Removal, SettingsPatch,
    },
    place::Place,
    store::{
        self, AddMembers, Change, ChangeMember, Close, Created, Earlier, Leave, MemberPage, Outcome, RemoveMembers,
        Transfer, Update,
    },
};
use crate::{
    chats::service::Chats, config::GroupSettings, db::Db, limits::limiter::Limiter, notifier::Notifier,
    timeline::service::Timeline,
};

/// Creates, changes and closes groups and channels.
#[derive(Clone)]
pub(crate) struct Groups {
    pub(crate) db: Db,
    pub(crate) chats: Chats,
    pub(crate) timeline: Timeline,
    pub(crate) notifier: Notifier,
    pub(crate) tasks: Tasks,
    pub(crate) limits: GroupSettings,
    /// Whether the operator allows groups, and changes of them.
    pub(crate) enabled: bool,
    pub(crate) limiter: Limiter,
    pub(crate) cleanups: CleanupSignal,
    /// Where people reach the client.
    pub(crate) public_url: String,
    /// The shortest time after which messages disappear, in seconds.
    pub(crate) timer_min_s: i32,
}

/// What is announced after a change.
#[derive(Debug, Default)]
struct Effect {
    /// The event.
    seq: Option<Seq>,
    /// Users who became members.
    joined: Vec<UserId>,
}

impl Groups {
    /// Creates a group or channel, and announces it to its members.
    pub(crate) async fn create(
        &self,
        creator: UserId,
        request_id: SendId,
        group: NewGroup,
    ) -> Result<CreatedGroup, GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            match store::create(&this.db, creator, request_id, group, this.limits).await? {
                Created::Existing(chat) => {
                    let item = this.chats.get(creator, chat).await?;
                    Ok(CreatedGroup { item, not_added: Vec::new(), invite: None, is_duplicate: true })
                }
                Created::New { chat, mut members, not_added } => {
                    tracing::info!(chat.id = %chat, user.id = %creator, "group created");
                    members.push(creator);
                    this.chats.announce_joined(chat, &members).await;
                    let item = this.chats.get(creator, chat).await?;
                    let invite = this.offer_invite(creator, chat, &not_added).await;
                    Ok(CreatedGroup { item, not_added, invite, is_duplicate: false })
                }
            }
        })
        .await
    }

    /// Changes title, description or settings.
    pub(crate) async fn update(&self, caller: Caller, patch: GroupPatch) -> Result<ChangeResult, GroupError> {
        self.change_and_announce(caller, Update(patch)).await
    }

    /// Sets how long new messages of a chat stay, in seconds; 0 is for ever.
    pub(crate) async fn set_timer(&self, caller: Caller, ttl_s: i32) -> Result<ChangeResult, GroupError> {
        let settings = SettingsPatch { ttl_s: Some(ttl_s), ..SettingsPatch::default() };
        let update = Update(GroupPatch { settings, ..GroupPatch::default() });
        if !store::is_direct(&self.db, caller).await? {
            return self.change_and_announce(caller, update).await;
        }
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            let outcome = store::set_direct_timer(&this.db, caller, &update, ttl_s).await?;
            Ok(this.announce_event(caller, outcome).await)
        })
        .await
    }

    /// Closes a chat for all.
    pub(crate) async fn close(&self, caller: Caller) -> Result<ChangeResult, GroupError> {
        self.change_and_announce(caller, Close).await
    }

    /// Adds users.
    pub(crate) async fn add(&self, caller: Caller, users: Vec<UserId>) -> Result<Addition, GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            match this.change(caller, AddMembers { users }).await? {
                Outcome::Done(added) => {
                    let effect = Effect { seq: added.seq, joined: added.added.clone() };
                    this.announce(caller.chat, effect).await;
                    let invite = this.offer_invite(caller.user, caller.chat, &added.not_added).await;
                    Ok(Addition { users: added, invite, is_duplicate: false })
                }
                Outcome::Duplicate(earlier) => {
                    this.announce_newcomers_again(caller.chat, &earlier).await;
                    let Earlier { seq, users: added } = earlier;
                    let users = Added { added, not_added: Vec::new(), seq };
                    Ok(Addition { users, invite: None, is_duplicate: true })
                }
            }
        })
        .await
    }

    /// Removes members.
    pub(crate) async fn remove(&self, caller: Caller, removal: Removal) -> Result<ChangeResult, GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            let deletes_messages = removal.deletes_messages;
            let outcome = this.change(caller, RemoveMembers(removal)).await?;
            if deletes_messages {
                this.cleanups.wake();
            }
            Ok(this.announce_event(caller, outcome).await)
        })
        .await
    }

    /// Lets the caller leave. An owner who is alone closes the chat.
    pub(crate) async fn leave(&self, caller: Caller) -> Result<ChangeResult, GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            let outcome = this.change(caller, Leave).await?;
            let result = this.announce_event(caller, outcome).await;
            if result.seq.is_none() {
                this.chats.announce_left(caller.user, caller.chat).await;
            }
            Ok(result)
        })
        .await
    }

    /// Changes the role or the restriction of a member.
    pub(crate) async fn change_member(
        &self,
        caller: Caller,
        user: UserId,
        patch: MemberPatch,
    ) -> Result<ChangeResult, GroupError> {
        self.change_and_announce(caller, ChangeMember { user, patch }).await
    }

    /// Checks that the caller may make an admin the owner: before the expensive check of the password.
    pub(crate) async fn check_transfer(&self, caller: Caller, to: UserId) -> Result<(), GroupError> {
        self.require_enabled()?;
        store::check_transfer(&self.db, caller, Transfer { to }).await
    }

    /// Makes an admin the owner.
    pub(crate) async fn transfer(&self, caller: Caller, to: UserId) -> Result<ChangeResult, GroupError> {
        self.change_and_announce(caller, Transfer { to }).await
    }

    /// Returns a page of the members.
    pub(crate) async fn members(
        &self,
        reader: UserId,
        chat: ChatId,
        filter: MemberFilter,
    ) -> Result<Members, GroupError> {
        let MemberPage { mut members, head } = store::list_members(&self.db, reader, chat, &filter).await?;
        let place = |MemberItem { role, user_id, .. }: &_| Place { role: *role, user: *user_id }.to_string();
        let next = filter.limit.next_place(&mut members, place);
        let online = self.notifier.online(members.iter().map(|member| member.user_id)).await;
        for member in &mut members {
            member.online = online.contains_key(&member.user_id);
        }
        Ok(Members { members, next, head_seq: head })
    }

    /// Applies a change of a chat.
    async fn change<C: Change>(&self, caller: Caller, change: C) -> Result<Outcome<C::Done>, GroupError> {
        store::change(&self.db, self.limits, caller, change).await
    }

    /// Applies a change that makes one event at most, and announces the event.
    async fn change_and_announce(
        &self,
        caller: Caller,
        change: impl Change<Done = Option<Seq>> + 'static,
    ) -> Result<ChangeResult, GroupError> {
        self.require_enabled()?;
        let this = self.clone();
        self.in_task(async move {
            let outcome = this.change(caller, change).await?;
            Ok(this.announce_event(caller, outcome).await)
        })
        .await
    }

    const fn require_enabled(&self) -> Result<(), GroupError> {
        if self.enabled { Ok(()) } else { Err(GroupError::EventsDisabled) }
    }

    /// Does the work in a task, so that a change is announced even if the client disconnects after the commit.
    async fn in_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, GroupError>> + Send + 'static,
    ) -> Result<T, GroupError> {
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// Announces the event of a change, also of a repeated one: a client repeats a request when the first one may have failed
    /// halfway.
    async fn announce_event(&self, caller: Caller, outcome: Outcome<Option<Seq>>) -> ChangeResult {
        let (seq, duplicate) = match outcome {
            Outcome::Done(seq) => (seq, false),
            Outcome::Duplicate(earlier) => (earlier.seq, true),
        };
        self.announce(caller.chat, Effect { seq, ..Effect::default() }).await;
        ChangeResult { seq, duplicate }
    }

    /// Announces who became a member by an earlier request, because that one may have failed halfway. Those who are members no
    /// longer get nothing.
    async fn announce_newcomers_again(&self, chat: ChatId, earlier: &Earlier) {
        self.announce(chat, Effect { seq: earlier.seq, joined: earlier.users.clone() }).await;
    }

    /// Announces what is committed. A lost announcement is found by a resync of notification-service.
    async fn announce(&self, chat: ChatId, effect: Effect) {
        let Effect { seq, joined } = effect;
        if !joined.is_empty() {
            // Before the event: the newcomers' first frame is the chat.
            self.chats.announce_joined(chat, &joined).await;
        }
        if let Some(seq) = seq {
            match self.timeline.event(chat, seq).await {
                Ok(event) => self.notifier.changed(event.announcement(chat)).await,
                Err(error) => {
                    tracing::warn!(chat.id = %chat, event.seq = seq, error.cause = %error, "event not announced");
                }
            }
        }
    }
}
