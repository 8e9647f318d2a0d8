//! Groups and channels in Postgres.

mod additions;
mod audit;
mod bans;
mod candidates;
mod cleanups;
mod create;
mod earlier;
mod event;
mod former;
mod invites;
mod joins;
mod list;
mod locked;
mod members;
mod names;
mod purge;
mod rooms;
mod timer;
mod transfer;
mod update;

use neonchat_common::ids::UserId;
use uuid::Uuid;

pub(super) use self::{
    audit::list as list_audit,
    bans::{Unban, list as list_bans},
    cleanups::{Cleanup, claim as claim_cleanup},
    create::{Created, create},
    earlier::Earlier,
    former::sweep as sweep_former_members,
    invites::{
        Invite, MakeInvite, OfferInvite, Preview, RevokeInvite, find as find_invite, list as list_invites, preview,
    },
    joins::{AnswerRequest, JoinByInvite, requests},
    list::{MemberPage, members as list_members},
    locked::{Change, Outcome, change},
    members::{AddMembers, ChangeMember, Leave, RemoveMembers},
    purge::{find_closed, purge},
    rooms::{JoinPublic, room_of, rooms},
    timer::{is_direct, set_direct_timer},
    transfer::{Transfer, check_transfer},
    update::{Close, Update},
};

fn uuids(users: &[UserId]) -> Vec<Uuid> {
    users.iter().map(|user| user.0).collect()
}
