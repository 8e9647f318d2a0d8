//! Redis Pub/Sub.

mod publish;
mod subscribe;

pub(crate) use self::{
    publish::{Publication, Publisher},
    subscribe::Subscriptions,
};
